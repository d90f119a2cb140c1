"""Exporting a layer as MRF: an engine renders the pages, and one writer writes them in the order of the index.

Every page shows the tile that the service serves for the same address, byte for byte unless a higher compression effort
is requested. Memory does not grow with the dataset: one window of jobs is under way at most until its pages are
written. An export that was killed is resumed by the next run, and a finished one of the same content is left as it is.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.mrf.file_names import time_keys
from lazytile.pyramid.mrf.nearest_overviews import nearest_rgba, nearest_tile
from lazytile.pyramid.mrf.onearth import check_onearth, onearth_warnings, write_onearth
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.mrf.plan import plan_mrfs
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.writer import MrfWriter
from lazytile.pyramid.mrf.zdb import write_zdb
from lazytile.pyramid.render.renderer import codes_of, render_codes, render_index, render_rgba
from lazytile.pyramid.render.uncoloured import no_colour_text
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.dataset import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.mrf.page_encoding import PageFormat
    from lazytile.pyramid.mrf.plan import MrfPlan, PageRun
    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer

LOG = logging.getLogger(__name__)
DEFAULT_OPTIONS = ExportOptions()
WINDOW_JOBS_PER_WORKER = 24
"""Most jobs per concurrent task whose pages are not written: where the oldest is so late, no other one begins."""
MAX_OPEN_RUNS = 10_000
"""Most runs of pages, those without data too, that are not written."""


@dataclass(frozen=True, slots=True)
class MrfProgress:
    """Progress of an export, over all its files."""

    path: Path
    """The MRF being written."""
    tiles_done: int
    tiles_total: int
    tiles_made: int
    """Tiles done by this run; the others existed already."""
    seconds: float

    @property
    def tiles_per_second(self) -> float:
        """Rate of this run."""
        return self.tiles_made / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate; None before the first tile."""
        rate = self.tiles_per_second
        return (self.tiles_total - self.tiles_done) / rate if rate > 0 else None


@dataclass(frozen=True, slots=True)
class ExportedMrf:
    """An exported MRF."""

    path: Path
    tiles: int
    empty_tiles: int
    """Tiles without data, which take no space."""
    shared_tiles: int
    """Tiles stored as the bytes of another."""
    data_bytes: int
    seconds: float
    was_complete: bool = False
    """Whether it was complete before, with the same content, and was left as it is."""


@dataclass(frozen=True, slots=True)
class PageJob:
    """The work of one engine task: adjacent pages."""

    number: int
    """Of the job, in the order of the index."""
    task: RenderTask
    page_format: PageFormat
    fill_code: float | None
    """Code of pixels without data in a page of codes."""
    overviews: str
    """As in ``ExportOptions``."""


@dataclass(frozen=True, slots=True)
class PageResult:
    """The result of a job; results come in any order."""

    number: int
    pages: tuple[bytes | None, ...]


def export_mrf(
    store: Path,
    layer: Layer,
    style: Style,
    folder: Path,
    *,
    engine: BulkEngine,
    options: ExportOptions = DEFAULT_OPTIONS,
    progress: Callable[[MrfProgress], None] | None = None,
) -> list[ExportedMrf]:
    """Write the MRFs of a layer in one style to a folder, one for each step.

    What is finished stays where the export fails, and the next call resumes it.

    Args:
        store: Folder of datasets.
        layer: To export.
        style: Its colours.
        folder: Created where there is none.
        engine: Runs the tasks.
        options: How to export.
        progress: Called after every task, from this thread.

    Returns:
        The MRFs.

    Raises:
        MrfError: The MRFs cannot be planned or written. The renderer's ``RequestError`` and ``StoreError``
            (``GenerationChangedError`` where the dataset was replaced meanwhile) and ``EngineError`` pass through.
    """
    plans = plan_mrfs(store, layer, style, folder, options)
    if options.onearth:
        check_onearth(plans)  # before any page is rendered
        for line in onearth_warnings(plans):
            LOG.warning("%s", line)
    try:
        for parent in {plan.path.parent for plan in plans}:
            parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MrfError(f"folder {folder} cannot be created: {error.strerror}") from error
    meter = _ProgressMeter(sum(plan.header.records for plan in plans), progress)
    summaries = []
    for plan in plans:
        summaries.append(_finished(plan, meter) or _write(plan, engine, meter))
        if options.as_slices:
            write_zdb(plan.path, time_keys(layer, plan.slices))
    if options.onearth:
        write_onearth(plans, layer, style, folder)
    if plans[0].page_format.is_image and all(each.tiles == each.empty_tiles for each in summaries):
        reason = no_colour_text(layer, style, "exported values")
        if options.rgb is not None:
            reason = f"no pixel has data in all of {', '.join(each.variable for each in options.rgb.channels)}"
        LOG.warning("every page is empty: %s", reason)
    return summaries


def render_pages(job: PageJob) -> PageResult:
    """Render the pages of a job, row by row. This function runs on the engine.

    Args:
        job: Adjacent pages.

    Returns:
        The encoded pages; None for each without data.
    """
    page_format, palette = job.page_format, job.task.palette
    block = _block(job)
    height, width = job.task.matrix.tile_height, job.task.matrix.tile_width
    pages: list[bytes | None] = []
    for top in range(0, block.shape[0], height):
        if page_format.is_image and job.task.rgb is None:
            pages += page_format.encode_row(block[top : top + height], width, palette.rgba)
            continue
        for left in range(0, block.shape[1], width):
            page = block[top : top + height, left : left + width]
            if job.task.rgb is not None:
                pages.append(page_format.encode_pixels(page))
            else:
                pages.append(page_format.encode_codes(page, job.fill_code))
    return PageResult(job.number, tuple(pages))


