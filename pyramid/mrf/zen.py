"""The Zen mask of JPEG pages: which pixels are no data, kept exactly although JPEG is lossy.

An APP3 segment that starts with ``Zen`` and a zero byte holds one bit for each pixel of the page; a segment of nothing
else says that all pixels are data. GDAL's MRF driver writes and reads it, other readers pass over it. Bits lie in
blocks of 8 x 8 pixels, row after row of blocks; a block is 8 bytes, one for each row of pixels, the leftmost pixel in
the lowest bit. Pixels past the page's edges are data. The bytes are then packed: the first says which value marks a
run, and should be the rarest; behind it every other value stands for itself, and the mark is followed by

- 0: one mark;
- 4 to 255: so often comes the next byte;
- 1, 2 and a byte, or 3 and two: so often, as a big-endian number of which 3 counts 768, comes the byte behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import MrfError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape

NAME = b"Zen\0"
_START, _APP3, _SCAN = b"\xff\xd8", 0xE3, 0xDA
_SEGMENT_BYTES = 0xFFFF - 2
"""Of a JPEG segment's content (ITU-T T.81, B.1.1.4: the length is 16 bits and counts itself)."""
_BLOCK = 8
_MIN_RUN = 4
_MAX_RUN = 3 * 256 + 0xFFFF
MAX_PIXELS = (_SEGMENT_BYTES - len(NAME) - 1) * 256 // 257 * 8
"""Of a page whose mask fits into a segment whatever it holds: the mark, where it is rarest, is 1 byte in 256."""


def mask_fits(page: Shape) -> bool:
    """Whether the mask of a page fits into a JPEG, whatever it holds."""
    return -(-page.rows // _BLOCK) * -(-page.cols // _BLOCK) * _BLOCK**2 <= MAX_PIXELS


def with_mask(jpeg: bytes, is_data: NDArray[np.bool_]) -> bytes:
    """Return the JPEG with a mask, shape (rows, cols) of the page, behind JFIF's segment, with which a JPEG begins.

    Raises ``MrfError`` where the mask does not fit into a segment; it always does up to ``MAX_PIXELS``.
    """
    content = NAME if is_data.all() else NAME + pack(mask_bytes(is_data))
    if len(content) > _SEGMENT_BYTES:
        raise MrfError(f"a page's Zen mask has {len(content)} bytes, a segment of a JPEG holds {_SEGMENT_BYTES}")
    at = 2
    if jpeg[2:4] == b"\xff\xe0":
        at += 2 + int.from_bytes(jpeg[4:6], "big")
    segment = bytes((0xFF, _APP3)) + (len(content) + 2).to_bytes(2, "big") + content
    return jpeg[:at] + segment + jpeg[at:]


def mask_of(jpeg: bytes, page: Shape) -> NDArray[np.bool_] | None:
    """Return which pixels of the page are data, shape (rows, cols); None where the JPEG has no mask.

    Raises ``MrfError`` for a mask that is cut or is not one of such a page. Memory is bounded by the page's size.
    """
    content = None
    for marker, segment in segments(jpeg):
        if marker == _APP3 and segment.startswith(NAME):
            content = segment[len(NAME) :]  # of several GDAL takes the last
    if content is None:
        return None
    if not content:
        return np.ones((page.rows, page.cols), np.bool_)
    rows, cols = -(-page.rows // _BLOCK), -(-page.cols // _BLOCK)
    blocks = np.frombuffer(unpack(content, rows * cols * _BLOCK), np.uint8).reshape(rows, cols, _BLOCK)
    bits = np.unpackbits(blocks.transpose(0, 2, 1).reshape(rows * _BLOCK, cols), axis=1, bitorder="little")
    return bits[: page.rows, : page.cols].astype(np.bool_)


def masked(pixels: NDArray[np.uint8], is_data: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the pixels, shape (rows, cols, ...), with 0 where there is no data and nowhere else: there 0 becomes 1."""
    where = is_data.reshape(is_data.shape + (1,) * (pixels.ndim - 2))
    return np.where(where, np.maximum(pixels, 1), np.uint8(0))


def mask_bytes(is_data: NDArray[np.bool_]) -> bytes:
    """Return a mask, shape (rows, cols), as blocks of 8 x 8 bits."""
    rows, cols = is_data.shape
    padded = np.pad(is_data, ((0, -rows % _BLOCK), (0, -cols % _BLOCK)), constant_values=True)
    lines = np.packbits(padded, axis=1, bitorder="little")
    return lines.reshape(-1, _BLOCK, lines.shape[1]).transpose(0, 2, 1).tobytes()


def pack(data: bytes) -> bytes:
    """Return bytes, one or more, with their runs packed; the lowest of the rarest values is the mark."""
    values = np.frombuffer(data, np.uint8)
    mark = int(np.bincount(values, minlength=256).argmin())
    single = bytes((mark,))
    edges = np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1, [len(values)]))
    is_run = np.diff(edges) >= _MIN_RUN
    packed, literal = [single], 0
    for start, stop in zip(edges[:-1][is_run].tolist(), edges[1:][is_run].tolist(), strict=True):
        packed.append(data[literal:start].replace(single, single + b"\0"))
        literal = start
        while stop - literal >= _MIN_RUN:
            length = min(stop - literal, _MAX_RUN)
            packed.append(single + _length(length) + data[literal : literal + 1])
            literal += length
    packed.append(data[literal:].replace(single, single + b"\0"))
    return b"".join(packed)


def _length(run: int) -> bytes:
    """Return the length of a run, ``_MIN_RUN`` to ``_MAX_RUN``."""
    if run < 256:
        return bytes((run,))
    if run < 768:
        return run.to_bytes(2, "big")
    return b"\x03" + (run - 768).to_bytes(2, "big")


def unpack(packed: bytes, size: int) -> bytes:
    """Return the ``size`` bytes that were packed. Raises ``MrfError`` where there are more or fewer."""
    mark = packed[:1]
    parts, left, at = [], size, 1
    while at < len(packed) and left >= 0:
        found = packed.find(mark, at)
        found = len(packed) if found < 0 else found
        parts.append(packed[at:found])
        left -= found - at
        if found == len(packed):
            break
        value, length, at = _run(packed, found + 1)
        left -= length
        if left >= 0:  # whatever length it claims, no more than a page is made
            parts.append((mark if value is None else value) * length)
    if left != 0:
        more = "more" if left < 0 else "fewer"
        raise MrfError(f"a page's Zen mask holds {more} than the {size} bytes of a page")
    return b"".join(parts)


def _run(packed: bytes, at: int) -> tuple[bytes | None, int, int]:
    """Return the byte that is repeated (None: the mark), how often, and where the packed bytes go on."""
    lead = packed[at] if at < len(packed) else -1
    if lead == 0:
        return None, 1, at + 1
    wide = lead if 0 < lead < _MIN_RUN else 0
    end = at + (1, 2, 2, 3)[wide]
    value = packed[end : end + 1]
    if lead < 0 or not value:
        raise MrfError("a page's Zen mask ends within a run")
    length = int.from_bytes(packed[at + 1 : end], "big") + 768 if wide == 3 else int.from_bytes(packed[at:end], "big")
    return value, length, end + 1


def segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the first scan (ITU-T T.81, B.1.1.2)."""
    at = len(_START) if jpeg.startswith(_START) else len(jpeg)
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        if marker == _SCAN or length < 2:
            return
        yield marker, jpeg[at + 4 : at + 2 + length]
        at += 2 + length
