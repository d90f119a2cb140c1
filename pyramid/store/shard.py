"""Shards: files that hold a block of chunks each (Zarr v3, codec ``sharding_indexed``, index at the end).

A chunk of a shard costs two reads of the file: its index, whose checksum is verified, and the chunk's bytes.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import google_crc32c
import numpy as np

from lazytile.pyramid.chunks.shard_shape import ShardShape
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.chunk_cache import cached_range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.storage.object_path import ObjectPath

_ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8")])
_CHECKSUM_BYTES = 4
_ABSENT = 0xFFFFFFFFFFFFFFFF
"""Offset and size of an absent chunk (Zarr v3, sharding codec, section "Binary shard format")."""


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Encoded chunks in shards below a folder, as the converter writes them. See ``EncodedChunks``."""

    folder: str
    """Of the array, with the prefix of chunk keys (``.../0/sst/c``)."""
    shape: ShardShape
    waits: ClassVar[bool] = False

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk, None for an absent one."""
        index, number = self.shape.locate(dim_index, row, col)
        return self.get_many(index, (number,), limit)[0]

    def get_many(self, index: tuple[int, ...], numbers: Sequence[int], limit: int) -> list[bytes | None]:
        """Return the bytes of several chunks of a shard.

        Args:
            index: Of the shard along every axis.
            numbers: Of the chunks in the shard.
            limit: Most bytes of a chunk.

        Returns:
            The bytes of each; None for an absent one.

        Raises:
            StoreError: The index of the shard is damaged, or a chunk has more bytes.
            OSError: The shard cannot be read.
        """
        try:
            descriptor = os.open(self.shard(index), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return [None] * len(numbers)
        try:
            size = os.fstat(descriptor).st_size
            length = self.shape.count * _ENTRY.itemsize
            end = size - length - _CHECKSUM_BYTES
            table = _checked_table(os.pread(descriptor, length + _CHECKSUM_BYTES, max(end, 0)), length)
            found = [_find(table, number, end, limit) for number in numbers]
            return [None if each is None else os.pread(descriptor, each[1], each[0]) for each in found]
        finally:
            os.close(descriptor)

    def sizes(self, index: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the bytes of every chunk of a shard.

        Args:
            index: Of the shard along every axis.

        Returns:
            Shape (chunks,), 0 for an absent chunk; shape (0,) where there is no shard.

        Raises:
            StoreError: The index of the shard is damaged.
            OSError: It cannot be read.
        """
        try:
            with open(self.shard(index), "rb") as file:  # noqa: PTH123 - as above
                length = self.shape.count * _ENTRY.itemsize
                file.seek(max(0, os.fstat(file.fileno()).st_size - length - _CHECKSUM_BYTES))
                table = _checked_table(file.read(), length)
        except FileNotFoundError:
            return np.zeros(0, np.int64)
        counts = np.frombuffer(table, _ENTRY)["size"]
        return np.where(counts == _ABSENT, 0, counts).astype(np.int64)

    def shard(self, index: tuple[int, ...]) -> str:
        """Return the path of a shard.

        Args:
            index: Along every axis.

        Returns:
            The path.
        """
        return "/".join((self.folder, *map(str, index)))

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's shard."""
        return self.shard(self.shape.locate(dim_index, row, col)[0])

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return _name(self, dim_index, row, col)

    def fresh(self) -> ShardFiles:
        """Return the same files: no cache is in front of them."""
        return self


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
    shape: ShardShape
    is_fresh: bool = False
    """Whether caches are passed by."""
    waits: ClassVar[bool] = True

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk, None for an absent one."""
        index, number = self.shape.locate(dim_index, row, col)
        path, (found,) = self._find(index, (number,), limit)
        if found is None:
            return None
        return cached_range(path, found[0], found[0] + found[1], fresh=self.is_fresh)

    def get_many(self, index: tuple[int, ...], numbers: Sequence[int], limit: int) -> list[bytes | None]:
        """Return the bytes of several chunks of a shard, past the cache of chunks; see ``ShardFiles.get_many``."""
        path, found = self._find(index, numbers, limit)
        ranges = [(each[0], each[0] + each[1]) for each in found if each is not None]
        parts = iter((path.storage.get_ranges(path.key, ranges) or []) if ranges else [])
        return [None if each is None else next(parts, None) for each in found]

    def shard(self, index: tuple[int, ...]) -> str:
        """Return the URL of a shard.

        Args:
            index: Along every axis.

        Returns:
            The URL.
        """
        return str(self.folder.joinpath(*map(str, index)))

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's shard."""
        return self.shard(self.shape.locate(dim_index, row, col)[0])

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return _name(self, dim_index, row, col)

    def fresh(self) -> ShardObjects:
        """Return the same objects, past the caches."""
        return replace(self, is_fresh=True)

    def _find(
        self, index: tuple[int, ...], numbers: Sequence[int], limit: int
    ) -> tuple[ObjectPath, list[tuple[int, int] | None]]:
        """Return the object of a shard, and first byte and size of some of its chunks."""
        path = self.folder.joinpath(*map(str, index))
        cache, key = process.cache("digests"), ("shard", str(path))
        if self.is_fresh:
            cache.remove(key)
        try:
            known: _Index = cache.get(key, lambda: self._read_index(path))
        except FileNotFoundError:
            return path, [None] * len(numbers)
        return path, [_find(known.table, number, known.end, limit) for number in numbers]

    def _read_index(self, path: ObjectPath) -> _Index:
        length = self.shape.count * _ENTRY.itemsize
        found = path.storage.get_end(path.key, length + _CHECKSUM_BYTES)
        if found is None:
            raise FileNotFoundError(f"{path} does not exist")
        data, size = found
        return _Index(_checked_table(data, length), size - length - _CHECKSUM_BYTES)


