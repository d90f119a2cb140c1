"""Encoding pages of an MRF: what a compression holds, and the bytes of one page.

Pictures (PPNG, PNG, JPEG, JPNG) hold the layer's colours, the others its codes, still packed, as GDAL users want
them who compute with the values.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numcodecs.zstd
import numpy as np
from PIL import Image

from lazytile.pyramid.errors import MrfError
from lazytile.pyramid.image import ImageFormat, encode_png8, encode_rgba
from lazytile.pyramid.mrf import Compression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.mrf_effort import Effort

BLACK = (0, 0, 0)
"""Behind transparent colours in JPEG: what a page that is not there reads as."""
BANDS = {Compression.PPNG: 1, Compression.PNG: 4, Compression.JPEG: 3, Compression.JPNG: 4}
"""Of pictures; codes have one."""
VALUE_TYPES = frozenset({"uint8", "int16", "uint16", "float32"})
"""Codes that every compression of values takes."""
ZSTD_LEVEL = 9
DEFAULT_QUALITY = 85


@dataclass(frozen=True, slots=True)
class PageFormat:
    """How an export writes its pages."""

    compression: Compression
    effort: Effort
    """Of PPNG and DEFLATE; the others have one way."""
    quality: int = DEFAULT_QUALITY
    """Of JPEG, 1 to 95, at 4:2:0."""

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 95:
            raise MrfError(f"JPEG quality {self.quality} is out of range, it may be 1 to 95")

    @property
    def is_picture(self) -> bool:
        """Whether pages show colours; else they hold codes."""
        return self.compression in BANDS

    @property
    def encoder(self) -> str:
        """What decides the bytes beside the pixels: an export only goes on with pages of the same."""
        match self.compression:
            case Compression.PPNG | Compression.DEFLATE:
                return self.effort.encoder
            case Compression.JPEG | Compression.JPNG:
                return f"quality {self.quality}"
            case _:
                return "1"

    def drops_blank(self, rgba: NDArray[np.uint8]) -> bool:
        """Whether a reader gets the right pixels for a page without data that is not stored.

        ``rgba``: shape (colours, 4), uint8, no data first. In pictures a page that is not there reads as all 0.
        """
        return not self.is_picture or self.compression is Compression.PPNG or not rgba[0].any()

    def encode_picture(self, index: NDArray[Any], rgba: NDArray[np.uint8]) -> bytes | None:
        """Return the bytes of a page of palette indices, shape (rows, cols); None where it need not be stored.

        ``rgba``: shape (colours, 4), uint8.
        """
        if not index.any() and self.drops_blank(rgba):
            return None
        if self.compression is Compression.PPNG:
            return encode_png8(index, rgba, self.effort.deflate)
        colours = rgba[index]
        if self.compression is Compression.PNG:
            return encode_rgba(colours, ImageFormat.PNG, BLACK)
        if self.compression is Compression.JPNG and (colours[..., 3] < 255).any():
            return encode_rgba(colours, ImageFormat.PNG, BLACK)
        return _jpeg(colours, self.quality)

    def encode_codes(self, codes: NDArray[Any], fill_code: float | None) -> bytes | None:
        """Return the bytes of a page of codes, shape (rows, cols); None where all of it is fill."""
        if fill_code is not None and _is_fill(codes, fill_code).all():
            return None
        raw = np.ascontiguousarray(codes, codes.dtype.newbyteorder("<"))
        match self.compression:
            case Compression.NONE:
                return raw.tobytes()
            case Compression.DEFLATE:
                return self.effort.deflate(raw)
            case Compression.ZSTD:
                ranks = raw.reshape(-1).view(np.uint8).reshape(-1, raw.itemsize).T.reshape(-1)
                # The first byte is its own difference; uint8 wraps as it should.
                return bytes(numcodecs.zstd.compress(np.diff(ranks, prepend=np.uint8(0)), ZSTD_LEVEL))
            case Compression.TIF:
                return _tiff(raw, self.effort)
            case _:
                return _lerc(codes, fill_code)


def _is_fill(codes: NDArray[Any], fill_code: float) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = np.isnan(codes) if np.isnan(fill_code) else codes == codes.dtype.type(fill_code)
    return filled


def _jpeg(colours: NDArray[np.uint8], quality: int) -> bytes:
    alpha = colours[..., 3:].astype(np.uint16)
    flat = ((colours[..., :3] * alpha + 127) // 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(flat).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _lerc(codes: NDArray[Any], fill_code: float | None) -> bytes:
    try:
        import lerc  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise MrfError("pages in LERC need the package lerc: pip install 'lazytile[lerc]'") from error
    valid = np.ones(codes.shape, np.bool_) if fill_code is None else ~_is_fill(codes, fill_code)
    filled = np.ascontiguousarray(np.where(valid, codes, codes.dtype.type(0)))
    failed, size, blob = lerc.encode(filled, 1, bool((~valid).any()), np.ascontiguousarray(valid), 0.0, 1 << 16)
    if failed:
        raise MrfError(f"the LERC library could not encode a page of {codes.dtype}, error {failed}")
    return bytes(blob[:size])


def _tiff(raw: NDArray[Any], effort: Effort) -> bytes:
    """Return a little-endian TIFF of one deflated strip (TIFF 6.0, and Adobe's supplement 2 for Deflate)."""
    rows, cols = raw.shape
    strip = effort.deflate(raw)
    kinds = {"u": 1, "i": 2, "f": 3}
    short, long = 3, 4
    tags = [
        (256, long, cols),
        (257, long, rows),
        (258, short, raw.itemsize * 8),
        (259, short, 8),  # Deflate
        (262, short, 1),  # black is zero
        (273, long, 8),  # the strip follows the file's header
        (277, short, 1),
        (278, long, rows),
        (279, long, len(strip)),
        (339, short, kinds[raw.dtype.kind]),
    ]
    padding = b"\0" * (len(strip) % 2)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + len(strip) + len(padding)) + strip + padding + directory + bytes(4)
