"""The table of a plane's chunks: which of them exist, and the size and checksum of each, stored beside the chunks.

An array's folder has a folder ``checksums`` with one file for each plane (index along the leading dimensions), named by
that index; where shards hold several time steps, one for the planes of a shard, named by the shard's index. The file is
``MAGIC`` and then 8 bytes for each chunk, plane by plane, row by row, two little-endian uint32: the size in bytes, 0
where the chunk holds nothing but fill value and is not stored, and its CRC-32, exclusive-or a stamp. The stamp is
derived from the array, the plane, the generation of its content and the position among the plane's chunks, and is never
0. So an entry that was zeroed, moved, or taken from another table or generation fits nothing; 8 zero bytes mean that
the chunk has not been made yet (an overview of a lazy dataset), or that there is no such step. A table is read in
pages, each once a generation; appending a plane adds a file, or changes that of the planes it shares a shard with.

Versions before the description had ``checked`` wrote no magic and no stamps, and in a sharded array an entry for each
shard, of the whole file.
"""

from __future__ import annotations

import enum
import os
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.shard_shape import group_of
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.object_path import ObjectPath, location

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "checksums"
MAGIC = b"LZTSUMS2"
ENTRY_BYTES = 8
PAGE_ENTRIES = 4096
_WHOLE_BYTES = 64 << 10
"""Tables in object storage up to this size are read in one request."""
_ENTRY = struct.Struct("<II")
STAMP_STEP = 0x9E3779B1
"""Odd, so that the stamps of neighbours differ in most bits."""


class ChunkDigest(NamedTuple):
    """Size and checksum of a chunk as it was written, by which a changed one is recognized.

    A tuple, since one is made for each chunk that is read.
    """

    size: int
    """Bytes; 0 where the chunk is all fill and not stored."""
    crc: int
    """CRC-32 of the bytes."""

    @classmethod
    def of(cls, data: bytes) -> ChunkDigest:
        """Return the digest of a chunk.

        Args:
            data: The encoded chunk; empty for one that is not stored.

        Returns:
            The digest.
        """
        return cls(len(data), crc32(data))


NO_CHUNK = ChunkDigest(0, 0)


class Unknown(enum.Enum):
    """Why nothing is known of a chunk."""

    UNCHECKED = "the dataset has no checksums for it"
    """Written by a version without them; it may exist or not."""
    IN_SHARD = "only its whole shard has a checksum"
    """Of an older version too: the shard exists, the chunk may not."""
    NOT_MADE = "it has not been made yet"
    DAMAGED = "its entry in the table of checksums is damaged"
    NO_TABLE = "the table of checksums of its plane is missing or damaged"


@dataclass(frozen=True)
class Plane:
    """What the table of a plane is about. Without slots, so that what each chunk needs is computed once."""

    array: str
    """Folder of the array."""
    level: int
    variable: str
    dim_index: tuple[int, ...]
    generation: str
    """Of the content of this plane."""
    grid: tuple[int, int]
    """Chunks in rows and columns."""
    shard: int = 0
    """Chunks along a side of a shard, for tables of older versions; 0: not sharded."""
    steps: int = 1
    """Time steps whose planes share the table."""
    axis: int | None = None
    """Of time among the leading dimensions; None: the table is of this plane alone."""

    @property
    def table(self) -> tuple[int, ...]:
        """Index of the table."""
        return group_of(self.dim_index, self.steps, self.axis)

    @property
    def file(self) -> Path:
        """The table."""
        return location(self.array) / FOLDER / plane_name(self.table)

    @cached_property
    def first(self) -> int:
        """Number of the plane's first entry in the table."""
        return 0 if self.axis is None else self.dim_index[self.axis] % self.steps * self.grid[0] * self.grid[1]

    @property
    def table_bytes(self) -> int:
        """Size of the table."""
        return len(MAGIC) + self.steps * self.grid[0] * self.grid[1] * ENTRY_BYTES

    def entry_position(self, row: int, col: int) -> int:
        """Return where the entry of a chunk begins in the table.

        Args:
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            Bytes from the start.
        """
        return len(MAGIC) + (self.first + row * self.grid[1] + col) * ENTRY_BYTES

    @cached_property
    def stamp(self) -> int:
        """Of the plane, from which those of its entries follow."""
        return crc32(repr((self.variable, self.level, self.dim_index, self.generation)).encode())


