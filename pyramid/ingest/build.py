"""Building the arrays of a pyramid in one pass over the source, on an engine.

Each task reads one block, reduces it as deep as the block allows and writes whole chunks of every level it builds.
Tasks are plain functions of plain values: they open files by path, wherever they run.

Memory: a task holds one block of codes and what it derives from it, at most about 2.5 times
``layout.MAX_BLOCK_BYTES`` (240 MiB); a process caches up to ``hdf5_chunks.CACHE_BYTES`` (192 MiB) of
decompressed source chunks. A process with n threads thus needs at most 192 + 240 n MiB, whatever the size of the
source. The exception is a source that is compressed in pieces larger than a block: a piece can only be decompressed
whole. In object storage a task also holds what it has compressed and not sent yet, ``object_writer.WAITING_BYTES``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.ingest.build_task import CHUNK, ArrayJob, Task, TaskResult, run_task
from lazytile.pyramid.ingest.journal import Journal
from lazytile.pyramid.ingest.manifest import Manifests
from lazytile.pyramid.ingest.piece_objects import PieceObjects
from lazytile.pyramid.ingest.shard_packing import Earlier, pack_shards
from lazytile.pyramid.ingest.shard_pieces import PARTS, ShardPieces
from lazytile.pyramid.sources.block_reader import BlockReader
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.chunk_file import CHUNKS, ChunkFolder
from lazytile.pyramid.store.code_statistics import CodeStatistics
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.layout import Stage, padding_code, plan_stages, shard_shape
from lazytile.pyramid.store.publish import UNFINISHED
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.chunks.shard_shape import ShardShape
    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.sources.source import Source
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.publish import Staging


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a build. Bytes are of decompressed codes read."""

    done_bytes: int
    total_bytes: int
    done_tasks: int
    total_tasks: int
    written_bytes: int
    """Compressed bytes written so far."""
    label: str
    """Name of the variable being built."""


def build_arrays(
    source: Source,
    target: Staging,
    dataset: Dataset,
    engine: BulkEngine,
    progress: Callable[[Progress], None] | None = None,
    *,
    time_steps: tuple[int, ...] | None = None,
    earlier: Earlier | None = None,
) -> dict[str, list[CodeStatistics]]:
    """Fill the arrays of the source's variables, resuming what an earlier run of the same work has left.

    Args:
        source: The source.
        target: Where the dataset is built; the metadata of its arrays must exist.
        dataset: Its description: codec, shards, and whether only level 0 is built.
        engine: Runs the tasks.
        progress: Called after each task.
        time_steps: Stored index of each of the source's time steps; None where they agree.
        earlier: The dataset before steps were appended or replaced; None: all steps are built.

    Returns:
        Statistics of each level built, by variable.

    Raises:
        SourceError: The source cannot be read.
        StoreError: A chunk that a task wrote is missing or damaged.
    """
    plans = [
        (_job(source, each, target.chunks, dataset, time_steps), stages_of(source, each, lazy=dataset.lazy))
        for each in source.variables
    ]
    rounds = [
        [task for job, stages in plans if number < len(stages) for task in _tasks(job, stages[number])]
        for number in range(max(len(stages) for _, stages in plans))
    ]
    meter = _ProgressMeter([task for tasks in rounds for task in tasks], progress)
    statistics: dict[str, dict[int, CodeStatistics]] = {job.name: {} for job, _ in plans}
    manifests = Manifests(target.chunks, dataset, time_steps, None if earlier is None else earlier.folder)
    jobs = {job.name: job for job, _ in plans}

    def add_result(task_name: str, result: TaskResult, read_bytes: int) -> None:
        found = statistics[task_name]
        for level, added in result.statistics.items():
            found[level] = found.get(level, CodeStatistics()) + added
        for level, index, digest in result.digests:
            manifests.add(task_name, level, index, digest)
        meter.add(result, read_bytes)

    places = Places.of(sources=source.files or (source.path,), folders=(target.chunks,))
    with Journal(target.folder / UNFINISHED, target.chunks) as journal:
        for tasks in rounds:
            waiting: list[Task] = []
            for task in tasks:
                result = journal.find(task)
                if result is None:
                    waiting.append(task)
                else:
                    add_result(task.job.name, result, task.read_bytes)
            for done, result in engine.map(_run, list(enumerate(waiting)), label="convert", places=places):
                task = waiting[done]
                journal.add(task, result)
                add_result(task.job.name, result, task.read_bytes)
            manifests.finish()
    pack_shards(target.chunks, dataset, [*jobs.values()], engine, earlier)
    manifests.check_presence()
    return {name: [found[level] for level in sorted(found)] for name, found in statistics.items()}