def _block(job: PageJob) -> NDArray[Any]:
    """Return the colours of a job's block if it is a picture of three variables, else its palette indices or codes."""
    task, is_image = job.task, job.page_format.is_image
    if job.overviews == "nearest":
        if task.rgb is not None:
            return nearest_rgba(task)
        tile = nearest_tile(task)
        return paint(tile, task.palette) if is_image else codes_of(tile)
    if task.rgb is not None:
        return render_rgba(task)
    return render_index(task) if is_image else render_codes(task)


class _ProgressMeter:
    """Counts tiles and reports them."""

    def __init__(self, total: int, progress: Callable[[MrfProgress], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._done = self.made = 0
        self._started = time.monotonic()

    def add(self, path: Path, tiles: int, *, made: bool) -> None:
        self._done += tiles
        self.made += tiles if made else 0
        if self._progress is not None:
            seconds = time.monotonic() - self._started
            self._progress(MrfProgress(path, self._done, self._total, self.made, seconds))


def _finished(plan: MrfPlan, meter: _ProgressMeter) -> ExportedMrf | None:
    """Return the MRF if it exists already with the content that the plan would give it."""
    try:
        with MrfReader(plan.path, needs_checksums=True) as mrf:
            if mrf.header != plan.header:
                return None
            records = mrf.header.records
            empty = shared = end = 0
            for block in mrf.index_blocks():
                offsets, sizes = block.astype(np.int64).T
                ends = np.maximum.accumulate(np.append(end, offsets + sizes))
                empty += int((sizes == 0).sum())
                # Pages lie in the order of the index: one that does not follow the last is shared.
                shared += int(((sizes > 0) & (offsets < ends[:-1])).sum())
                end = int(ends[-1])
            data_bytes = mrf.data_bytes
    except MrfError:
        return None
    meter.add(plan.path, records, made=False)
    return ExportedMrf(plan.path, records, empty, shared, data_bytes, 0.0, was_complete=True)


def _write(plan: MrfPlan, engine: BulkEngine, meter: _ProgressMeter) -> ExportedMrf:
    started = time.monotonic()
    with MrfWriter(plan.path, plan.header, share_pages=plan.shares_pages) as writer:
        meter.add(plan.path, writer.written, made=False)
        for pages in _pages(plan, writer.written, engine):
            if isinstance(pages, int):
                writer.add_empty(pages)
                meter.add(plan.path, pages, made=True)
                continue
            writer.add(*pages)
            meter.add(plan.path, len(pages), made=True)
        writer.finish()
        seconds = time.monotonic() - started
        return ExportedMrf(
            plan.path, writer.written, writer.empty_pages, writer.shared_pages, writer.data_bytes, seconds
        )


def _pages(plan: MrfPlan, first: int, engine: BulkEngine) -> Iterator[tuple[bytes | None, ...] | int]:
    """Yield the pages of every run from record ``first`` on, in order, or the number of pages that have no data.

    Jobs return from the engine in any order. So long as none is very late the engine is never without work.
    """
    window = _Window(plan, first, WINDOW_JOBS_PER_WORKER * engine.capacity)
    folder = location(plan.task.store) / f"{plan.task.dataset}{SUFFIX}"
    places = Places.of(folders=(folder,), traits=plan.page_format.traits)
    while not window.is_complete:
        results = engine.map(render_pages, window.jobs(), label="mrf_pages", places=places)
        try:
            for result in results:
                window.made[result.number] = result.pages
                yield from window.in_order()
        finally:
            # Where the export fails, no task may still run when the caller cleans up.
            if isinstance(results, Generator):
                results.close()
        yield from window.in_order()


class _Window:
    """The runs whose pages have not all been yielded, in order; at most so many of them are rendered or wait."""

    def __init__(self, plan: MrfPlan, first: int, limit: int) -> None:
        self.is_complete = False
        self._plan = plan
        self._runs = enumerate(plan.runs(first))
        self._limit = limit
        self._fill = plan.layer.variable.packing.fill_code
        self._open: deque[tuple[int, PageRun]] = deque()
        self._jobs = 0
        self.made: dict[int, tuple[bytes | None, ...]] = {}

    def jobs(self) -> Iterator[PageJob]:
        """Yield jobs until the window is full, or no run is left. The engine draws each when it can start it."""
        plan = self._plan
        while self._jobs < self._limit and len(self._open) < MAX_OPEN_RUNS:
            found = next(self._runs, None)
            if found is None:
                self.is_complete = True
                return
            self._open.append(found)
            number, run = found
            if run.task is not None:
                self._jobs += 1
                yield PageJob(number, run.task, plan.page_format, self._fill, plan.overviews)

    def in_order(self) -> Iterator[tuple[bytes | None, ...] | int]:
        """Yield what is next in order, as far as it is there."""
        while self._open:
            number, run = self._open[0]
            if run.task is None:
                yield run.count
            elif number in self.made:
                self._jobs -= 1
                yield self.made.pop(number)
            else:
                return
            self._open.popleft()
