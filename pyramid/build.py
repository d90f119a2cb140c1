"""Building the arrays of a pyramid in one pass over the source, on an engine.

Each task reads one block, reduces it as deep as the block allows and writes whole chunks of every level it makes.
Tasks are plain functions of plain values: they open files by path, wherever they run.

Memory: a task holds one block of codes and what is made of it, at most about 2.5 times ``layout.MAX_BLOCK_BYTES``
(240 MiB), and a process keeps up to ``reader.CHUNK_CACHE_BYTES`` (192 MiB) of decompressed source chunks. A process
with n threads so needs 192 + 240 n MiB at most, whatever the size of the source. The exception is a source that is
compressed in larger pieces than a block: a piece can only be decompressed whole.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from lazytile.pyramid import chunkfile
from lazytile.pyramid.layout import CHUNK_CELLS, Block, Stage, level_shape, plan_stages
from lazytile.pyramid.reader import BlockReader
from lazytile.pyramid.reduce import reduce_level
from lazytile.pyramid.summary import Summary, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.grid import Shape
    from lazytile.pyramid.packing import Packing
    from lazytile.pyramid.source import Source, SourceVariable

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = (CHUNK_CELLS, CHUNK_CELLS)


class Mapper(Protocol):
    """The seam to the engines: runs a function over items wherever the engine has its workers."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], *, label: str) -> Iterator[Result]:
        """Yield the results as they come, in any order, with a bounded number of items in flight."""
        ...


@dataclass(frozen=True, slots=True)
class ThreadMapper:
    """Threads of this process; what ``build`` uses where no engine is given."""

    workers: int = 0
    """0 takes as many as the process may use processors."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], *, label: str) -> Iterator[Result]:
        """Yield the results as they come; at most one item a thread waits."""
        workers = self.workers or _processors()
        waiting = iter(items)
        with ThreadPoolExecutor(workers, thread_name_prefix=label) as pool:
            running: set[Future[Result]] = {pool.submit(function, item) for item in islice(waiting, workers + 1)}
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    running |= {pool.submit(function, item) for item in islice(waiting, len(done))}
                    for future in done:
                        yield future.result()
            finally:
                for future in running:
                    future.cancel()


def _processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is. Bytes are of decompressed codes read."""

    done_bytes: int
    total_bytes: int
    done_tasks: int
    total_tasks: int
    written_bytes: int
    """Compressed bytes written so far."""
    label: str
    """What is being made: a variable's name."""


@dataclass(frozen=True, slots=True)
class _ArrayJob:
    """What the tasks of a variable share."""

    name: str
    packing: Packing
    reduction: str
    shape: Shape
    """Of level 0."""
    target: str
    """Path of the group under construction."""
    reader: BlockReader


