"""Shards: files that hold a block of chunks each (Zarr v3, codec ``sharding_indexed``, index at the end).

A chunk of a shard costs two reads of the file: its index, whose checksum is verified, and the chunk's bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import google_crc32c
import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.storage.chunk_cache import cached_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.storage.object_path import ObjectPath

_ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8")])
_CHECKSUM_BYTES = 4
_ABSENT = 0xFFFFFFFFFFFFFFFF
"""Offset and size of an absent chunk (Zarr v3, sharding codec, section "Binary shard format")."""


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Encoded chunks in shards below a folder: what the converter writes with ``--shard``. See ``EncodedChunks``."""

    folder: str
    """Of the array, with the prefix of chunk keys (``.../0/sst/c``)."""
    side: Shape
    """Chunks that a shard has in rows and columns."""
    waits: ClassVar[bool] = False

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk, None for an absent one."""
        path, number = self._position(dim_index, row, col)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            size = os.fstat(descriptor).st_size
            length = self.side.rows * self.side.cols * _ENTRY.itemsize
            end = size - length - _CHECKSUM_BYTES
            index = os.pread(descriptor, length + _CHECKSUM_BYTES, max(end, 0))
            found = _find(_checked_table(index, length), number, end, limit)
            return None if found is None else os.pread(descriptor, found[1], found[0])
        finally:
            os.close(descriptor)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's shard."""
        return self._position(dim_index, row, col)[0]

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return f"{row}/{col} of shard {self._position(dim_index, row, col)[0]}"

    def fresh(self) -> ShardFiles:
        """Return the same files: no cache is in front of them."""
        return self

    def _position(self, dim_index: tuple[int, ...], row: int, col: int) -> tuple[str, int]:
        """Return the path of a chunk's shard, and its number in it."""
        (shard_row, down), (shard_col, across) = divmod(row, self.side.rows), divmod(col, self.side.cols)
        path = "/".join((self.folder, *map(str, dim_index), f"{shard_row}/{shard_col}"))
        return path, down * self.side.cols + across


@dataclass(frozen=True, slots=True)
class _Index:
    """The index of a shard, whose checksum fits."""

    table: bytes
    end: int
    """Where it begins in the object."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self.table)


@dataclass(frozen=True, slots=True)
class ShardObjects:
    """Encoded chunks in shards that are objects. See ``EncodedChunks``.

    The index of a shard is read and checked once, and stays in the cache of checksums.
    """

    folder: ObjectPath
    """Of the array, with the prefix of chunk keys."""
    side: Shape
    """Chunks that a shard has in rows and columns."""
    is_fresh: bool = False
    """Whether caches are passed by."""
    waits: ClassVar[bool] = True

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk, None for an absent one."""
        path, number = self._position(dim_index, row, col)
        cache, key = process.cache("digests"), ("shard", str(path))
        if self.is_fresh:
            cache.remove(key)
        try:
            index: _Index = cache.get(key, lambda: self._read_index(path))
        except FileNotFoundError:
            return None
        found = _find(index.table, number, index.end, limit)
        if found is None:
            return None
        return cached_range(path, found[0], found[0] + found[1], fresh=self.is_fresh)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's shard."""
        return str(self._position(dim_index, row, col)[0])

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return f"{row}/{col} of shard {self._position(dim_index, row, col)[0]}"

    def fresh(self) -> ShardObjects:
        """Return the same objects, past the caches."""
        return replace(self, is_fresh=True)

    def _read_index(self, path: ObjectPath) -> _Index:
        length = self.side.rows * self.side.cols * _ENTRY.itemsize
        found = path.storage.get_end(path.key, length + _CHECKSUM_BYTES)
        if found is None:
            raise FileNotFoundError(f"{path} does not exist")
        data, size = found
        return _Index(_checked_table(data, length), size - length - _CHECKSUM_BYTES)

    def _position(self, dim_index: tuple[int, ...], row: int, col: int) -> tuple[ObjectPath, int]:
        """Return the path of a chunk's shard, and its number in it."""
        (shard_row, down), (shard_col, across) = divmod(row, self.side.rows), divmod(col, self.side.cols)
        path = self.folder.joinpath(*map(str, (*dim_index, shard_row, shard_col)))
        return path, down * self.side.cols + across


def _checked_table(index: bytes, length: int) -> bytes:
    """Return the table of an index as it is stored, or raise ``StoreError`` where its checksum does not fit."""
    table, checksum = index[:length], int.from_bytes(index[length:], "little")
    if len(index) != length + _CHECKSUM_BYTES or google_crc32c.value(table) != checksum:
        raise StoreError("the checksum of the shard's index is wrong")
    return table


def _find(table: bytes, number: int, end: int, limit: int) -> tuple[int, int] | None:
    """Return the first byte of a chunk and how many it has, None for an absent one."""
    offset, count = np.frombuffer(table, _ENTRY)[number].tolist()
    if offset == count == _ABSENT:
        return None
    if offset + count > end:
        raise StoreError(f"the shard's index points past the {end} bytes of its chunks")
    if count > limit:
        raise StoreError(f"the shard's index states {count} bytes, more than a chunk can take")
    return offset, count


def shard_side(configuration: dict[str, Any], shard: tuple[int, ...], chunk: Shape) -> Shape | None:
    """Return how many chunks a shard has in rows and columns.

    Args:
        configuration: Of the codec ``sharding_indexed``.
        shard: Shape of a shard in cells.
        chunk: Shape of a chunk in cells.

    Returns:
        Chunks in rows and columns; None where ``ShardFiles`` cannot read the layout.
    """
    fits = (
        all(length == 1 for length in shard[:-2])
        and shard[-2] % chunk.rows == shard[-1] % chunk.cols == 0
        and configuration.get("index_location", "end") == "end"
        and [codec["name"] for codec in configuration["index_codecs"]] == ["bytes", "crc32c"]
        and configuration["index_codecs"][0].get("configuration", {}).get("endian", "little") == "little"
    )
    return Shape(shard[-2] // chunk.rows, shard[-1] // chunk.cols) if fits else None


def index_bytes(chunks: int) -> int:
    """Return the size of a shard's index.

    Args:
        chunks: Of the shard.

    Returns:
        Bytes, with the checksum.
    """
    return chunks * _ENTRY.itemsize + _CHECKSUM_BYTES


def encode_shard(chunks: Sequence[bytes | None]) -> bytes:
    """Return the bytes of a shard.

    Args:
        chunks: The bytes of every chunk, row by row; None for an absent one.

    Returns:
        The chunks that are present, the index and its checksum.
    """
    index = np.full(len(chunks), np.array((_ABSENT, _ABSENT), _ENTRY))
    offset = 0
    for number, chunk in enumerate(chunks):
        if chunk is not None:
            index[number] = offset, len(chunk)
            offset += len(chunk)
    table = index.tobytes()
    present = (chunk for chunk in chunks if chunk is not None)
    return b"".join((*present, table, google_crc32c.value(table).to_bytes(_CHECKSUM_BYTES, "little")))
