"""Pieces of shards: what one task of a build writes of a shard, until all pieces exist and are packed.

A block of the source seldom ends at a shard's edge. A piece is a file in the format of a shard that has only the chunks
of one task, so a build makes few files, and a shard that one task writes alone needs no second copy. In object storage
pieces are objects (``piece_objects``).
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lazytile.pyramid.chunks.shard_format import ShardWriter, read_chunks, read_first
from lazytile.pyramid.ingest.piece_objects import PieceObjects
from lazytile.pyramid.store.chunk_file import make_folders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.storage.object_writer import ObjectWriter
    from lazytile.pyramid.store.shard import ShardFiles

PARTS = "parts"
"""Folder of the pieces in that of their array."""


@dataclass(frozen=True, slots=True)
class ShardPieces:
    """The chunks of an array that is being built: in pieces, until they are in shards. See ``EncodedChunks``."""

    folder: str
    """Of the pieces."""
    shards: ShardFiles
    waits: ClassVar[bool] = False

    def piece(self, index: tuple[int, ...], task: str) -> str:
        """Return the path of a piece.

        Args:
            index: Of the shard along every axis.
            task: Name of the task that writes it.

        Returns:
            The path.
        """
        return f"{self.folder}/{'-'.join(map(str, index))}/{task}"

    def pieces(self, index: tuple[int, ...]) -> list[str]:
        """List the pieces of a shard.

        Args:
            index: Of the shard along every axis.

        Returns:
            Their paths, in order.
        """
        folder = f"{self.folder}/{'-'.join(map(str, index))}"
        try:
            with os.scandir(folder) as entries:
                return sorted(entry.path for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError:
            return []

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
            OSError: A piece cannot be read.
        """
        paths = (*self.pieces(index), self.shards.shard(index))
        return read_first(paths, self.shards.shape.count, numbers, partial(read_chunks, limit=limit))

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk."""
        return self.shards.name(dim_index, row, col)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's shard."""
        return self.shards.file(dim_index, row, col)

    def fresh(self) -> ShardPieces:
        """Return the same files: no cache is in front of them."""
        return self


class PieceWriter:
    """Writes the pieces of one task, each when all of its chunks are known, so that few are in memory."""

    def __init__(
        self,
        pieces: ShardPieces | PieceObjects,
        task: str,
        indices: Iterable[tuple[int, ...]],
        extent: tuple[int, ...],
        objects: ObjectWriter,
    ) -> None:
        """Begin without chunks.

        Args:
            pieces: Of the array.
            task: Name of the task.
            indices: Of all chunks that the task writes, along every axis.
            extent: Chunks of the array along every axis.
            objects: Writes pieces that are objects.
        """
        self._pieces = pieces
        self._task = task
        self._extent = extent
        self._objects = objects
        shape = pieces.shards.shape
        self._missing = Counter(shape.locate(index[:-2], index[-2], index[-1])[0] for index in indices)
        self._counts = dict(self._missing)
        self._chunks: dict[tuple[int, ...], dict[int, bytes]] = {}

    def add(self, index: tuple[int, ...], data: bytes) -> None:
        """Add a chunk.

        Args:
            index: Of the chunk along every axis.
            data: Its bytes; none for a chunk that is not stored.
        """
        shard, number = self._pieces.shards.shape.locate(index[:-2], index[-2], index[-1])
        if data:
            self._chunks.setdefault(shard, {})[number] = data
        self._missing[shard] -= 1
        if not self._missing[shard]:
            self._write(shard, self._chunks.pop(shard, {}))

    def _write(self, shard: tuple[int, ...], chunks: dict[int, bytes]) -> None:
        if not chunks:
            return
        if isinstance(self._pieces, PieceObjects):
            members = self._pieces.shards.shape.members(shard)
            ends = (zip((*at, row, col), self._extent, strict=True) for at, row, col in members)
            count = sum(all(place < end for place, end in each) for each in ends)
            self._pieces.write(shard, self._task, chunks, self._objects, is_whole=self._counts[shard] == count)
            return
        path, folder = Path(self._pieces.piece(shard, self._task)), Path(self._pieces.folder)
        make_folders(path.parent, folder.parent)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        with temporary.open("wb") as file:
            writer = ShardWriter(file, self._pieces.shards.shape.count)
            for number, chunk in chunks.items():
                writer.add(number, chunk)
            writer.finish()
        temporary.replace(path)