def _run(item: tuple[int, Task]) -> tuple[int, TaskResult]:
    number, task = item
    return number, run_task(task)


def _tasks(job: ArrayJob, stage: Stage) -> list[Task]:
    return [Task(job, stage.level, block) for block in stage.blocks]


def _job(
    source: Source, each: SourceVariable, target: Path, dataset: Dataset, time_steps: tuple[int, ...] | None
) -> ArrayJob:
    variable = each.variable
    arrays = [target / str(level) / variable.name for level in range(dataset.levels)]
    shapes = [shard_shape(dataset, variable, level) for level in range(dataset.levels)]
    return ArrayJob(
        name=variable.name,
        packing=variable.packing,
        reduction=variable.reduction,
        shape=source.found.grid.shape,
        folders=tuple(
            ChunkFolder(
                str(array / (CHUNKS if shape is None else PARTS)),
                variable.packing.dtype,
                CHUNK,
                padding_code(variable.packing),
                Codec.parse(dataset.codec),
            )
            for array, shape in zip(arrays, shapes, strict=True)
        ),
        shards=tuple(
            None if shape is None else _pieces(array, shape) for array, shape in zip(arrays, shapes, strict=True)
        ),
        lengths=tuple(len(dimension.labels) for dimension in dataset.variable(variable.name).dimensions),
        reader=block_reader_of(source, each),
        time_axis=variable.time_axis,
        time_steps=time_steps,
        generation=dataset.generation,
    )


def _pieces(array: Path, shape: ShardShape) -> ShardPieces | PieceObjects:
    if isinstance(array, ObjectPath):
        return PieceObjects(array / PARTS, ShardObjects(array / CHUNKS, shape))
    return ShardPieces(str(array / PARTS), ShardFiles(str(array / CHUNKS), shape))


def block_reader_of(source: Source, variable: SourceVariable) -> BlockReader:
    """Return the reader of a variable's blocks.

    Args:
        source: The source.
        variable: Of the source.

    Returns:
        The reader.
    """
    return BlockReader(
        path=source.path,
        engine=source.engine,
        placement=variable.placement,
        rows=source.found.rows,
        cols=source.found.cols,
        dtype=variable.variable.packing.dtype,
        resampling=source.found.resampling,
        fill=variable.variable.packing.fill_code or 0,
        files=source.files,
        version=source.version,
    )


def stages_of(source: Source, variable: SourceVariable, *, lazy: bool = False) -> tuple[Stage, ...]:
    """Return the rounds of blocks in which a variable is built; the blocks of the first cover the source once.

    Args:
        source: The source.
        variable: Of the source.
        lazy: Whether overviews are left out.

    Returns:
        The stages.
    """
    leading = [len(dimension.labels) for dimension in variable.variable.dimensions]
    item_bytes = np.dtype(variable.variable.packing.dtype).itemsize
    stages = plan_stages(leading, source.found.grid.shape, item_bytes, variable.placement.chunks)
    if lazy:
        return (replace(stages[0], blocks=tuple(replace(block, depth=0) for block in stages[0].blocks)),)
    return stages


class _ProgressMeter:
    """Adds up results and reports the sums."""

    def __init__(self, tasks: Sequence[Task], progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._total_tasks = len(tasks)
        self._total_bytes = sum(task.read_bytes for task in tasks)
        self._done_tasks = self._done_bytes = self._written_bytes = 0
        self._report("")

    def add(self, result: TaskResult, read_bytes: int) -> None:
        self._done_tasks += 1
        self._done_bytes += read_bytes
        self._written_bytes += result.written_bytes
        self._report(result.name)

    def _report(self, label: str) -> None:
        if self._progress is not None:
            counts = (self._done_bytes, self._total_bytes, self._done_tasks, self._total_tasks, self._written_bytes)
            self._progress(Progress(*counts, label))