class _Form(enum.Enum):
    STAMPED = enum.auto()
    OLD = enum.auto()
    OLD_SHARDS = enum.auto()
    NONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a table, as they are stored."""

    data: bytes
    form: _Form
    stamp: int = 0
    """Of the plane, where the table is of one alone."""

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return len(self.data) + 200


class MissingTableError(StoreError):
    """A plane of a checked dataset has no table, or one of another size."""


def plane_name(dim_index: tuple[int, ...]) -> str:
    """Return the name of a plane's table.

    Args:
        dim_index: Index of the plane along each leading dimension, or that of the planes it shares the table with.

    Returns:
        The indices joined by ``-``; ``plane`` without any.
    """
    return "-".join(map(str, dim_index)) or "plane"


def find_page(plane: Plane, number: int, *, checked: bool, again: bool = False) -> Page:
    """Return a page of a table.

    Args:
        plane: What the table is about.
        number: Of the page.
        checked: Whether the plane must have a table.
        again: Whether to read it from the disk, past the one in memory.

    Returns:
        The page.

    Raises:
        MissingTableError: The table is missing or has another size, though the plane must have one.
    """
    key = page_key(plane, number)
    cache = process.cache("digests")
    if again:
        cache.remove(key)
    page: Page = cache.get(key, lambda: _read_page(plane, number, checked=checked))
    return page


def digest_in(page: Page, plane: Plane, row: int, col: int) -> ChunkDigest | Unknown:
    """Look a chunk up in the page that has its entry.

    Args:
        page: The page.
        plane: Of the chunk.
        row: Of the chunk.
        col: Of the chunk.

    Returns:
        The digest, ``NO_CHUNK`` for one that is not stored; why nothing is known.
    """
    number = row * plane.grid[1] + col
    match page.form:
        case _Form.STAMPED:
            size, stored = _ENTRY.unpack_from(page.data, (plane.first + number) % PAGE_ENTRIES * ENTRY_BYTES)
            stamp = stamp_of(page.stamp if plane.axis is None else plane.stamp, number)
            return ChunkDigest(size, stored ^ stamp) if size else _decode_empty(stored, stamp)
        case _Form.OLD:
            size, crc = _ENTRY.unpack_from(page.data, number % PAGE_ENTRIES * ENTRY_BYTES)
            return ChunkDigest(size, crc) if size else NO_CHUNK
        case _Form.OLD_SHARDS:
            return _shard_entry(plane, row // plane.shard, col // plane.shard)
        case _Form.NONE:
            return Unknown.UNCHECKED


def page_key(plane: Plane, number: int) -> tuple[str, tuple[int, ...], str, int]:
    """Return the key of a page in the cache.

    Args:
        plane: What the table is about.
        number: Of the page.

    Returns:
        The key.
    """
    # In object storage the array's address changes with the dataset, so planes can share a page.
    generation = "" if plane.axis is not None and "://" in plane.array else plane.generation
    return plane.array, plane.table, generation, number


def _shard_entry(plane: Plane, row: int, col: int) -> ChunkDigest | Unknown:
    """Look a shard up in the table of an older version."""
    number = row * -(-plane.grid[1] // plane.shard) + col
    with plane.file.open("rb") as file:
        file.seek(number * ENTRY_BYTES)
        entry = file.read(ENTRY_BYTES)
    return NO_CHUNK if entry[:4] == b"\0\0\0\0" else Unknown.IN_SHARD


def stamp_of(stamp: int, number: int) -> int:
    """Return the stamp of an entry.

    Args:
        stamp: Of the plane.
        number: Of the entry.

    Returns:
        The stamp, odd.
    """
    return (stamp + number * STAMP_STEP) & 0xFFFFFFFF | 1


def _decode_empty(stored: int, stamp: int) -> ChunkDigest | Unknown:
    if stored == stamp:
        return NO_CHUNK
    return Unknown.NOT_MADE if stored == 0 else Unknown.DAMAGED


def encode_entry(plane: Plane, number: int, digest: ChunkDigest) -> bytes:
    """Return the bytes of an entry.

    Args:
        plane: Of the chunk.
        number: Of the chunk in the plane, row by row.
        digest: Of the chunk.

    Returns:
        8 bytes.
    """
    return _ENTRY.pack(digest.size, digest.crc ^ stamp_of(plane.stamp, number))


def _read_page(plane: Plane, number: int, *, checked: bool) -> Page:
    """Read a page; an empty one where there is no table and need be none."""
    path = plane.file
    if isinstance(path, ObjectPath):
        return _fetch_page(plane, path, number, checked=checked)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if checked:
            raise MissingTableError(f"the table of checksums {path} is missing") from None
        return Page(b"", _Form.NONE)
    try:
        size = os.fstat(descriptor).st_size
        start, length = number * PAGE_ENTRIES * ENTRY_BYTES, PAGE_ENTRIES * ENTRY_BYTES
        if size == plane.table_bytes and os.pread(descriptor, len(MAGIC), 0) == MAGIC:
            return Page(os.pread(descriptor, length, len(MAGIC) + start), _Form.STAMPED, plane.stamp)
        side = max(1, plane.shard)
        old_size = -(-plane.grid[0] // side) * -(-plane.grid[1] // side) * ENTRY_BYTES
        if checked or size != old_size:
            raise MissingTableError(f"the table of checksums {path} is damaged")
        if plane.shard:
            return Page(b"", _Form.OLD_SHARDS)
        return Page(os.pread(descriptor, length, start), _Form.OLD)
    finally:
        os.close(descriptor)


def _fetch_page(plane: Plane, path: ObjectPath, number: int, *, checked: bool) -> Page:
    """Read a page of a table that is an object: the whole table where it is small, else the page's part of it."""
    size, start = plane.table_bytes, len(MAGIC) + number * PAGE_ENTRIES * ENTRY_BYTES
    stop = min(size, start + PAGE_ENTRIES * ENTRY_BYTES)
    if size <= _WHOLE_BYTES:
        found = path.storage.get(path.key)
        parts = None if found is None else [found.data[: len(MAGIC)], found.data[start:stop]]
        there = 0 if found is None else len(found.data)
    else:
        end = path.storage.get_end(path.key, 1)
        there = 0 if end is None else end[1]
        parts = None if there != size else path.storage.get_ranges(path.key, [(0, len(MAGIC)), (start, stop)])
    if parts is not None and there == size and parts[0] == MAGIC:
        return Page(parts[1], _Form.STAMPED, plane.stamp)
    if not checked and not there:
        return Page(b"", _Form.NONE)
    raise MissingTableError(f"the table of checksums {path} is {'damaged' if there else 'missing'}")
