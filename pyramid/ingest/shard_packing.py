"""Packing the chunks of a build into shards.

A build writes pieces of shards first (``shard_pieces``), because a block of the source seldom ends at a shard's edge,
and packs them when all exist: the compressed bytes are concatenated, nothing is compressed twice, and a piece that is a
whole shard is moved (in object storage, it is written as the shard at once). A shard is in place before its pieces are
removed, so a kill loses none. Appended steps may share a shard with older ones, whose chunks are taken from the dataset
as it was.
"""

from __future__ import annotations

import heapq
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.chunks.shard_format import ShardWriter, index_bytes
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.piece_objects import PieceObjects
from lazytile.pyramid.ingest.shard_pieces import ShardPieces
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.object_writer import object_file
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import make_folders
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.layout import chunk_grid
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lazytile.pyramid.chunks.shard_shape import ChunkPosition
    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build_task import ArrayJob
    from lazytile.pyramid.store.dataset import Dataset

BATCH = 64
"""Chunks that are in memory at a time."""


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
        target: Folder of the dataset, or its prefix in object storage.
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
        for parts in job.shards:
            if parts is not None:
                shutil.rmtree(parts.folder, ignore_errors=True)


def _shards(dataset: Dataset, job: ArrayJob, level: int, earlier: Earlier | None) -> list[_Shard]:
    """Return the shards of a level that hold a step which is built."""
    parts = job.shards[level]
    if parts is None:
        return []
    shape = parts.shards.shape
    lengths = tuple(len(dimension.labels) for dimension in dataset.variable(job.name).dimensions)
    found = shape.shards(lengths, chunk_grid(dataset.grid.shape, level))
    axis, steps = job.time_axis, job.time_steps
    if axis is not None and steps is not None:
        groups = {step // shape.steps for step in steps}
        found = (index for index in found if index[axis] in groups)
    return [_Shard(job, level, index, lengths, earlier) for index in found]


def _pack(shard: _Shard) -> None:
    """Write one shard; one without any chunk gets no file. The chunks are compared with their checksums."""
    parts, grid = shard.job.shards[shard.level], chunk_grid(shard.job.shape, shard.level)
    assert parts is not None
    packed, pieces, kept = parts.shards, parts.pieces(shard.index), _kept(shard)
    path = location(packed.shard(shard.index))
    if not pieces and path.exists():
        return  # a run before this one has packed it, or a task wrote all of it
    positions = {
        number: at
        for number, at in enumerate(packed.shape.members(shard.index))
        if at[1] < grid[0] and at[2] < grid[1] and _is_step(at[0], shard.lengths)
    }
    if isinstance(path, ObjectPath):
        assert isinstance(parts, PieceObjects)
        _pack_object(shard, parts, path, positions, kept)
        folder = parts.piece(shard.index, "").parent
        folder.storage.delete([parts.piece(shard.index, name).key for name in pieces])
        return
    assert isinstance(parts, ShardPieces)
    make_folders(path.parent, Path(parts.shards.folder).parent)
    if len(pieces) == 1 and not kept and not path.exists():
        for _ in _built(shard, positions):
            pass
        Path(pieces[0]).replace(path)
    else:
        make_folders(Path(parts.folder), Path(parts.shards.folder).parent)
        temporary = Path(parts.folder, f".{'-'.join(map(str, shard.index))}.{secrets.token_hex(4)}")
        with temporary.open("wb") as file:
            writer = ShardWriter(file, packed.shape.count)
            for number, chunk in heapq.merge(sorted(kept.items()), _built(shard, positions)):
                writer.add(number, chunk)
            writer.finish()
        if writer.is_empty:
            temporary.unlink()
        else:
            temporary.replace(path)
    shutil.rmtree(Path(parts.piece(shard.index, "")), ignore_errors=True)


def _pack_object(
    shard: _Shard, parts: PieceObjects, path: ObjectPath, positions: Mapping[int, ChunkPosition], kept: dict[int, bytes]
) -> None:
    """Write one shard that is an object; a large one is put together in the staging folder."""
    digests = shard.job.digests(shard.level)
    found = (digests.find(*at) for at in positions.values() if not _is_kept(shard, at[0]))
    size = sum(digest.size for digest in found if isinstance(digest, ChunkDigest))
    size += sum(map(len, kept.values()))
    if not size:
        return
    with object_file(path, size + index_bytes(parts.shards.shape.count)) as file:
        writer = ShardWriter(file, parts.shards.shape.count)
        for number, chunk in heapq.merge(sorted(kept.items()), _built(shard, positions)):
            writer.add(number, chunk)
        writer.finish()


def _built(shard: _Shard, positions: Mapping[int, ChunkPosition]) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the chunks that the build has written, each compared with its checksum."""
    job, parts = shard.job, shard.job.shards[shard.level]
    assert parts is not None
    reader, digests = job.chunks(shard.level), job.digests(shard.level)
    numbers = [number for number in positions if not _is_kept(shard, positions[number][0])]
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        try:
            found = parts.get_many(shard.index, batch, reader.most_bytes)
        except StorageError:
            raise
        except (OSError, StoreError) as error:
            raise StoreError(f"a piece of shard {parts.shards.shard(shard.index)} is damaged: {error}") from error
        for number in batch:
            reason = misfit(digests.find(*positions[number]), found.get(number))
            if reason is not None:
                place = None if reader.array is None else reader.array.chunk(*positions[number])
                raise DamagedChunkError(place, reason, reader.source.name(*positions[number]))
        yield from sorted(found.items())


def _is_step(dim_index: tuple[int, ...], lengths: tuple[int, ...]) -> bool:
    return all(step < length for step, length in zip(dim_index, lengths, strict=True))


def _is_kept(shard: _Shard, dim_index: tuple[int, ...]) -> bool:
    """Return whether a step is taken from the dataset as it was."""
    axis, steps = shard.job.time_axis, shard.job.time_steps
    return shard.earlier is not None and axis is not None and steps is not None and dim_index[axis] not in steps


def _kept(shard: _Shard) -> dict[int, bytes]:
    """Return the chunks of a shard that are taken from the dataset as it was, by their number.

    Those that are damaged are taken as they are: their checksums stay too, by which every reader sees the damage.
    """
    job, parts, earlier = shard.job, shard.job.shards[shard.level], shard.earlier
    if parts is None or earlier is None:
        return {}
    lengths = tuple(len(each.labels) for each in earlier.dataset.variable(job.name).dimensions)
    numbers = [
        number
        for number, (dim_index, _, _) in enumerate(parts.shards.shape.members(shard.index))
        if _is_kept(shard, dim_index) and _is_step(dim_index, lengths)
    ]
    if not numbers:
        return {}
    reader = open_level(earlier.folder, earlier.dataset, job.name, shard.level)
    assert isinstance(reader, StoredChunks)
    source = reader.source.fresh()
    assert isinstance(source, ShardFiles | ShardObjects)
    try:
        found = source.get_many(shard.index, numbers, reader.most_bytes)
    except StoreError as error:
        raise StoreError(f"{error} ({source.shard(shard.index)}): convert the dataset again with replace") from error
    return {number: chunk for number, chunk in zip(numbers, found, strict=True) if chunk is not None}