@dataclass(frozen=True, slots=True)
class _Task:
    """One block of a stage."""

    job: _ArrayJob
    level: int
    block: Block


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a task reports."""

    name: str
    summary: Summary
    """Of the cells of level 0 it read; empty for later stages."""
    read_bytes: int
    written_bytes: int


def build_arrays(
    source: Source, target: Path, mapper: Mapper, progress: Callable[[Progress], None] | None = None
) -> dict[str, Summary]:
    """Fill the arrays of every variable and level below ``target``, whose metadata must be there already.

    Returns the summary of level 0 for each variable. Raises ``SourceError`` where the source cannot be read.
    """
    plans = [(_job(source, variable, target), stages_of(source, variable)) for variable in source.variables]
    meter = _Meter(plans, progress)
    summaries = {job.name: Summary() for job, _ in plans}
    rounds = max(len(stages) for _, stages in plans)
    for turn in range(rounds):
        tasks = [
            _Task(job, stages[turn].level, block)
            for job, stages in plans
            if turn < len(stages)
            for block in stages[turn].blocks
        ]
        for outcome in mapper.map(_run, tasks, label="convert"):
            summaries[outcome.name] += outcome.summary
            meter.add(outcome)
    return summaries


def _job(source: Source, variable: SourceVariable, target: Path) -> _ArrayJob:
    return _ArrayJob(
        name=variable.variable.name,
        packing=variable.variable.packing,
        reduction=variable.variable.reduction,
        shape=source.found.grid.shape,
        target=str(target),
        reader=reader_of(source, variable),
    )


def reader_of(source: Source, variable: SourceVariable) -> BlockReader:
    """Return what reads blocks of a variable."""
    return BlockReader(
        path=source.path,
        engine=source.engine,
        placement=variable.placement,
        rows=source.found.rows,
        cols=source.found.cols,
        dtype=variable.variable.packing.dtype,
        resampling=source.found.resampling,
        fill=_fill(variable.variable.packing),
    )


def stages_of(source: Source, variable: SourceVariable) -> tuple[Stage, ...]:
    """Return the rounds of blocks in which a variable is built; those of the first hold the source once."""
    leading = [len(dimension.labels) for dimension in variable.variable.dimensions]
    item_bytes = np.dtype(variable.variable.packing.dtype).itemsize
    return plan_stages(leading, source.found.grid.shape, item_bytes, variable.placement.chunks)


class _Meter:
    """Adds outcomes up and passes the sums on."""

    def __init__(
        self,
        plans: Sequence[tuple[_ArrayJob, tuple[Stage, ...]]],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._progress = progress
        self._total_tasks = sum(len(stage.blocks) for _, stages in plans for stage in stages)
        self._total_bytes = sum(
            _cells(block) * np.dtype(job.packing.dtype).itemsize
            for job, stages in plans
            for stage in stages
            for block in stage.blocks
        )
        self._done_tasks = self._done_bytes = self._written_bytes = 0
        self._report("")

    def add(self, outcome: _Outcome) -> None:
        self._done_tasks += 1
        self._done_bytes += outcome.read_bytes
        self._written_bytes += outcome.written_bytes
        self._report(outcome.name)

    def _report(self, label: str) -> None:
        if self._progress is not None:
            counts = (self._done_bytes, self._total_bytes, self._done_tasks, self._total_tasks, self._written_bytes)
            self._progress(Progress(*counts, label))


def _cells(block: Block) -> int:
    cells = 1
    for start, stop in (*block.leading, block.rows, block.cols):
        cells *= stop - start
    return cells


def _run(task: _Task) -> _Outcome:
    """Read one block and write what it gives. Runs in any thread or process."""
    chunkfile.use_one_thread()
    job, block = task.job, task.block
    if task.level == 0:
        planes = job.reader.read(block)
        summary = summarise(planes, job.packing)
    else:
        planes, summary = _read_level(task), Summary()
    written = 0
    for steps in product(*(range(start, stop) for start, stop in block.leading)):
        codes = planes[tuple(step - start for step, (start, _) in zip(steps, block.leading, strict=True))]
        if task.level == 0:
            written += _write_plane(task, 0, steps, codes)
        for level in range(task.level + 1, task.level + block.depth + 1):
            codes = reduce_level(codes, job.packing, job.reduction)
            written += _write_plane(task, level, steps, codes)
    return _Outcome(job.name, summary, planes.nbytes, written)


def _array(job: _ArrayJob, level: int) -> Path:
    return Path(job.target, str(level), job.name)


def _fill(packing: Packing) -> float:
    """Return what pads chunks at the edge: the fill code, or 0 where every code is data."""
    return 0 if packing.fill_code is None else packing.fill_code


def _write_plane(task: _Task, level: int, steps: tuple[int, ...], codes: NDArray[Any]) -> int:
    """Write the chunks of one plane of a block at a level; its first cell is on a chunk edge there."""
    up = level - task.level
    first_row, first_col = ((start >> up) // CHUNK_CELLS for start in (task.block.rows[0], task.block.cols[0]))
    array, fill = _array(task.job, level), _fill(task.job.packing)
    written = 0
    for row in range(0, codes.shape[0], CHUNK_CELLS):
        for col in range(0, codes.shape[1], CHUNK_CELLS):
            index = (*steps, first_row + row // CHUNK_CELLS, first_col + col // CHUNK_CELLS)
            part = codes[row : row + CHUNK_CELLS, col : col + CHUNK_CELLS]
            written += chunkfile.write_chunk(array, index, part, _CHUNK, fill)
    return written


def _read_level(task: _Task) -> NDArray[Any]:
    """Read a block of a level that an earlier stage has written."""
    job, block = task.job, task.block
    dtype = np.dtype(job.packing.dtype)
    shape = tuple(stop - start for start, stop in (*block.leading, block.rows, block.cols))
    planes = np.empty(shape, dtype)
    here = level_shape(job.shape, task.level)
    array, fill = _array(job, task.level), _fill(job.packing)
    for steps in product(*(range(start, stop) for start, stop in block.leading)):
        plane = planes[tuple(step - start for step, (start, _) in zip(steps, block.leading, strict=True))]
        for row in range(block.rows[0], block.rows[1], CHUNK_CELLS):
            for col in range(block.cols[0], block.cols[1], CHUNK_CELLS):
                index = (*steps, row // CHUNK_CELLS, col // CHUNK_CELLS)
                codes = chunkfile.read_chunk(array, index, dtype, _CHUNK, fill)
                codes = codes[: here.rows - row, : here.cols - col]
                top, left = row - block.rows[0], col - block.cols[0]
                plane[top : top + codes.shape[0], left : left + codes.shape[1]] = codes
    return planes
