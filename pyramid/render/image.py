"""Image formats and encoders: from palette indices to bytes.

The native kernel encodes a PNG-8 in one call. Without it, and for other efforts of deflate, the file is assembled here
from one row filter and one deflate call (filter Up suits palette indices of smooth fields). Its palette always has 256
entries: with 16 or fewer, a PNG writer may choose 4 bits per pixel, which GDAL then reads as wrong numbers. Pillow
encodes JPEG, WebP and RGBA.
"""

from __future__ import annotations

import io
import struct
import zlib
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.kernel.selection import current_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

try:
    from isal import isal_zlib

    crc32 = isal_zlib.crc32

    # Levels 1 and 2 of ISA-L choose the second match of a stream by a register that they do not set
    # (igzip_icf_body_h1_gr_bt.asm, write_first_byte): one tile in some thousands had other bytes.
    ISAL_LEVEL = 3
    FAST_LIBRARY = f"isal {ISAL_LEVEL}"

    def deflate_fast(data: Any) -> bytes:
        """Compress to a zlib stream, fast and the same one each time.

        Args:
            data: A contiguous buffer.

        Returns:
            The stream.
        """
        return bytes(isal_zlib.compress(data, ISAL_LEVEL))
except ImportError:  # no wheel for this platform: equal pictures, other bytes, about 4 times slower
    crc32 = zlib.crc32
    FAST_LIBRARY = "zlib"

    def deflate_fast(data: Any) -> bytes:
        """Compress to a zlib stream, as fast as possible.

        Args:
            data: A contiguous buffer.

        Returns:
            The stream.
        """
        return zlib.compress(data, 1)


PALETTE_SIZE = 256
JPEG_QUALITY = 85
PICTURES_AT_ONCE = 8
"""Pictures side by side that are filtered in one call."""
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_FILTER_UP = 2


class ImageFormat(Enum):
    """A format of tiles: MIME type and file name extensions, the preferred one first."""

    PNG = ("image/png", ("png",))
    JPEG = ("image/jpeg", ("jpg", "jpeg"))
    WEBP = ("image/webp", ("webp",))
    GEOTIFF = ("image/tiff; application=geotiff", ("tif", "tiff"))
    LERC = ("image/lerc", ("lerc", "lrc"))
    NPY = ("application/x-npy", ("npy",))
    TERRAIN = ("image/png; encoding=terrain-rgb", ("terrain",))

    @property
    def mime(self) -> str:
        """MIME type."""
        return str(self.value[0])

    @property
    def extension(self) -> str:
        """Extension without its dot."""
        return str(self.value[1][0])

    @property
    def is_data(self) -> bool:
        """Whether tiles in this format hold values, not colours."""
        return self in (ImageFormat.GEOTIFF, ImageFormat.LERC, ImageFormat.NPY, ImageFormat.TERRAIN)

    @classmethod
    def from_mime(cls, mime: str) -> ImageFormat:
        """Return the format of a MIME type.

        Args:
            mime: The MIME type.

        Returns:
            The format.

        Raises:
            InvalidParameterError: There is no such format.
        """
        for item in cls:
            if mime == item.value[0]:
                return item
        raise cls._invalid(mime, [item.mime for item in cls])

    @classmethod
    def from_extension(cls, extension: str) -> ImageFormat:
        """Return the format of a file name extension.

        Args:
            extension: The extension, without its dot.

        Returns:
            The format.

        Raises:
            InvalidParameterError: There is no such format.
        """
        for item in cls:
            if extension in item.value[1]:
                return item
        raise cls._invalid(extension, [item.extension for item in cls])

    @staticmethod
    def _invalid(requested: str, allowed: list[str]) -> InvalidParameterError:
        text = f"format {requested!r} is invalid, it may be {', '.join(allowed)}"
        return InvalidParameterError(RequestField.FORMAT, text)


