"""One task of a build: read a block, reduce it as deep as the block allows, write whole chunks of every level.

A task is a plain value that travels to any thread or process and opens files by path; so is its result.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.array_digests import ArrayDigests
from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.shard_pieces import PARTS, PieceWriter
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.object_writer import ObjectWriter
from lazytile.pyramid.storage.read_pool import read_pool
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.chunk_reader import folder_reader
from lazytile.pyramid.store.code_statistics import CodeStatistics, statistics_of
from lazytile.pyramid.store.layout import CHUNK_CELLS, Block, chunk_grid, level_shape
from lazytile.pyramid.store.reduce import reduce_level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.ingest.piece_objects import PieceObjects
    from lazytile.pyramid.ingest.shard_pieces import ShardPieces
    from lazytile.pyramid.sources.block_reader import BlockReader
    from lazytile.pyramid.store.chunk_file import ChunkFolder
    from lazytile.pyramid.store.stored_chunks import StoredChunks


CHUNK = (CHUNK_CELLS, CHUNK_CELLS)


@dataclass(frozen=True, slots=True)
class ArrayJob:
    """The values that all tasks of a variable share."""

    name: str
    packing: Packing
    reduction: str
    shape: Shape
    """Of level 0."""
    folders: tuple[ChunkFolder, ...]
    """Chunk files of each level."""
    shards: tuple[ShardPieces | PieceObjects | None, ...]
    """Shards of each level; None: each chunk has a file."""
    reader: BlockReader
    lengths: tuple[int, ...]
    """Of the leading dimensions of the array."""
    time_axis: int | None = None
    generation: str = ""
    """Of what is built."""
    time_steps: tuple[int, ...] | None = None
    """Stored index of each time step of the source; None where they agree."""

    def digests(self, level: int) -> ArrayDigests:
        """Return the checksums of the chunks of a level that is complete.

        Args:
            level: Of the pyramid.

        Returns:
            The checksums.
        """
        outline = str(location(self.folders[level].path).parent), level, self.name, chunk_grid(self.shape, level)
        pieces = self.shards[level]
        if pieces is None:
            return ArrayDigests(*outline, lambda _: self.generation)
        shape = pieces.shards.shape
        return ArrayDigests(*outline, lambda _: self.generation, steps=shape.steps, axis=shape.axis)

    def chunks(self, level: int) -> StoredChunks:
        """Return the reader of the chunks of a level that is complete.

        Args:
            level: Of the pyramid.

        Returns:
            The reader; it compares them with their checksums.
        """
        reader, pieces = folder_reader(self.folders[level], self.digests(level)), self.shards[level]
        return reader if pieces is None else replace(reader, source=pieces)

    def extent(self, level: int) -> tuple[int, ...]:
        """Return how many chunks the array of a level has.

        Args:
            level: Of the pyramid.

        Returns:
            Their number along every axis.
        """
        return (*self.lengths, *chunk_grid(self.shape, level))

    def has(self, level: int, index: tuple[int, ...], digest: ChunkDigest) -> bool:
        """Return whether a chunk was written to this machine, and is still there.

        Args:
            level: Of the pyramid.
            index: Of the chunk along every axis.
            digest: Of the chunk.

        Returns:
            Whether it is.
        """
        pieces = self.shards[level]
        if pieces is None:
            data = read_file(self.folders[level].file(index))
        else:
            try:
                data = pieces.get(index[:-2], index[-2], index[-1], digest.size)
            except (OSError, StoreError):
                return False
        return ChunkDigest.of(data or b"") == digest

    def objects(self, level: int, index: tuple[int, ...], task: str) -> tuple[str, ...]:
        """Return the objects that may hold a chunk which a task has written to object storage.

        Args:
            level: Of the pyramid.
            index: Of the chunk along every axis.
            task: Name of the task.

        Returns:
            Their names in the generation: the chunk's own, or the task's piece and the shard.
        """
        array, pieces = f"{level}/{self.name}", self.shards[level]
        if pieces is None:
            return (f"{array}/{CHUNKS}/{'/'.join(map(str, index))}",)
        shard, _ = pieces.shards.shape.locate(index[:-2], index[-2], index[-1])
        return f"{array}/{PARTS}/{'-'.join(map(str, shard))}/{task}", f"{array}/{CHUNKS}/{'/'.join(map(str, shard))}"

    def stored(self, dim_index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the stored index of a step of the source.

        Args:
            dim_index: Index along each leading dimension of the source.

        Returns:
            Index along each leading dimension of the array.
        """
        if self.time_steps is None or self.time_axis is None:
            return dim_index
        at = self.time_axis
        return (*dim_index[:at], self.time_steps[dim_index[at]], *dim_index[at + 1 :])


@dataclass(frozen=True, slots=True)
class Task:
    """One block of a stage."""

    job: ArrayJob
    level: int
    block: Block

    @property
    def key(self) -> str:
        """Identifier, equal for equal work of one build."""
        block = self.block
        return repr((self.job.name, self.level, block.leading, block.rows, block.cols, block.depth))

    @property
    def short_key(self) -> str:
        """Name of the task in file names, equal for equal work of one build."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:20]

    @property
    def cells(self) -> int:
        """Number of cells that the task reads."""
        cells = 1
        for start, stop in (*self.block.leading, self.block.rows, self.block.cols):
            cells *= stop - start
        return cells

    @property
    def read_bytes(self) -> int:
        """Bytes of the codes that the task reads."""
        return self.cells * np.dtype(self.job.packing.dtype).itemsize


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task."""

    name: str
    statistics: dict[int, CodeStatistics]
    """Statistics of the codes written, by level."""
    digests: tuple[tuple[int, tuple[int, ...], ChunkDigest], ...]
    """Level, index and digest of every chunk of the task."""

    @property
    def written_bytes(self) -> int:
        """Compressed bytes written."""
        return sum(digest.size for _, _, digest in self.digests)


