"""One page of an MRF: pixels to bytes and back.

Bytes that are decoded come from a file that anybody may have written. The size that an image claims is compared with
the page's before a decoder allocates it, and only the one decoder that the compression names is asked.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lazytile.pyramid.errors import MrfError
from lazytile.pyramid.mrf import Compression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.mrf import MrfHeader

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
_MODES: dict[Compression, dict[int, tuple[str, ...]]] = {
    Compression.PPNG: {1: ("P",)},
    Compression.PNG: {1: ("L", "P", "I;16", "I;16B", "I"), 2: ("LA",), 3: ("RGB",), 4: ("RGBA",)},
    Compression.JPEG: {1: ("L",), 3: ("RGB",), 4: ("CMYK",)},
}


def decode_page(data: bytes, header: MrfHeader) -> NDArray[Any]:
    """Return the pixels of a page, shape (rows, cols, bands of a page), in the header's type.

    Palette pages give indices. Raises ``MrfError`` where the bytes are not a page of this header.
    """
    match header.compression:
        case Compression.PPNG | Compression.PNG:
            pixels = _decode_image(data, "PNG", header)
        case Compression.JPEG:
            pixels = _decode_image(data, "JPEG", header)
        case other:
            raise MrfError(f"pages in {other.name} are not decoded")
    return pixels.reshape(header.page.rows, header.page.cols, header.page_bands)


def _decode_image(data: bytes, kind: str, header: MrfHeader) -> NDArray[Any]:
    size = _png_size(data) if kind == "PNG" else _jpeg_size(data)
    expected = (header.page.cols, header.page.rows)
    if size != expected:
        found = "no image" if size is None else f"an image of {size[0]} x {size[1]} pixels"
        raise MrfError(f"a page holds {found}, {kind} of {expected[0]} x {expected[1]} was expected")
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            if image.mode not in _MODES[header.compression].get(header.page_bands, ()):
                raise MrfError(f"a page holds an image in mode {image.mode}, that is not {header.page_bands} bands")
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise MrfError(f"a page's {kind} is damaged: {error}") from error
    return pixels.astype(header.dtype, copy=False)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the IHDR chunk, which is always the first."""
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the frame header (ITU-T T.81, B.2.2), the first of the SOF markers."""
    if not data.startswith(JPEG_SIGNATURE):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
