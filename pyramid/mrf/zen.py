"""The Zen mask of JPEG pages: the pixels without data, stored exactly although JPEG is lossy.

An APP3 segment that starts with ``Zen`` and a zero byte holds one bit for each pixel of the page; a segment of nothing
else means that all pixels are data. GDAL's MRF driver writes and reads it, other readers ignore it. Bits lie in blocks
of 8 x 8 pixels, row after row of blocks; a block is 8 bytes, one for each row of pixels, the leftmost pixel in the
lowest bit. Pixels past the page's edges are data. The bytes are then packed: the first is the value that marks a run,
and should be the rarest; after it every other value stands for itself, and the mark is followed by

- 0: one mark;
- 4 to 255: the number of repetitions of the next byte;
- 1, 2 and a byte, or 3 and two: a big-endian number, plus 768 after 3: the repetitions of the byte that follows.
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
"""Of a page whose mask fits a segment whatever it holds: the mark, where it is rarest, is 1 byte in 256."""


def mask_fits(page: Shape) -> bool:
    """Return whether the mask of a page fits a JPEG, whatever it holds.

    Args:
        page: Pixels of the page.

    Returns:
        Whether it does.
    """
    return -(-page.rows // _BLOCK) * -(-page.cols // _BLOCK) * _BLOCK**2 <= MAX_PIXELS


def with_mask(jpeg: bytes, is_data: NDArray[np.bool_]) -> bytes:
    """Insert a mask into a JPEG, after JFIF's segment at its beginning.

    Args:
        jpeg: The page.
        is_data: Shape (rows, cols) of the page.

    Returns:
        The JPEG with the mask.

    Raises:
        MrfError: The mask does not fit a segment; up to ``MAX_PIXELS`` it always does.
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
    """Return which pixels of a page are data. Memory is bounded by the page's size.

    Args:
        jpeg: The page.
        page: Its pixels.

    Returns:
        Shape (rows, cols); None where the JPEG has no mask. ``MrfError`` is raised as ``unpack`` does.
    """
    content = None
    for marker, segment in segments(jpeg):
        if marker == _APP3 and segment.startswith(NAME):
            content = segment[len(NAME) :]  # GDAL uses the last of several
    if content is None:
        return None
    if not content:
        return np.ones((page.rows, page.cols), np.bool_)
    rows, cols = -(-page.rows // _BLOCK), -(-page.cols // _BLOCK)
    blocks = np.frombuffer(unpack(content, rows * cols * _BLOCK), np.uint8).reshape(rows, cols, _BLOCK)
    bits = np.unpackbits(blocks.transpose(0, 2, 1).reshape(rows * _BLOCK, cols), axis=1, bitorder="little")
    return bits[: page.rows, : page.cols].astype(np.bool_)


def masked(pixels: NDArray[np.uint8], is_data: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Set pixels without data to 0; where there is data, 0 becomes 1.

    Args:
        pixels: Shape (rows, cols, ...), uint8.
        is_data: Shape (rows, cols).

    Returns:
        The same shape as ``pixels``.
    """
    where = is_data.reshape(is_data.shape + (1,) * (pixels.ndim - 2))
    return np.where(where, np.maximum(pixels, 1), np.uint8(0))


def mask_bytes(is_data: NDArray[np.bool_]) -> bytes:
    """Return a mask as blocks of 8 x 8 bits.

    Args:
        is_data: Shape (rows, cols).

    Returns:
        The bytes, before packing.
    """
    rows, cols = is_data.shape
    padded = np.pad(is_data, ((0, -rows % _BLOCK), (0, -cols % _BLOCK)), constant_values=True)
    lines = np.packbits(padded, axis=1, bitorder="little")
    return lines.reshape(-1, _BLOCK, lines.shape[1]).transpose(0, 2, 1).tobytes()


def pack(data: bytes) -> bytes:
    """Pack runs of bytes; the lowest of the rarest values is the mark.

    Args:
        data: One byte or more.

    Returns:
        The packed bytes.
    """
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
    """Unpack runs of bytes.

    Args:
        packed: As ``pack`` returns them.
        size: Number of unpacked bytes.

    Returns:
        The bytes.

    Raises:
        MrfError: There are more or fewer.
    """
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
        if left >= 0:  # a run of any claimed length makes no more than a page
            parts.append((mark if value is None else value) * length)
    if left != 0:
        more = "more" if left < 0 else "fewer"
        raise MrfError(f"a page's Zen mask holds {more} than the {size} bytes of a page")
    return b"".join(parts)


def _run(packed: bytes, at: int) -> tuple[bytes | None, int, int]:
    """Return the byte that is repeated (None: the mark), how often, and the position after the run."""
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
    """Read the segments of a JPEG before the first scan (ITU-T T.81, B.1.1.2).

    Args:
        jpeg: The file.

    Yields:
        Marker and content of each segment.
    """
    at = len(_START) if jpeg.startswith(_START) else len(jpeg)
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill bytes may precede a marker
            at += 1
            continue
        if marker == _SCAN or length < 2:
            return
        yield marker, jpeg[at + 4 : at + 2 + length]
        at += 2 + length
