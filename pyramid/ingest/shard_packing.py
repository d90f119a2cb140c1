"""Packing the chunks of a build into shards.

A build writes chunks as files first, because a block of the source seldom ends at a shard's edge, and packs them when
all exist: the compressed bytes are concatenated, nothing is compressed twice.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.array_digests import ArrayDigests
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.store.chunk_file import CHUNKS, ChunkFolder, make_folders
from lazytile.pyramid.store.chunk_reader import folder_reader
from lazytile.pyramid.store.layout import chunk_grid
from lazytile.pyramid.store.shard import encode_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build_task import ArrayJob
    from lazytile.pyramid.store.dataset import Dataset

PARTS = "parts"
"""Folder of the chunks to be packed, in that of their array."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The chunks of an array, to be packed."""

    folder: ChunkFolder
    level: int
    variable: str
    grid: tuple[int, int]
    """Chunks of a plane in rows and columns."""
    generation: str


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard to pack."""

    parts: _Parts
    target: str
    """Of the folder of shards."""
    dim_index: tuple[int, ...]
    row: int
    col: int
    side: int
    """Chunks along a side."""


def pack_shards(target: Path, dataset: Dataset, jobs: Sequence[ArrayJob], engine: BulkEngine) -> None:
    """Pack the chunks of every level of some arrays.

    Args:
        target: Folder of the dataset.
        dataset: Its description.
        jobs: Of the arrays; the tables of checksums of their chunks exist.
        engine: Runs the tasks.

    Raises:
        StoreError: A chunk is missing or damaged.
    """
    shards = [
        shard for job in jobs for level in range(dataset.levels) for shard in _shards(target, dataset, job, level)
    ]
    for _ in engine.map(_pack, shards, label="pack", places=Places.of(folders=(target,))):
        pass
    for job in jobs:
        for folder in job.folders:
            shutil.rmtree(folder.path, ignore_errors=True)


def _shards(target: Path, dataset: Dataset, job: ArrayJob, level: int) -> list[_Shard]:
    dimensions = dataset.variable(job.name).dimensions
    counts: list[Sequence[int]] = [range(len(dimension.labels)) for dimension in dimensions]
    if job.time_axis is not None and job.time_steps is not None:
        counts[job.time_axis] = job.time_steps
    grid = chunk_grid(dataset.grid.shape, level)
    rows, cols = (-(-chunks // dataset.shard) for chunks in grid)
    folder = str(target / str(level) / job.name / CHUNKS)
    parts = _Parts(job.folders[level], level, job.name, grid, job.generation)
    return [
        _Shard(parts, folder, dim_index, row, col, dataset.shard)
        for dim_index in itertools.product(*counts)
        for row in range(rows)
        for col in range(cols)
    ]


def _pack(shard: _Shard) -> None:
    """Write one shard; one without any chunk gets no file. Its parts are compared with their checksums."""
    parts = shard.parts
    array = str(Path(parts.folder.path).parent)
    digests = ArrayDigests(array, parts.level, parts.variable, parts.grid, lambda _: parts.generation)
    reader = folder_reader(parts.folder, digests)
    chunks: list[bytes | None] = []
    for down, across in itertools.product(range(shard.side), repeat=2):
        row, col = shard.row * shard.side + down, shard.col * shard.side + across
        is_inside = row < parts.grid[0] and col < parts.grid[1]
        chunks.append(reader.whole(shard.dim_index, row, col) if is_inside else None)
    if all(chunk is None for chunk in chunks):
        return
    path = Path(shard.target, *map(str, (*shard.dim_index, shard.row, shard.col)))
    make_folders(path.parent, Path(shard.target).parent)
    path.write_bytes(encode_shard(chunks))
    for number, chunk in enumerate(chunks):
        if chunk is not None:
            down, across = divmod(number, shard.side)
            index = (*shard.dim_index, shard.row * shard.side + down, shard.col * shard.side + across)
            parts.folder.file(index).unlink()