def _name(source: ShardFiles | ShardObjects, dim_index: tuple[int, ...], row: int, col: int) -> str:
    """Return what messages call a chunk."""
    index, number = source.shape.locate(dim_index, row, col)
    at = f"{row}/{col}"
    if source.shape.axis is not None:
        at = f"{'/'.join(map(str, dim_index))}/{at} (number {number})"
    return f"{at} of shard {source.shard(index)}"


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


def shard_shape_of(configuration: dict[str, Any], shard: tuple[int, ...], chunk: Shape) -> ShardShape | None:
    """Return how many chunks a shard of an array with any metadata has.

    Args:
        configuration: Of the codec ``sharding_indexed``.
        shard: Shape of a shard in cells.
        chunk: Shape of a chunk in cells.

    Returns:
        The shape; None where ``ShardFiles`` cannot read the layout.
    """
    fits = (
        all(length == 1 for length in shard[:-2])
        and shard[-2] % chunk.rows == shard[-1] % chunk.cols == 0
        and configuration.get("index_location", "end") == "end"
        and [codec["name"] for codec in configuration["index_codecs"]] == ["bytes", "crc32c"]
        and configuration["index_codecs"][0].get("configuration", {}).get("endian", "little") == "little"
    )
    return ShardShape(shard[-2] // chunk.rows, shard[-1] // chunk.cols) if fits else None


def index_bytes(chunks: int) -> int:
    """Return the size of a shard's index.

    Args:
        chunks: Of the shard.

    Returns:
        Bytes, with the checksum.
    """
    return chunks * _ENTRY.itemsize + _CHECKSUM_BYTES


class ShardWriter:
    """Writes a shard to a file chunk by chunk, so that the whole is never in memory."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        """Begin a shard.

        Args:
            file: Open for writing, at its start.
            count: Chunks of the shard.
        """
        self._file = file
        self._index = np.full(count, np.array((_ABSENT, _ABSENT), _ENTRY))
        self._offset = 0
        self.is_empty = True
        """Whether no chunk is present."""

    def add(self, number: int, chunk: bytes) -> None:
        """Write a chunk.

        Args:
            number: Of the chunk in the shard; each is written once.
            chunk: Its bytes.
        """
        self._index[number] = self._offset, len(chunk)
        self._offset += len(chunk)
        self._file.write(chunk)
        self.is_empty = False

    def finish(self) -> None:
        """Write the index and its checksum; chunks that were not added are absent."""
        table = self._index.tobytes()
        self._file.write(table + google_crc32c.value(table).to_bytes(_CHECKSUM_BYTES, "little"))


def encode_shard(chunks: Sequence[bytes | None]) -> bytes:
    """Return the bytes of a shard.

    Args:
        chunks: The bytes of every chunk in their order; None for an absent one.

    Returns:
        The chunks that are present, the index and its checksum.
    """
    file = io.BytesIO()
    writer = ShardWriter(file, len(chunks))
    for number, chunk in enumerate(chunks):
        if chunk is not None:
            writer.add(number, chunk)
    writer.finish()
    return file.getvalue()
