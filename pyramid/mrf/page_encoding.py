"""Encoding pages of an MRF.

Images (PPNG, PNG, JPEG, JPNG) hold the layer's colours, the others its codes, still packed, for GDAL users who compute
with the values.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numcodecs.zstd
import numpy as np
from PIL import Image

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.zen import with_mask
from lazytile.pyramid.render.image import ImageFormat, encode_png8, encode_png8_row, encode_rgba

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.mrf.effort import CompressionEffort

BLACK = (0, 0, 0)
"""Behind transparent colours in JPEG: readers see it for a page that is not stored."""
_BANDS = {Compression.PPNG: 1, Compression.PNG: 4, Compression.JPEG: 3, Compression.JPNG: 4}
"""Of images; codes have one."""
_VALUE_TYPES = frozenset(
    {"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"}
)
_UNFIT_TYPES = {
    Compression.TIF: frozenset({"int64", "uint64", "float64"}),  # Pillow reads none with 64 bits
    Compression.LERC: frozenset({"int8", "int64", "uint64"}),  # LERC has no 64 bits; GDAL loses the mask of int8
}
ZSTD_LEVEL = 9
DEFAULT_QUALITY = 85


@dataclass(frozen=True, slots=True)
class PageFormat:
    """The encoding of an export's pages."""

    compression: Compression
    effort: CompressionEffort
    """Of PPNG and DEFLATE."""
    quality: int = DEFAULT_QUALITY
    """Of JPEG, 1 to 95."""
    png_bands: int | None = None
    """Of PNG: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; None is 4. Without alpha, no data is black."""
    full_chroma: bool = False
    """Of JPEG: colour differences at full resolution (4:4:4), not at half (4:2:0)."""
    max_error: float = 0.0
    """Of LERC: largest error of a code; 0 is lossless."""
    zen: bool = False
    """Of JPEG: with a mask of the pixels without data, which readers that know it show as exactly 0."""
    deflated: bool = False
    """Of LERC: each page within a zlib stream, as OnEarth announces it (``Content-Encoding: deflate``)."""

    def __post_init__(self) -> None:
        if self.png_bands is not None and self.compression is not Compression.PNG:
            raise MrfError(f"{self.compression.name} pages have a fixed number of bands, only PNG pages have a choice")
        if self.png_bands not in (None, 1, 2, 3, 4):
            raise MrfError(f"PNG pages of {self.png_bands} bands are not allowed, 1 to 4 are")
        if self.full_chroma and self.compression not in (Compression.JPEG, Compression.JPNG):
            raise MrfError(f"{self.compression.name} pages have no chroma, only JPEG and JPNG pages do")
        if self.zen and self.compression is not Compression.JPEG:
            raise MrfError(f"{self.compression.name} pages have no Zen mask, only JPEG pages do")
        if self.max_error and self.compression is not Compression.LERC:
            raise MrfError(f"{self.compression.name} pages are exact, only LERC takes a maximum error")
        if not 0.0 <= self.max_error < np.inf:
            raise MrfError(f"LERC's maximum error {self.max_error} is out of range, it may be 0 or more")
        if not 1 <= self.quality <= 95:
            raise MrfError(f"JPEG quality {self.quality} is out of range, it may be 1 to 95")

    @property
    def is_image(self) -> bool:
        """Whether pages show colours; else they hold codes."""
        return self.compression in _BANDS

    @property
    def bands(self) -> int:
        """Bands of a page."""
        return self.png_bands or _BANDS.get(self.compression, 1)

    @property
    def encoder(self) -> str:
        """The options that decide the bytes besides the pixels: only an export with the same ones is resumed."""
        match self.compression:
            case Compression.PPNG:
                return self.effort.encoder
            case Compression.DEFLATE:
                return self.effort.code_encoder
            case Compression.JPEG | Compression.JPNG:
                return f"quality {self.quality}{' 4:4:4' if self.full_chroma else ''}{' zen' if self.zen else ''}"
            case Compression.LERC if self.max_error or self.deflated:
                return f"error {self.max_error!r}{' deflated' if self.deflated else ''}"
            case _:
                return "1"

    def traits(self) -> dict[str, str]:
        """Return what decides the bytes of these pages in this process: all that render an export have the same."""
        return {"page encoder": self.effort.code_encoder if self.compression is Compression.TIF else self.encoder}

    @property
    def value_types(self) -> frozenset[str]:
        """Types of codes that pages of values may have."""
        return _VALUE_TYPES - _UNFIT_TYPES.get(self.compression, frozenset())

    def omits_empty(self, rgba: NDArray[np.uint8]) -> bool:
        """Return whether readers get the right pixels for an empty page that is not stored.

        Args:
            rgba: Shape (colours, 4), uint8, no data first. An absent page of an image reads as all 0.

        Returns:
            Whether they do.
        """
        return not self.is_image or self.compression is Compression.PPNG or not self.page_colours(rgba)[0].any()

    def page_colours(self, rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the colours as pages hold them; without alpha they are blended with black.

        Args:
            rgba: Shape (colours, 4), uint8.

        Returns:
            Shape (colours, bands), uint8.

        Raises:
            MrfError: A grey page would need colours.
        """
        colours = rgba if self.bands in (2, 4) else _on_black(rgba)
        if self.bands <= 2:
            if (colours[:, :3] != colours[:, :1]).any():
                raise MrfError("the style has colours, PNG pages of 1 or 2 bands are grey: use 3 or 4 bands")
            return np.ascontiguousarray(colours[:, (0, 3)[: self.bands]])
        return np.ascontiguousarray(colours[:, : self.bands])

    def encode_row(self, index: NDArray[Any], width: int, rgba: NDArray[np.uint8]) -> list[bytes | None]:
        """Encode pages of palette indices that lie side by side.

        Args:
            index: Shape (rows, pages * width).
            width: Of a page.
            rgba: Shape (colours, 4), uint8.

        Returns:
            The bytes of each page; None for each that need not be stored.
        """
        deflate = self.effort.picture_deflate
        shown = index.max(axis=0).reshape(-1, width).any(axis=1) | (not self.omits_empty(rgba))
        pages: list[bytes | None] = []
        for is_shown, run in itertools.groupby(range(len(shown)), shown.__getitem__):
            some = list(run)
            part = index[:, some[0] * width : (some[-1] + 1) * width]
            if not is_shown:
                pages += [None] * len(some)
            elif self.compression is Compression.PPNG and deflate is not None:
                pages += encode_png8_row(part, width, rgba, deflate)
            else:
                pages += [self.image(part[:, left : left + width], rgba) for left in range(0, part.shape[1], width)]
        return pages

    def image(self, index: NDArray[Any], rgba: NDArray[np.uint8]) -> bytes:
        """Encode a page of palette indices, also an empty one.

        Args:
            index: Shape (rows, cols).
            rgba: Shape (colours, 4), uint8.

        Returns:
            The bytes.
        """
        if self.compression is Compression.PPNG:
            return encode_png8(index, rgba, self.effort.picture_deflate)
        return self._picture(self.page_colours(rgba)[index], rgba[:, 3][index] > 0)

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> bytes | None:
        """Encode a page of colours.

        Args:
            pixels: Shape (rows, cols, 4), uint8.

        Returns:
            The bytes; None where every pixel is transparent: readers take an absent page for that.

        Raises:
            MrfError: Pages in this compression hold no colours, or only a palette's.
        """
        return self.pixels(pixels) if pixels[..., 3].any() else None

    def pixels(self, pixels: NDArray[np.uint8]) -> bytes:
        """Encode a page of colours, also an empty one.

        Args:
            pixels: Shape (rows, cols, 4), uint8.

        Returns:
            The bytes.

        Raises:
            MrfError: Pages in this compression hold no colours, or only a palette's.
        """
        self.check_colours()
        colours = pixels if self.bands == 4 else _on_black(pixels)[..., : self.bands]
        return self._picture(np.ascontiguousarray(colours), pixels[..., 3] > 0)

    def check_colours(self) -> None:
        """Check that pages hold any colours, without a palette.

        Raises:
            MrfError: They do not.
        """
        if self.bands < 3 or self.compression is Compression.PPNG or not self.is_image:
            name = f"{self.compression.name} pages{f' of {self.bands} bands' if self.png_bands else ''}"
            raise MrfError(f"a picture of three variables does not fit {name}, it fits PNG, JPEG and JPNG pages")

    def _picture(self, colours: NDArray[np.uint8], shown: NDArray[np.bool_]) -> bytes:
        """Encode colours, shape (rows, cols, bands); ``shown`` is where there is data."""
        is_opaque = self.bands != 4 or bool((colours[..., 3] == 255).all())
        if self.compression is Compression.PNG or not is_opaque:
            return encode_rgba(colours, ImageFormat.PNG, BLACK) if self.bands == 4 else _png(colours)
        page = _jpeg(colours[..., :3], self.quality, full_chroma=self.full_chroma)
        # Transparent pixels are no data; black ones are data.
        return with_mask(page, shown) if self.zen else page

    def encode_codes(self, codes: NDArray[Any], fill_code: float | None) -> bytes | None:
        """Encode a page of codes.

        Args:
            codes: Shape (rows, cols).
            fill_code: Code of no data, if there is one.

        Returns:
            The bytes; None where all of it is fill.
        """
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
                # The first byte is its own difference; uint8 wraps around as required.
                return bytes(numcodecs.zstd.compress(np.diff(ranks, prepend=np.uint8(0)), ZSTD_LEVEL))
            case Compression.TIF:
                return _tiff(raw, self.effort)
            case _:
                page = _lerc(codes, fill_code, self.max_error)
                return zlib.compress(page) if self.deflated else page


def _is_fill(codes: NDArray[Any], fill_code: float) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = np.isnan(codes) if np.isnan(fill_code) else codes == codes.dtype.type(fill_code)
    return filled


def _on_black(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colours blended with black by their alpha, and opaque: shape (..., 4)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    flat = (rgba * alpha + 127) // 255
    flat[..., 3] = 255
    return flat.astype(np.uint8)


def _png(colours: NDArray[np.uint8]) -> bytes:
    """Return a PNG of colours, shape (rows, cols, 1 to 3)."""
    stream = io.BytesIO()
    Image.fromarray(colours[..., 0] if colours.shape[-1] == 1 else colours).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _jpeg(colours: NDArray[np.uint8], quality: int, *, full_chroma: bool) -> bytes:
    stream = io.BytesIO()
    subsampling = 0 if full_chroma else 2
    Image.fromarray(np.ascontiguousarray(colours)).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


def _lerc(codes: NDArray[Any], fill_code: float | None, max_error: float) -> bytes:
    try:
        import lerc  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise MrfError("pages in LERC need the package lerc: pip install 'lazytile[lerc]'") from error
    valid = np.ones(codes.shape, np.bool_) if fill_code is None else ~_is_fill(codes, fill_code)
    filled = np.ascontiguousarray(np.where(valid, codes, codes.dtype.type(0)))
    # LERC stores incompressible pixels raw, after a mask of at most one bit a pixel and a few bytes of run lengths.
    room = filled.nbytes + filled.size // 4 + 4096
    failed, *made = lerc.encode(filled, 1, bool((~valid).any()), np.ascontiguousarray(valid), max_error, room)
    if failed:
        raise MrfError(f"the LERC library could not encode a page of {codes.dtype}, error {failed}")
    size, blob = made
    return bytes(memoryview(blob)[:size])


def _tiff(raw: NDArray[Any], effort: CompressionEffort) -> bytes:
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
