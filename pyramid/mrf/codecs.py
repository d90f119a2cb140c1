"""Decoding one page of an MRF.

The bytes are untrusted. The size that they claim is compared with the page's before a decoder allocates it, and only
the decoder of the header's compression is used.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numcodecs.zstd
import numpy as np
from PIL import Image, UnidentifiedImageError

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.zen import mask_of, masked, segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.mrf.model import MrfHeader

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
ZSTD_SIGNATURE = b"\x28\xb5\x2f\xfd"
ON = frozenset({"ON", "TRUE", "YES", "1"})
"""Values of an option that GDAL reads as yes."""
PACKED_MARGIN_BYTES = 1440
"""Bytes by which a page within DEFLATE may exceed its pixels: GDAL reserves no more."""
_IMAGE_MODES: dict[str, dict[int, tuple[str, ...]]] = {
    "PPNG": {1: ("P",)},
    "PNG": {1: ("L", "P", "I;16", "I;16B", "I"), 2: ("LA",), 3: ("RGB",), 4: ("RGBA",)},
    "JPEG": {1: ("L",), 3: ("RGB",), 4: ("CMYK",)},
    "TIFF": {1: ("L", "I;16", "I;16S", "I;16B", "I", "F"), 2: ("LA",), 3: ("RGB",), 4: ("RGBA", "RGBX")},
}


def decode_page(data: bytes, header: MrfHeader) -> NDArray[Any]:
    """Decode a page; palette pages give indices.

    Args:
        data: The bytes of the page.
        header: Of the MRF.

    Returns:
        Shape (rows, cols, bands of a page), the header's dtype.

    Raises:
        MrfError: The bytes are not a page of this header.
    """
    data = _unpacked(data, header)
    match header.compression:
        case Compression.PPNG | Compression.PNG:
            pixels = _decode_image(data, "PNG", header)
        case Compression.JPEG:
            pixels = _decode_jpeg(data, header, header.page_bands)
        case Compression.JPNG:
            pixels = _decode_jpng(data, header)
        case Compression.TIF:
            pixels = _decode_image(data, "TIFF", header)
        case Compression.NONE | Compression.DEFLATE:
            pixels = _from_raw(data, header)
        case Compression.ZSTD:
            pixels = _from_raw(_unzstd(data, header), header)
        case Compression.LERC:
            pixels = _decode_lerc(data, header)
    return pixels.reshape(header.page.rows, header.page.cols, header.page_bands)


def _unpacked(data: bytes, header: MrfHeader) -> bytes:
    """Undo the DEFLATE that an option of any compression may add."""
    options = {name.upper(): value.upper() in ON for name, value in header.options}
    if header.compression is Compression.DEFLATE:
        return _inflate(data, header.page_bytes, is_bare=options.get("RAWZ", False))
    if options.get("ZSTD") and header.compression is not Compression.ZSTD:
        raise MrfError(f"{header.compression.name} pages within ZSTD are not supported, only compression ZSTD is")
    if options.get("DEFLATE") and header.compression is not Compression.ZSTD:
        return _inflate(data, header.page_bytes + PACKED_MARGIN_BYTES, is_bare=options.get("RAWZ", False))
    return data


def _decode_image(data: bytes, kind: str, header: MrfHeader, bands: int | None = None) -> NDArray[Any]:
    """Decode an image of one format; ``bands`` where it differs from the page's."""
    modes = _IMAGE_MODES["PPNG" if header.compression is Compression.PPNG else kind]
    expected = (header.page.cols, header.page.rows)
    if kind == "PNG":
        _check_depth(data, header)
    if kind != "TIFF":  # a TIFF's size has no fixed position; Pillow reads only tags until pixels are requested
        _check_size(_png_size(data) if kind == "PNG" else _jpeg_size(data), expected, kind)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check_size(image.size, expected, kind)
            _check_mode(image.mode, modes.get(bands or header.page_bands, ()), header)
            pixels = np.asarray(image)
    except MrfError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MrfError(f"a page's {kind} claims more pixels than a page has") from error
    except UnidentifiedImageError as error:  # its text is the address of the buffer
        raise MrfError(f"a page's {kind} is damaged, or of a kind that is not supported") from error
    except Exception as error:  # Pillow's parsers raise exceptions of many classes for damaged files
        raise MrfError(f"a page's {kind} is damaged: {' '.join(str(error).split())}") from error
    if header.dtype == "int16" and pixels.dtype.itemsize == 2:
        return pixels.view(np.int16)  # a PNG has no sign: GDAL reinterprets the bits
    return pixels.astype(header.dtype, copy=False)


def _decode_jpeg(data: bytes, header: MrfHeader, bands: int) -> NDArray[Any]:
    """Decode a JPEG; with a Zen mask exactly the pixels without data are 0."""
    if bands not in _IMAGE_MODES["JPEG"]:
        raise MrfError(f"JPEG pages of {bands} bands are not supported, those of 1, 3 and 4 are")
    pixels = _decode_image(data, "JPEG", header, bands)
    if bands == 4:
        pixels = np.invert(pixels)  # Pillow takes four bands for inks, and inverts them
    is_data = mask_of(data, header.page)
    return pixels if is_data is None else masked(pixels, is_data)


def _check_size(size: tuple[int, int] | None, expected: tuple[int, int], kind: str) -> None:
    if size != expected:
        found = "no image" if size is None else f"an image of {size[0]} x {size[1]} pixels"
        raise MrfError(f"a page holds {found}, {kind} of {expected[0]} x {expected[1]} was expected")


