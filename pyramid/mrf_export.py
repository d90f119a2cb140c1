"""Exporting a layer as MRF: the pages are rendered on an engine, and written by one writer in the order of the index.

Every page is the tile that the service serves for the same address, byte for byte. Memory does not grow with the
dataset: no more tasks are given out than one window holds before their pages are written. An export that was killed
goes on where it was when it is run again, and a finished one of the same content is left as it is.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.errors import MrfError
from lazytile.pyramid.image import encode
from lazytile.pyramid.mrf_plan import plan_mrfs
from lazytile.pyramid.mrf_read import MrfReader
from lazytile.pyramid.mrf_write import MrfWriter
from lazytile.pyramid.render import render_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lazytile.pyramid.engine import BulkEngine
    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.mrf_plan import MrfPlan, PageRun
    from lazytile.pyramid.style import Style
    from lazytile.pyramid.task import RenderTask

WINDOW_TASKS_A_WORKER = 24
"""Tasks in a window for each that runs at a time: at its end some workers wait for the last, so it is not short."""


@dataclass(frozen=True, slots=True)
class MrfProgress:
    """How far an export is, over all its files."""

    path: Path
    """The MRF being written."""
    tiles_done: int
    tiles_total: int
    tiles_made: int
    """Of those done, the ones that this run made; the others were there already."""
    seconds: float

    @property
    def tiles_a_second(self) -> float:
        """Rate of this run."""
        return self.tiles_made / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate; None where nothing is known yet."""
        rate = self.tiles_a_second
        return (self.tiles_total - self.tiles_done) / rate if rate > 0 else None


@dataclass(frozen=True, slots=True)
class MrfSummary:
    """What there is now."""

    path: Path
    tiles: int
    empty_tiles: int
    """Tiles without data: they take no room."""
    shared_tiles: int
    """Tiles stored as another's bytes."""
    data_bytes: int
    seconds: float
    was_there: bool = False
    """Whether it was finished before, with the same content, and was left as it is."""


def export_mrf(
    store: Path,
    layer: Layer,
    style: Style,
    folder: Path,
    *,
    engine: BulkEngine,
    tms: str = "native",
    finest: str | None = None,
    select: Mapping[str, Sequence[str]] | None = None,
    progress: Callable[[MrfProgress], None] | None = None,
) -> list[MrfSummary]:
    """Write the MRFs of a layer in one style to a folder, made where there is none; one for each step.

    Parameters are as for ``plan_mrfs``. ``progress`` is called after every task, from this thread. Raises
    ``MrfError``, ``RequestError``, ``StoreError`` (``GenerationChangedError`` where the dataset was replaced
    meanwhile) and ``EngineError``; what is finished stays, and the rest goes on with the next call.
    """
    plans = plan_mrfs(store, layer, style, folder, tms=tms, finest=finest, select=select)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MrfError(f"folder {folder} cannot be made: {error.strerror}") from error
    tally = _Tally(sum(plan.header.records for plan in plans), progress)
    return [_finished(plan, tally) or _write(plan, engine, tally) for plan in plans]


def render_pages(task: RenderTask) -> tuple[bytes | None, ...]:
    """Make the pages of a task's block, row by row; None for a page without data. What engines run.

    A page's bytes are those of ``render``.
    """
    index = render_index(task)
    matrix = task.matrix
    pages: list[bytes | None] = []
    for top in range(0, index.shape[0], matrix.tile_height):
        for left in range(0, index.shape[1], matrix.tile_width):
            page = index[top : top + matrix.tile_height, left : left + matrix.tile_width]
            pages.append(encode(page, task.palette.rgba, task.image_format, task.background) if page.any() else None)
    return tuple(pages)


class _Tally:
    """Counts tiles and tells about them."""

    def __init__(self, total: int, progress: Callable[[MrfProgress], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._done = self._made = 0
        self._started = time.monotonic()

    def add(self, path: Path, tiles: int, *, made: bool) -> None:
        self._done += tiles
        self._made += tiles if made else 0
        if self._progress is not None:
            seconds = time.monotonic() - self._started
            self._progress(MrfProgress(path, self._done, self._total, self._made, seconds))


def _finished(plan: MrfPlan, tally: _Tally) -> MrfSummary | None:
    """Return the summary of the MRF if it is there already with the content that the plan would give it."""
    try:
        with MrfReader(plan.path) as mrf:
            if mrf.header != plan.header:
                return None
            records = [mrf.record_at(number) for number in range(mrf.header.records)]
            data_bytes = mrf.data_bytes
    except MrfError:
        return None
    tally.add(plan.path, len(records), made=False)
    empty = sum(record.is_empty for record in records)
    shared = len(records) - empty - len({record.offset for record in records if not record.is_empty})
    return MrfSummary(plan.path, len(records), empty, shared, data_bytes, 0.0, was_there=True)


def _write(plan: MrfPlan, engine: BulkEngine, tally: _Tally) -> MrfSummary:
    started = time.monotonic()
    with MrfWriter(plan.path, plan.header) as writer:
        tally.add(plan.path, writer.written, made=False)
        for run, pages in _pages(plan.runs(writer.written), engine):
            for page in pages:
                writer.add(page)
            tally.add(plan.path, run.count, made=True)
        writer.finish()
        seconds = time.monotonic() - started
        return MrfSummary(
            plan.path, writer.written, writer.empty_pages, writer.shared_pages, writer.data_bytes, seconds
        )


def _pages(runs: Iterator[PageRun], engine: BulkEngine) -> Iterator[tuple[PageRun, tuple[bytes | None, ...]]]:
    """Yield every run with its pages, in order; tasks come back from the engine in any order."""
    window = WINDOW_TASKS_A_WORKER * engine.capacity
    while batch := list(itertools.islice(runs, window)):
        tasks = [(number, run.task) for number, run in enumerate(batch) if run.task is not None]
        results = engine.map(_numbered, tasks, label="mrf_pages")
        try:
            yield from _in_order(batch, results)
        finally:
            # Where the export fails, nothing may still be under way when the caller cleans up.
            if isinstance(results, Generator):
                results.close()


def _in_order(
    batch: list[PageRun], results: Iterator[tuple[int, tuple[bytes | None, ...]]]
) -> Iterator[tuple[PageRun, tuple[bytes | None, ...]]]:
    made: dict[int, tuple[bytes | None, ...]] = {}
    for number, run in enumerate(batch):
        if run.task is None:
            yield run, (None,) * run.count
            continue
        while number not in made:
            at, pages = next(results)
            made[at] = pages
        yield run, made.pop(number)


def _numbered(item: tuple[int, RenderTask]) -> tuple[int, tuple[bytes | None, ...]]:
    number, task = item
    return number, render_pages(task)