def run_task(task: Task) -> TaskResult:
    """Run a task, in any thread or process.

    Args:
        task: Of a build.

    Returns:
        Its result.
    """
    job, block = task.job, task.block
    planes = job.reader.read(block) if task.level == 0 else _read_level(task)
    statistics: dict[int, CodeStatistics] = {}
    if task.level == 0:
        statistics[0] = statistics_of(planes, job.packing, binned=True)
    with ObjectWriter() as objects:
        written = _Written(task, objects)
        for dim_index in product(*(range(start, stop) for start, stop in block.leading)):
            codes = planes[tuple(step - start for step, (start, _) in zip(dim_index, block.leading, strict=True))]
            if task.level == 0:
                written.add(0, dim_index, codes)
            for level in range(task.level + 1, task.level + block.depth + 1):
                codes = reduce_level(codes, job.packing, job.reduction)
                statistics[level] = statistics.get(level, CodeStatistics()) + statistics_of(codes, job.packing)
                written.add(level, dim_index, codes)
    return TaskResult(job.name, statistics, tuple(written.digests))


class _Written:
    """Writes the chunks of a task."""

    def __init__(self, task: Task, objects: ObjectWriter) -> None:
        self._task = task
        self._objects = objects
        self.digests: list[tuple[int, tuple[int, ...], ChunkDigest]] = []
        self._pieces: dict[int, PieceWriter] = {}

    def add(self, level: int, dim_index: tuple[int, ...], codes: NDArray[Any]) -> None:
        """Write the chunks of one plane of the block at a level; its first cell is on a chunk edge there."""
        job = self._task.job
        folder, pieces, stored = job.folders[level], self._writer(level, codes.shape), job.stored(dim_index)
        for (row, col), index in zip(_corners(codes.shape), self._indices(level, codes.shape, stored), strict=True):
            part = codes[row : row + CHUNK_CELLS, col : col + CHUNK_CELLS]
            if pieces is not None:
                data = folder.encode(part)
                pieces.add(index, data)
                digest = ChunkDigest.of(data)
            elif isinstance(path := folder.file(index), ObjectPath):
                data = folder.encode(part)
                if data:
                    self._objects.put(path, data)
                digest = ChunkDigest.of(data)
            else:
                digest = folder.write(index, part)
            self.digests.append((level, index, digest))

    def _writer(self, level: int, shape: tuple[int, ...]) -> PieceWriter | None:
        """Return the writer of a level's pieces; None where each chunk has a file."""
        job, pieces = self._task.job, self._task.job.shards[level]
        if pieces is not None and level not in self._pieces:
            steps = product(*(range(start, stop) for start, stop in self._task.block.leading))
            indices = (index for step in steps for index in self._indices(level, shape, job.stored(step)))
            extent = job.extent(level)
            self._pieces[level] = PieceWriter(pieces, self._task.short_key, indices, extent, self._objects)
        return self._pieces.get(level)

    def _indices(self, level: int, shape: tuple[int, ...], stored: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        block, up = self._task.block, level - self._task.level
        first_row, first_col = ((start >> up) // CHUNK_CELLS for start in (block.rows[0], block.cols[0]))
        for row, col in _corners(shape):
            yield (*stored, first_row + row // CHUNK_CELLS, first_col + col // CHUNK_CELLS)


def _corners(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield the first row and column of every chunk of a plane."""
    return product(range(0, shape[-2], CHUNK_CELLS), range(0, shape[-1], CHUNK_CELLS))


def _read_level(task: Task) -> NDArray[Any]:
    """Read a block of a level that an earlier stage has written."""
    job, block = task.job, task.block
    shape = tuple(stop - start for start, stop in (*block.leading, block.rows, block.cols))
    planes = np.empty(shape, np.dtype(job.packing.dtype))
    here = level_shape(job.shape, task.level)
    chunks = job.chunks(task.level)
    found: list[tuple[NDArray[Any], int, int, tuple[int, ...]]] = []
    for dim_index in product(*(range(start, stop) for start, stop in block.leading)):
        plane = planes[tuple(step - start for step, (start, _) in zip(dim_index, block.leading, strict=True))]
        corners = product(range(*block.rows, CHUNK_CELLS), range(*block.cols, CHUNK_CELLS))
        found += [(plane, row, col, job.stored(dim_index)) for row, col in corners]

    def fill(item: tuple[NDArray[Any], int, int, tuple[int, ...]]) -> None:
        plane, row, col, stored = item
        codes = chunks.read(stored, row // CHUNK_CELLS, col // CHUNK_CELLS)[: here.rows - row, : here.cols - col]
        top, left = row - block.rows[0], col - block.cols[0]
        plane[top : top + codes.shape[0], left : left + codes.shape[1]] = codes

    for _ in read_pool().map(fill, found) if chunks.waits else map(fill, found):
        pass
    return planes