def _check_mode(mode: str, allowed: tuple[str, ...], header: MrfHeader) -> None:
    if mode not in allowed:
        raise MrfError(f"a page holds an image in mode {mode}, {header.page_bands} bands were expected")


def _check_depth(data: bytes, header: MrfHeader) -> None:
    """Refuse PNGs that would be decoded to other numbers: Pillow reduces 16 bits to 8 where there are several bands."""
    bits = np.dtype(header.dtype).itemsize * 8
    if data[24:25] != b"\x10" and bits == 8:
        return
    if header.page_bands > 1 or data[24:25] != b"\x10" or bits != 16:
        found = data[24] if len(data) > 24 else 0
        raise MrfError(
            f"a page holds a PNG of {found} bits, {header.page_bands} bands of {bits} bits are not supported"
        )


def _decode_jpng(data: bytes, header: MrfHeader) -> NDArray[Any]:
    """Decode a page that is a JPEG where all of it is opaque, else a PNG with alpha."""
    if not data.startswith(JPEG_SIGNATURE):
        return _decode_image(data, "PNG", header)
    if header.page_bands not in (2, 4):
        raise MrfError(f"JPNG pages have 2 or 4 bands, not {header.page_bands}")
    pixels = _decode_jpeg(data, header, header.page_bands - 1)
    colours = pixels.reshape(header.page.rows, header.page.cols, header.page_bands - 1)
    return np.concatenate((colours, np.full_like(colours[:, :, :1], 255)), axis=2)


def _from_raw(data: bytes, header: MrfHeader) -> NDArray[Any]:
    if len(data) != header.page_bytes:
        raise MrfError(f"a page has {len(data)} bytes of pixels, {header.page_bytes} were expected")
    dtype = np.dtype(header.dtype).newbyteorder(">" if header.is_big_endian else "<")
    return np.frombuffer(data, dtype).astype(header.dtype)


def _inflate(data: bytes, limit_bytes: int, *, is_bare: bool) -> bytes:
    """Undo DEFLATE: a zlib or a gzip stream, or with option RAWZ a raw one (RFC 1950 to 1952)."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)
    try:
        # One byte more than a page reveals a longer one, whatever length it claims.
        return stream.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise MrfError(f"a page's DEFLATE is damaged: {error}") from error


def _unzstd(data: bytes, header: MrfHeader) -> bytes:
    """Undo ZSTD: bytes by significance (all first bytes, then all second ones), then differences of neighbours."""
    size = _zstd_size(data)
    if not data.startswith(ZSTD_SIGNATURE) or size not in (None, header.page_bytes):
        raise MrfError(f"a page's ZSTD frame does not hold the {header.page_bytes} bytes of a page")
    differences = np.empty(header.page_bytes, np.uint8)
    try:
        numcodecs.zstd.decompress(data, differences)  # exactly this many bytes, whatever the frame says
    except (RuntimeError, ValueError) as error:
        raise MrfError(f"a page's ZSTD is damaged: {error}") from error
    ranks = np.add.accumulate(differences, dtype=np.uint8)
    width = np.dtype(header.dtype).itemsize * header.page_bands
    return ranks.reshape(width, -1).T.tobytes()


def _zstd_size(data: bytes) -> int | None:
    """Return the size of the content by the frame header (RFC 8878, 3.1.1.1), None where it is not stated."""
    if not data.startswith(ZSTD_SIGNATURE) or len(data) < 5:
        return None
    descriptor = data[4]
    is_single = bool(descriptor & 0x20)
    width = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    at = 5 + (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3]
    if width == 0 or len(data) < at + width:
        return None
    size = int.from_bytes(data[at : at + width], "little")
    return size + 256 if width == 2 else size


def _decode_lerc(data: bytes, header: MrfHeader) -> NDArray[Any]:
    try:
        import lerc  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise MrfError("pages in LERC need the package lerc: pip install 'lazytile[lerc]'") from error
    failed, _, _, values, cols, rows, bands, *_ = _lerc_result(lerc.getLercBlobInfo, data)
    expected = (header.page.rows, header.page.cols, header.page_bands)
    if failed or (rows, cols, values * bands) != expected:
        raise MrfError(f"a page's LERC is damaged, or not {expected[1]} x {expected[0]} of {expected[2]} bands")
    failed, pixels, mask = _lerc_result(lerc.decode, data)
    if failed:
        raise MrfError("a page's LERC is damaged")
    pixels = np.asarray(pixels)
    if bands > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    if mask is not None and header.nodata:
        pixels = np.where(np.asarray(mask).reshape(rows, cols, *(1,) * (pixels.ndim - 2)), pixels, header.nodata[0])
    return pixels.astype(header.dtype)


def _lerc_result(function: Callable[[bytes], tuple[Any, ...]], data: bytes) -> tuple[Any, ...]:
    try:
        result = function(data)
    except Exception as error:  # the package fails in many ways for an unknown type or mask
        raise MrfError(f"a page's LERC is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(result, tuple):
        raise MrfError("a page's LERC is damaged")
    return result


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height by the IHDR chunk, which is always the first."""
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height by the frame header (ITU-T T.81, B.2.2), the first of the SOF markers."""
    for marker, content in segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return (int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big"))
    return None
