"""Chunks of overviews that readers make in object storage, and their checksums.

An object cannot be changed in part, so a chunk that is made has a checksum of its own: the object
``checksums/PLANE/ROW.COL`` beside the tables, which holds an entry as tables do (``digest_table``), and its own CRC-32.
Both are put only if they are absent, the chunk first. A chunk counts as made once its checksum is there, so a kill
between the two leaves one that is made again. Servers that make the same chunk at the same time write the same bytes;
where they do not (their libraries compress differently), the first chunk stays if it holds the same codes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.digest_table import (
    FOLDER,
    MAGIC,
    ChunkDigest,
    Plane,
    Unknown,
    encode_entry,
    plane_name,
    stamp_of,
)
from lazytile.pyramid.core import process
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTRY = struct.Struct("<III")
_MOST_BYTES = 4096
"""A larger object is no checksum."""


class _NotMadeError(Exception):
    """There is no checksum of a chunk."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The checksum of a chunk as it is stored."""

    data: bytes

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return len(self.data) + 200


def digest_path(plane: Plane, row: int, col: int) -> ObjectPath:
    """Return the object that holds the checksum of a chunk.

    Args:
        plane: Of the chunk, in object storage.
        row: Of the chunk.
        col: Of the chunk.

    Returns:
        Its path.
    """
    array = location(plane.array)
    assert isinstance(array, ObjectPath)
    return array / FOLDER / plane_name(plane.dim_index) / f"{row}.{col}"


def find_made(plane: Plane, row: int, col: int, *, again: bool = False) -> ChunkDigest | Unknown:
    """Look up the checksum of a chunk that readers make.

    Args:
        plane: Of the chunk, in object storage.
        row: Of the chunk.
        col: Of the chunk.
        again: Whether to read it past the one in memory.

    Returns:
        The digest; why there is none. One that is absent is looked for each time.

    Raises:
        StorageError: It cannot be read.
    """
    path = digest_path(plane, row, col)
    cache, key = process.cache("digests"), ("made", str(path), plane.generation)
    if again:
        cache.remove(key)

    def read() -> _Entry:
        found = path.storage.get(path.key, _MOST_BYTES)
        if found is None:
            raise _NotMadeError
        return _Entry(found.data)

    try:
        entry: _Entry = cache.get(key, read)
    except _NotMadeError:
        return Unknown.NOT_MADE
    number = row * plane.grid[1] + col
    if len(entry.data) != len(MAGIC) + _ENTRY.size or not entry.data.startswith(MAGIC):
        return Unknown.DAMAGED
    size, stored = _ENTRY.unpack_from(entry.data, len(MAGIC))[:2]
    digest = ChunkDigest(size, stored ^ stamp_of(plane.stamp, number))
    return digest if _object(plane, number, digest) == entry.data else Unknown.DAMAGED


def _object(plane: Plane, number: int, digest: ChunkDigest) -> bytes:
    """Return the object of a checksum. It ends with a checksum of its own, stamped too."""
    data = MAGIC + encode_entry(plane, number, digest)
    return data + (crc32(data) ^ stamp_of(plane.stamp, number)).to_bytes(4, "little")


def keep_made(
    plane: Plane, place: tuple[int, int], chunk: ObjectPath, data: bytes, is_equal: Callable[[bytes], bool]
) -> None:
    """Store a chunk that was made, and its checksum.

    Args:
        plane: Of the chunk.
        place: Its row and column.
        chunk: Its object.
        data: Its bytes.
        is_equal: Whether other bytes of the chunk hold the same codes.

    Raises:
        StorageError: They cannot be written.
    """
    kept = data
    try:
        chunk.storage.put(chunk.key, data, if_absent=True)
    except ConflictError:
        there = chunk.storage.get(chunk.key, 2 * len(data) + _MOST_BYTES)
        if there is not None and there.data != data:
            if is_equal(there.data):
                kept = there.data
            else:
                chunk.storage.put(chunk.key, data)  # it was damaged
    path, digest = digest_path(plane, *place), ChunkDigest.of(kept)
    entry = _object(plane, place[0] * plane.grid[1] + place[1], digest)
    try:
        path.storage.put(path.key, entry, if_absent=True)
    except ConflictError:
        if find_made(plane, *place, again=True) != digest:
            path.storage.put(path.key, entry)
