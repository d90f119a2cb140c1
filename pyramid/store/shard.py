"""The chunks of arrays in shards: in files, and in objects.

A chunk of a shard costs two reads of the file: its index, whose checksum is verified, and the chunk's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lazytile.pyramid.chunks.shard_format import (
    checked_table,
    chunk_sizes,
    find_chunk,
    index_bytes,
    read_chunks,
    read_places,
    sizes_in,
)
from lazytile.pyramid.chunks.shard_shape import ShardShape
from lazytile.pyramid.core import process
from lazytile.pyramid.storage.chunk_cache import cached_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.storage.object_path import ObjectPath


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
        return read_chunks(self.shard(index), self.shape.count, numbers, limit)

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
        return chunk_sizes(self.shard(index), self.shape.count)

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
        path = self.path(index)
        try:
            known = _index_of(path, self.shape.count, is_fresh=self.is_fresh)
        except FileNotFoundError:
            return None
        found = find_chunk(known.table, number, known.end, limit)
        if found is None:
            return None
        return cached_range(path, found[0], found[0] + found[1], fresh=self.is_fresh)

    def get_many(self, index: tuple[int, ...], numbers: Sequence[int], limit: int) -> list[bytes | None]:
        """Return the bytes of several chunks of a shard, past the cache of chunks; see ``ShardFiles.get_many``."""
        return read_shard_object(self.path(index), self.shape.count, numbers, limit, is_fresh=self.is_fresh)

    def sizes(self, index: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the bytes of every chunk of a shard; see ``ShardFiles.sizes``."""
        try:
            return sizes_in(_read_index(self.path(index), self.shape.count).table)
        except FileNotFoundError:
            return np.zeros(0, np.int64)

    def path(self, index: tuple[int, ...]) -> ObjectPath:
        """Return the path of a shard.

        Args:
            index: Along every axis.

        Returns:
            The path.
        """
        return self.folder.joinpath(*map(str, index))

    def shard(self, index: tuple[int, ...]) -> str:
        """Return the URL of a shard.

        Args:
            index: Along every axis.

        Returns:
            The URL.
        """
        return str(self.path(index))

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's shard."""
        return self.shard(self.shape.locate(dim_index, row, col)[0])

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return _name(self, dim_index, row, col)

    def fresh(self) -> ShardObjects:
        """Return the same objects, past the caches."""
        return replace(self, is_fresh=True)


def read_shard_object(
    path: ObjectPath, count: int, numbers: Sequence[int], limit: int, *, is_fresh: bool = False
) -> list[bytes | None]:
    """Read chunks of an object in the format of a shard.

    Args:
        path: Of the object.
        count: Chunks of a shard.
        numbers: Of the chunks to read.
        limit: Most bytes of one.
        is_fresh: Whether its index is read again.

    Returns:
        The bytes of each; None for one that is absent, or where there is no object.

    Raises:
        StoreError: The index is damaged, or a chunk has more bytes.
        StorageError: The object cannot be read.
    """
    try:
        known = _index_of(path, count, is_fresh=is_fresh)
    except FileNotFoundError:
        return [None] * len(numbers)
    places = [find_chunk(known.table, number, known.end, limit) for number in numbers]
    return read_places(places, lambda spans: path.storage.get_ranges(path.key, spans))


def _index_of(path: ObjectPath, count: int, *, is_fresh: bool) -> _Index:
    """Return the index of an object in the format of a shard, or raise ``FileNotFoundError``."""
    cache, key = process.cache("digests"), ("shard", str(path))
    if is_fresh:
        cache.remove(key)
    known: _Index = cache.get(key, lambda: _read_index(path, count))
    return known


def _read_index(path: ObjectPath, count: int) -> _Index:
    length = index_bytes(count)
    found = path.storage.get_end(path.key, length)
    if found is None:
        raise FileNotFoundError(f"{path} does not exist")
    data, size = found
    return _Index(checked_table(data, count), size - length)


def _name(source: ShardFiles | ShardObjects, dim_index: tuple[int, ...], row: int, col: int) -> str:
    """Return what messages call a chunk."""
    index, number = source.shape.locate(dim_index, row, col)
    at = f"{row}/{col}"
    if source.shape.axis is not None:
        at = f"{'/'.join(map(str, dim_index))}/{at} (number {number})"
    return f"{at} of shard {source.shard(index)}"


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
