"""Exporting a layer as MRF: an engine renders the pages, and one writer writes them in the order of the index.

Every page shows the tile that the service serves for the same address, byte for byte unless a higher compression effort
is requested. Memory does not grow with the dataset: one window of jobs is under way at most until its pages are
written. An export that was killed is resumed by the next run, and a finished one of the same content is left as it is.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.errors import LazytileError
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
from lazytile.pyramid.streams.ordered_window import OrderedWindow
from lazytile.pyramid.streams.progress import ExportedMrf, ProgressMeter

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
    from lazytile.pyramid.streams.progress import MrfProgress

LOG = logging.getLogger(__name__)
DEFAULT_OPTIONS = ExportOptions()
WINDOW_JOBS_PER_WORKER = 24
"""Most jobs per concurrent task whose pages are not written: where the oldest is so late, no other one begins."""
MAX_OPEN_RUNS = 10_000
"""Most runs of pages, those without data too, that are not written."""
FINISHERS = 4
"""Threads that wait for the disk at the end of an MRF."""
MAX_FINISHING = 8
"""Most MRFs whose end waits for the disk."""


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
    meter = ProgressMeter(sum(plan.header.records for plan in plans), progress)
    summaries = _Stream(plans, meter).run(engine)
    if options.as_slices:
        for plan in plans:
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


def _begun(plan: MrfPlan) -> int:
    """Return how many pages an earlier attempt has left. An MRF of which only names were missing gets them."""
    if not plan.path.with_name(f".{plan.path.stem}.mrf.part").exists():
        return 0
    with MrfWriter(plan.path, plan.header, share_pages=plan.shares_pages) as writer:
        return writer.written


def _finished(plan: MrfPlan) -> ExportedMrf | None:
    """Return the MRF if it exists already with the content that the plan would give it."""
    try:
        with MrfReader(plan.path, needs_checksums=True) as mrf:
            if mrf.header != plan.header:
                return None
            empty, shared = mrf.count_pages()
            data_bytes = mrf.data_bytes
    except MrfError:
        return None
    return ExportedMrf(plan.path, plan.header.records, empty, shared, data_bytes, 0.0, was_complete=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is next in the order of all MRFs: a run of pages, or without one the beginning or the end of an MRF."""

    plan: MrfPlan
    run: PageRun | None = None
    begins: bool = False
    done: ExportedMrf | None = None
    """The MRF, which is complete already: its only step."""
    failure: LazytileError | None = None
    """Why there is no further step. The MRFs before it are finished first."""


def _is_job(step: _Step) -> bool:
    return step.run is not None and step.run.task is not None


class _Stream:
    """The MRFs of an export as one stream: no barrier at the end of one, and disks are waited for beside the work."""

    def __init__(self, plans: list[MrfPlan], meter: ProgressMeter) -> None:
        self._plans = plans
        self._meter = meter
        self._writer: MrfWriter | None = None
        self._started = 0.0
        self._made: list[ExportedMrf | Future[ExportedMrf]] = []
        self._finishers = ThreadPoolExecutor(FINISHERS, thread_name_prefix="lazytile-mrf")

    def run(self, engine: BulkEngine) -> list[ExportedMrf]:
        """Write every MRF."""
        limit = WINDOW_JOBS_PER_WORKER * engine.capacity
        window = OrderedWindow[_Step, tuple[bytes | None, ...]](
            self._steps(), _is_job, max_jobs=limit, max_steps=MAX_OPEN_RUNS
        )
        first = self._plans[0]
        folder = location(first.task.store) / f"{first.task.dataset}{SUFFIX}"
        places = Places.of(folders=(folder,), traits=first.page_format.traits)
        try:
            while not window.is_complete:
                results = engine.map(render_pages, _page_jobs(window), label="mrf_pages", places=places)
                try:
                    for result in results:
                        window.put(result.number, result.pages)
                        self._take(window)
                finally:
                    # Where the export fails, no task may still run when the caller cleans up.
                    if isinstance(results, Generator):
                        results.close()
                self._take(window)
            return [each.result() if isinstance(each, Future) else each for each in self._made]
        finally:
            self._close()

    def _steps(self) -> Iterator[_Step]:
        for plan in self._plans:
            try:
                begun = _begun(plan)
                done = _finished(plan)
                yield _Step(plan, begins=done is None, done=done)
                if done is None:
                    for run in plan.runs(begun):
                        yield _Step(plan, run)
                    yield _Step(plan)
            except LazytileError as error:
                yield _Step(plan, failure=error)
                return

    def _take(self, window: OrderedWindow[_Step, tuple[bytes | None, ...]]) -> None:
        """Do the steps whose turn it is."""
        for step, pages in window.in_order():
            plan = step.plan
            if step.failure is not None:
                raise step.failure
            if step.done is not None:
                self._meter.add(plan.path, step.done.tiles, made=False)
                self._made.append(step.done)
            elif step.begins:
                self._started = time.monotonic()
                self._writer = MrfWriter(plan.path, plan.header, share_pages=plan.shares_pages)
                self._meter.add(plan.path, self._writer.written, made=False)
            else:
                assert self._writer is not None
                if step.run is None:
                    self._finish(self._writer)
                    continue
                if pages is None:
                    self._writer.add_empty(step.run.count)
                else:
                    self._writer.add(*pages)
                self._meter.add(plan.path, step.run.count, made=True)

    def _finish(self, writer: MrfWriter) -> None:
        """Finish an MRF in a thread of its own; wait for an earlier one where many are not on disk yet."""
        self._writer = None
        self._made.append(self._finishers.submit(_finish, writer, self._started))
        waiting = [each for each in self._made if isinstance(each, Future)]
        if len(waiting) > MAX_FINISHING:
            waiting[-MAX_FINISHING - 1].result()

    def _close(self) -> None:
        self._finishers.shutdown(wait=True)
        if self._writer is not None:
            self._writer.__exit__(*sys.exc_info())


def _finish(writer: MrfWriter, started: float) -> ExportedMrf:
    with writer:
        writer.finish()
    return ExportedMrf(
        writer.path,
        writer.written,
        writer.empty_pages,
        writer.shared_pages,
        writer.data_bytes,
        time.monotonic() - started,
    )


def _page_jobs(window: OrderedWindow[_Step, Any]) -> Iterator[PageJob]:
    """Yield jobs while there is room. The engine draws each when it can start it."""
    for number, step in window.jobs():
        plan, run = step.plan, step.run
        if run is not None and run.task is not None:
            fill_code = plan.layer.variable.packing.fill_code
            yield PageJob(number, run.task, plan.page_format, fill_code, plan.overviews)
