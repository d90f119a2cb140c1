"""Tables of checksums as a whole: written by a conversion, read by ``verify``. ``digest_table`` describes the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.digest_table import ENTRY_BYTES, MAGIC, STAMP_STEP
from lazytile.pyramid.storage.protocol import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.digest_table import Plane


def encode_table(plane: Plane, digests: NDArray[np.uint32]) -> bytes:
    """Return the bytes of the table of one plane.

    Args:
        plane: What it is about.
        digests: Size and CRC-32 of each chunk, shape (rows, cols, 2), uint32.

    Returns:
        The file.
    """
    return MAGIC + _entries(plane, digests)


def encode_shared_table(planes: Mapping[Plane, NDArray[np.uint32]], before: bytes | None = None) -> bytes:
    """Return the bytes of a table that several planes share.

    Args:
        planes: Size and CRC-32 of each chunk of some of them, shape (rows, cols, 2), uint32; at least one plane.
        before: The table of the dataset before steps were appended or replaced, whose other entries stay as they are,
            right or damaged; None: there are no others.

    Returns:
        The file.
    """
    size = next(iter(planes)).table_bytes
    is_usable = before is not None and len(before) == size and before.startswith(MAGIC)
    table = bytearray(before if before is not None and is_usable else MAGIC.ljust(size, b"\0"))
    for plane, digests in planes.items():
        entries = _entries(plane, digests)
        start = len(MAGIC) + plane.first * ENTRY_BYTES
        table[start : start + len(entries)] = entries
    return bytes(table)


def _entries(plane: Plane, digests: NDArray[np.uint32]) -> bytes:
    entries = digests.reshape(-1, 2).astype("<u4")
    entries[:, 1] ^= _stamps(plane, len(entries))
    return entries.tobytes()


def _stamps(plane: Plane, count: int) -> NDArray[np.uint32]:
    """Return the stamps of all entries, as ``digest_table.stamp_of`` gives them one by one."""
    numbers = np.arange(count, dtype=np.uint64) * np.uint64(STAMP_STEP)
    stamps: NDArray[np.uint32] = (np.uint64(plane.stamp) + numbers).astype(np.uint32) | np.uint32(1)
    return stamps


def read_table(plane: Plane) -> tuple[NDArray[np.uint32], NDArray[np.bool_]] | None:
    """Read the whole table of one plane.

    Args:
        plane: What it is about.

    Returns:
        Size and CRC-32 of each chunk, shape (rows, cols, 2); whether the entry is one of this plane, shape (rows,
        cols). None where there is no table of this format.
    """
    try:
        data = plane.file.read_bytes()
    except StorageError:
        raise
    except OSError:
        return None
    rows, cols = plane.grid
    if len(data) != plane.table_bytes or not data.startswith(MAGIC):
        return None
    entries: NDArray[np.uint32] = np.frombuffer(data, "<u4", offset=len(MAGIC)).reshape(-1, 2).astype(np.uint32)
    stamps = _stamps(plane, len(entries))
    valid = (entries[:, 0] > 0) | (entries[:, 1] == stamps)
    entries[:, 1] ^= stamps
    return entries.reshape(rows, cols, 2), valid.reshape(rows, cols)


def read_old_table(plane: Plane) -> NDArray[Any] | None:
    """Read the table of an older version.

    Args:
        plane: What it is about.

    Returns:
        Size and CRC-32 of each file, shape (rows of files, cols of files, 2), uint32; both 0 where there is none. None
        where there is no such table.
    """
    side = max(1, plane.shard)
    files = -(-plane.grid[0] // side), -(-plane.grid[1] // side)
    try:
        return np.frombuffer(plane.file.read_bytes(), "<u4").reshape(*files, 2)
    except StorageError:
        raise
    except (OSError, ValueError):
        return None
