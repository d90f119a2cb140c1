"""Packing the chunks of a build into shards.

A build writes chunks as files first, because a block of the source seldom ends at a shard's edge, and packs them when
all exist: the compressed bytes are concatenated, nothing is compressed twice. A shard is moved into place before its
parts are removed, so a kill loses none. Appended steps may share a shard with older ones, whose chunks are taken from
the dataset as it was.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.chunk_file import make_folders
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.layout import chunk_grid
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects, ShardWriter
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build_task import ArrayJob
    from lazytile.pyramid.store.dataset import Dataset

PARTS = "parts"
"""Folder of the chunks to be packed, in that of their array."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The dataset before steps were appended or replaced."""

    folder: Path
    dataset: Dataset


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard to pack."""

    job: ArrayJob
    level: int
    index: tuple[int, ...]
    """Of the shard along every axis."""
    lengths: tuple[int, ...]
    """Of the leading dimensions."""
    earlier: Earlier | None


def pack_shards(
    target: Path, dataset: Dataset, jobs: Sequence[ArrayJob], engine: BulkEngine, earlier: Earlier | None = None
) -> None:
    """Pack the chunks of every level of some arrays that is stored in shards.

    Args:
        target: Folder of the dataset.
        dataset: Its description.
        jobs: Of the arrays; the tables of checksums of their chunks exist.
        engine: Runs the tasks.
        earlier: The dataset that has the chunks of the steps that are not built; None: all are.

    Raises:
        StoreError: A chunk is missing or damaged.
    """
    shards = [
        shard for job in jobs for level in range(dataset.levels) for shard in _shards(dataset, job, level, earlier)
    ]
    if not shards:
        return
    folders = (target,) if earlier is None else (target, earlier.folder)
    for _ in engine.map(_pack, shards, label="pack", places=Places.of(folders=folders)):
        pass
    for job in jobs:
        for folder, packed in zip(job.folders, job.shards, strict=True):
            if packed is not None:
                shutil.rmtree(folder.path, ignore_errors=True)


def _shards(dataset: Dataset, job: ArrayJob, level: int, earlier: Earlier | None) -> list[_Shard]:
    """Return the shards of a level that hold a step which is built."""
    packed = job.shards[level]
    if packed is None:
        return []
    lengths = tuple(len(dimension.labels) for dimension in dataset.variable(job.name).dimensions)
    found = packed.shape.shards(lengths, chunk_grid(dataset.grid.shape, level))
    axis, steps = job.time_axis, job.time_steps
    if axis is not None and steps is not None:
        groups = {step // packed.shape.steps for step in steps}
        found = (index for index in found if index[axis] in groups)
    return [_Shard(job, level, index, lengths, earlier) for index in found]


def _pack(shard: _Shard) -> None:
    """Write one shard; one without any chunk gets no file. Its parts are compared with their checksums."""
    job, packed = shard.job, shard.job.shards[shard.level]
    assert packed is not None
    parts, reader, grid = job.folders[shard.level], job.chunks(shard.level), chunk_grid(job.shape, shard.level)
    path, folder = Path(packed.shard(shard.index)), Path(parts.path)
    positions = [
        (number, at)
        for number, at in enumerate(packed.shape.members(shard.index))
        if at[1] < grid[0] and at[2] < grid[1] and _is_step(at[0], shard.lengths)
    ]
    kept = _kept(shard)
    files = {number: parts.file((*at[0], *at[1:])) for number, at in positions if number not in kept}
    if path.exists() and not any(file.exists() for file in files.values()):
        return  # a run before this one has packed it
    make_folders(path.parent, Path(packed.folder).parent)
    make_folders(folder, folder.parent)
    temporary = folder / f"{'-'.join(map(str, shard.index))}.{secrets.token_hex(4)}"
    with temporary.open("wb") as file:
        writer = ShardWriter(file, packed.shape.count)
        for number, at in positions:
            chunk = kept[number] if number in kept else reader.whole(*at)
            if chunk is not None:
                writer.add(number, chunk)
        writer.finish()
    if writer.is_empty:
        temporary.unlink()
    else:
        temporary.replace(path)
    for part in files.values():
        part.unlink(missing_ok=True)


def _is_step(dim_index: tuple[int, ...], lengths: tuple[int, ...]) -> bool:
    return all(step < length for step, length in zip(dim_index, lengths, strict=True))


def _kept(shard: _Shard) -> dict[int, bytes | None]:
    """Return the chunks of a shard that are taken from the dataset as it was, by their number.

    Those that are damaged are taken as they are: their checksums stay too, by which every reader sees the damage.
    """
    job, packed, earlier = shard.job, shard.job.shards[shard.level], shard.earlier
    if packed is None or earlier is None or packed.shape.axis is None or job.time_steps is None:
        return {}
    built, axis = frozenset(job.time_steps), packed.shape.axis
    lengths = tuple(len(each.labels) for each in earlier.dataset.variable(job.name).dimensions)
    numbers = [
        number
        for number, (dim_index, _, _) in enumerate(packed.shape.members(shard.index))
        if dim_index[axis] not in built and _is_step(dim_index, lengths)
    ]
    reader = open_level(earlier.folder, earlier.dataset, job.name, shard.level)
    assert isinstance(reader, StoredChunks)
    source = reader.source.fresh()
    assert isinstance(source, ShardFiles | ShardObjects)
    try:
        found = source.get_many(shard.index, numbers, reader.most_bytes)
    except StoreError as error:
        raise StoreError(f"{error} ({source.shard(shard.index)}): convert the dataset again with replace") from error
    return dict(zip(numbers, found, strict=True))