def padded_palette(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a palette with exactly 256 entries.

    Args:
        rgba: Shape (up to 256, 4), uint8.

    Returns:
        Shape (256, 4), uint8; the added entries are transparent black.
    """
    palette = np.zeros((PALETTE_SIZE, 4), np.uint8)
    palette[: len(rgba)] = rgba
    return palette


def encode(
    index: NDArray[Any], rgba: NDArray[np.uint8], image_format: ImageFormat, background: tuple[int, int, int]
) -> bytes:
    """Encode a tile of palette indices.

    Args:
        index: Shape (height, width), uint8 (uint16 where the palette has over 256 colours): rows of ``rgba``.
        rgba: Shape (colours, 4), uint8.
        image_format: Format of the file, of pictures.
        background: Red, green and blue behind transparent colours, in formats without alpha.

    Returns:
        The file.
    """
    if image_format is ImageFormat.PNG and len(rgba) <= PALETTE_SIZE:
        return encode_png8(index, rgba)
    if image_format is ImageFormat.JPEG:
        # Each colour is blended with the background once, not once per pixel.
        return _save(Image.fromarray(_flattened(rgba, background)[index]), image_format)
    return _save(Image.fromarray(rgba[index]), image_format)


def encode_rgba(pixels: NDArray[np.uint8], image_format: ImageFormat, background: tuple[int, int, int]) -> bytes:
    """Encode a picture of colours.

    Args:
        pixels: Shape (height, width, 4), uint8.
        image_format: Format of the file, of pictures.
        background: As for ``encode``.

    Returns:
        The file.
    """
    if image_format is ImageFormat.JPEG:
        pixels = _flattened(pixels, background)
    return _save(Image.fromarray(pixels), image_format)


def _save(image: Image.Image, image_format: ImageFormat) -> bytes:
    stream = io.BytesIO()
    match image_format:
        case ImageFormat.PNG:
            image.save(stream, "PNG", compress_level=3)
        case ImageFormat.JPEG:
            image.save(stream, "JPEG", quality=JPEG_QUALITY)
        case ImageFormat.WEBP:
            # Lossless, so that every colour is one of the colormap's; ``exact`` preserves fully transparent ones.
            image.save(stream, "WEBP", lossless=True, method=0, exact=True)
        case _:
            raise ValueError(f"{image_format.name} tiles hold values, not colours")
    return stream.getvalue()


def encode_png8(
    index: NDArray[np.uint8], rgba: NDArray[np.uint8], deflate: Callable[[Any], bytes] | None = None
) -> bytes:
    """Encode palette indices as an 8-bit paletted PNG with alpha (PNG specification, colour type 3).

    Args:
        index: Shape (height, width), uint8.
        rgba: Shape (up to 256, 4), uint8.
        deflate: Compresses the filtered rows to a zlib stream; None: as tiles are served, the fastest.

    Returns:
        The file.
    """
    chunks = _palette_chunks(rgba.shape[0], rgba.tobytes())
    encoder = current_kernel().png
    if deflate is None and encoder is not None:
        return encoder.encode(index, chunks)
    return next(encode_png8_row(index, index.shape[1], rgba, deflate or deflate_fast))


def encode_png8_row(
    index: NDArray[np.uint8], width: int, rgba: NDArray[np.uint8], deflate: Callable[[Any], bytes]
) -> Iterator[bytes]:
    """Encode pictures that lie side by side, each as ``encode_png8`` does.

    Several are filtered in one call of NumPy: what threads do outside such calls, and the turns that they wait for to
    do it, decides how busy they keep their processors.

    Args:
        index: Shape (height, pictures * width), uint8.
        width: Of a picture.
        rgba: Shape (up to 256, 4), uint8.
        deflate: Compresses the filtered rows of a picture to a zlib stream.

    Yields:
        The files, from left to right.
    """
    height, count = index.shape[0], index.shape[1] // width
    pictures = index.reshape(height, count, width).transpose(1, 0, 2)
    head = _png_head(width, height) + _palette_chunks(rgba.shape[0], rgba.tobytes())
    for first in range(0, count, PICTURES_AT_ONCE):
        some = pictures[first : first + PICTURES_AT_ONCE]
        rows = np.empty((len(some), height, width + 1), np.uint8)
        rows[:, :, 0] = _FILTER_UP
        rows[:, 0, 1:] = some[:, 0]
        np.subtract(some[:, 1:], some[:, :-1], out=rows[:, 1:, 1:])
        for picture in rows:
            yield b"".join((head, _png_chunk(b"IDAT", deflate(picture)), _PNG_END))


def png8_encoder() -> str:
    """Return the name of what ``encode_png8`` compresses with by default: equal names, equal bytes."""
    encoder = current_kernel().png
    return FAST_LIBRARY if encoder is None else encoder.name


def picture_encoders() -> dict[str, str]:
    """Return what encodes tiles in this process and is no package with a version, by name: equal names, equal bytes."""
    return {"PNG encoder": png8_encoder()}


@process.memo
def _palette_chunks(count: int, rgba: bytes) -> bytes:
    """Return the chunks of a palette, given as the bytes of an array of shape (count, 4)."""
    palette = padded_palette(np.frombuffer(rgba, np.uint8).reshape(count, 4))
    return _png_chunk(b"PLTE", palette[:, :3].tobytes()) + _png_chunk(b"tRNS", palette[:, 3].tobytes())


def _png_head(width: int, height: int) -> bytes:
    return _PNG_SIGNATURE + _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", crc32(data, crc32(kind)))))


def _flattened(rgba: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Blend colours, shape (..., 4), with a background: shape (..., 3)."""
    alpha = rgba[..., 3:].astype(np.float64) / 255.0
    return np.rint(rgba[..., :3] * alpha + np.array(background, np.float64) * (1.0 - alpha)).astype(np.uint8)
