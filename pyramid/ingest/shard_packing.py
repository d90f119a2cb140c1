"""Packing the chunks of a build into shards.

A build writes chunks as files first, because a block of the source seldom ends at a shard's edge, and packs them when
all exist: the compressed bytes are concatenated, nothing is compressed twice.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.store.chunk_file import CHUNKS, NO_FILE, ChunkFolder, FileDigest, make_folders, read_file
from lazytile.pyramid.store.layout import shard_grid
from lazytile.pyramid.store.shard import encode_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build_task import ArrayJob
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.manifest import Manifests

PARTS = "parts"
"""Folder of the chunks to be packed, in that of their array."""


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard to pack."""

    parts: ChunkFolder
    target: str
    """Of the folder of shards."""
    level: int
    dim_index: tuple[int, ...]
    row: int
    col: int
    side: int
    """Chunks along a side."""
    name: str
    """Of the variable."""


def pack_shards(
    target: Path, dataset: Dataset, jobs: Sequence[ArrayJob], manifests: Manifests, engine: BulkEngine
) -> None:
    """Pack the chunks of every level of some arrays, and record the shards' digests.

    Args:
        target: Folder of the dataset.
        dataset: Its description.
        jobs: Of the arrays.
        manifests: Where the digests are recorded.
        engine: Runs the tasks.
    """
    shards = [
        shard for job in jobs for level in range(dataset.levels) for shard in _shards(target, dataset, job, level)
    ]
    for shard, digest in engine.map(_pack, shards, label="pack"):
        array = target / str(shard.level) / shard.name
        rows, cols = shard_grid(dataset, shard.level)
        manifests.add(array, (rows, cols), (*shard.dim_index, shard.row, shard.col), digest)
    for job in jobs:
        for folder in job.folders:
            shutil.rmtree(folder.path, ignore_errors=True)


def _shards(target: Path, dataset: Dataset, job: ArrayJob, level: int) -> list[_Shard]:
    dimensions = dataset.variable(job.name).dimensions
    counts: list[Sequence[int]] = [range(len(dimension.labels)) for dimension in dimensions]
    if job.time_axis is not None and job.time_steps is not None:
        counts[job.time_axis] = job.time_steps
    rows, cols = shard_grid(dataset, level)
    folder = str(target / str(level) / job.name / CHUNKS)
    return [
        _Shard(job.folders[level], folder, level, dim_index, row, col, dataset.shard, job.name)
        for dim_index in itertools.product(*counts)
        for row in range(rows)
        for col in range(cols)
    ]


def _pack(shard: _Shard) -> tuple[_Shard, FileDigest]:
    """Write one shard; one without any chunk gets no file."""
    positions = itertools.product(range(shard.side), repeat=2)
    files = [
        shard.parts.file((*shard.dim_index, shard.row * shard.side + row, shard.col * shard.side + col))
        for row, col in positions
    ]
    chunks = [read_file(file) for file in files]
    if all(chunk is None for chunk in chunks):
        return shard, NO_FILE
    data = encode_shard(chunks)
    path = Path(shard.target, *map(str, (*shard.dim_index, shard.row, shard.col)))
    make_folders(path.parent, Path(shard.target).parent)
    path.write_bytes(data)
    for file, chunk in zip(files, chunks, strict=True):
        if chunk is not None:
            file.unlink()
    # Only what the caller needs travels back.
    return replace(shard, parts=replace(shard.parts, path="")), FileDigest.of(data)
