"""Pieces of shards in object storage: what tasks write of shards that no task writes alone. See ``shard_pieces``.

They are objects below ``parts`` in the generation that is being built, so nothing of a dataset has to fit on the
machine that builds it, and processes on other machines read what one of them wrote.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from lazytile.pyramid.chunks.shard_format import ShardWriter, read_first
from lazytile.pyramid.core import process
from lazytile.pyramid.store.shard import ShardObjects, read_shard_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lazytile.pyramid.storage.object_path import ObjectPath
    from lazytile.pyramid.storage.object_writer import ObjectWriter


@dataclass(frozen=True, slots=True)
class _Listing:
    """The pieces of a shard."""

    names: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return 200 + sum(len(name) + 60 for name in self.names)


@dataclass(frozen=True, slots=True)
class PieceObjects:
    """The chunks of an array that is being built in object storage. See ``EncodedChunks``."""

    folder: ObjectPath
    """Of the pieces."""
    shards: ShardObjects
    is_fresh: bool = False
    """Whether caches are passed by."""
    waits: ClassVar[bool] = True

    def piece(self, index: tuple[int, ...], task: str) -> ObjectPath:
        """Return the path of a piece.

        Args:
            index: Of the shard along every axis.
            task: Name of the task that writes it.

        Returns:
            The path.
        """
        return self.folder / "-".join(map(str, index)) / task

    def pieces(self, index: tuple[int, ...]) -> list[str]:
        """List the pieces of a shard.

        Args:
            index: Of the shard along every axis.

        Returns:
            The names of the tasks that wrote them, in order.
        """
        prefix = self.folder / "-".join(map(str, index))
        return sorted(entry.key.rpartition("/")[2] for entry in prefix.storage.list(prefix.key))

    def write(
        self,
        index: tuple[int, ...],
        task: str,
        chunks: Mapping[int, bytes],
        objects: ObjectWriter,
        *,
        is_whole: bool = False,
    ) -> None:
        """Write a piece, or a shard that one task has all chunks of.

        Args:
            index: Of the shard along every axis.
            task: Name of the task.
            chunks: By number; at least one.
            objects: Writes it.
            is_whole: Whether the shard has no other chunks.
        """
        file = io.BytesIO()
        writer = ShardWriter(file, self.shards.shape.count)
        for number, chunk in chunks.items():
            writer.add(number, chunk)
        writer.finish()
        path = self.shards.path(index) if is_whole else self.piece(index, task)
        objects.put(path, file.getvalue())

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk, None for an absent one."""
        index, number = self.shards.shape.locate(dim_index, row, col)
        return self.get_many(index, (number,), limit).get(number)

    def get_many(self, index: tuple[int, ...], numbers: Iterable[int], limit: int) -> dict[int, bytes]:
        """Return the bytes of several chunks of a shard.

        Args:
            index: Of the shard along every axis.
            numbers: Of the chunks in the shard.
            limit: Most bytes of a chunk.

        Returns:
            The bytes of those that are present, by number.

        Raises:
            StoreError: The index of a piece is damaged, or a chunk has more bytes.
            StorageError: A piece cannot be read.
        """
        read = partial(read_shard_object, limit=limit, is_fresh=self.is_fresh)
        return read_first(self._paths(index), self.shards.shape.count, numbers, read)

    def _paths(self, index: tuple[int, ...]) -> list[ObjectPath]:
        """Return the objects that may hold chunks of a shard: its pieces as they were listed last, and the shard."""
        cache, key = process.cache("digests"), ("pieces", str(self.folder), index)
        if self.is_fresh:
            cache.remove(key)
        known: _Listing = cache.get(key, lambda: _Listing(tuple(self.pieces(index))))
        return [*(self.piece(index, name) for name in known.names), self.shards.path(index)]

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return self.shards.name(dim_index, row, col)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's shard."""
        return self.shards.file(dim_index, row, col)

    def fresh(self) -> PieceObjects:
        """Return the same objects, past the caches."""
        return PieceObjects(self.folder, self.shards, is_fresh=True)
