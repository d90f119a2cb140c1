"""Opening engines by name.

``BulkEngine`` runs the many independent tasks of 50 to 500 ms of convert, export and warm-up; it is synchronous.
``TileEngine`` renders single metatiles for the server; it is asynchronous. Both come in the same four kinds:
``threads`` in this process, ``local`` (Dask worker processes on this machine), ``cuda`` (one Dask worker per GPU), and
an existing Dask scheduler, by its address.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.cluster.places import NOWHERE, Places
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.gpu_devices import gpu_devices
from lazytile.pyramid.engines.protocol import BulkEngine, EngineOptions, EngineSpec, TileEngine, TileWork
from lazytile.pyramid.engines.threads import ThreadsBulkEngine, ThreadsTileEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.engines.dask_tiles import DaskTileEngine

LOG = logging.getLogger(__name__)

DEFAULT_OPTIONS = EngineOptions()


def open_bulk_engine(spec: EngineSpec, options: EngineOptions = DEFAULT_OPTIONS) -> BulkEngine:
    """Start an engine for bulk work.

    ``local`` and ``cuda`` start processes that import the program's main module again: a script that calls this
    needs ``if __name__ == "__main__":``.

    Args:
        spec: Which engine.
        options: How to start it.

    Returns:
        The engine; the caller closes it.

    Raises:
        EngineError: The engine cannot start.
    """
    # ``auto`` cannot measure here: bulk work has no sample.
    if spec.kind not in {"threads", "auto"}:
        from lazytile.pyramid.engines.dask_bulk import DaskBulkEngine  # noqa: PLC0415 - distributed takes 0.5 s to import

        return DaskBulkEngine(spec, options)
    return ThreadsBulkEngine(options.workers or processor_count())


@contextmanager
def engine_or_threads(engine: BulkEngine | str | None) -> Iterator[BulkEngine]:
    """Use the caller's engine, or one that is opened here.

    Args:
        engine: The caller's engine, which is left open; the name of one; None for threads of this process.

    Yields:
        The engine to use; one that was opened here is closed at the end.

    Raises:
        EngineError: There is no engine of that name, or it cannot start.
    """
    if isinstance(engine, str):
        with open_bulk_engine(EngineSpec.parse(engine)) as named:
            yield named
        return
    if engine is not None:
        yield engine
        return
    with ThreadsBulkEngine(processor_count()) as threads:
        yield threads


async def open_tile_engine(
    spec: EngineSpec,
    function: Callable[[Any], tuple[bytes, ...]],
    options: EngineOptions = DEFAULT_OPTIONS,
    *,
    locality: Callable[[Any], str] | None = None,
    shared: tuple[type, ...] = (),
    places: Places = NOWHERE,
    stoppable: Callable[[Any, StopFlag], tuple[bytes, ...]] | None = None,
    samples: Callable[[], Sequence[Any]] = tuple,
    is_bulk: bool = False,
) -> TileEngine:
    """Start an engine for tiles. As for ``open_bulk_engine``, the main module must be importable.

    Args:
        spec: Which engine.
        function: Renders one ``TileTask``; importable on the workers and thread-safe.
        options: How to start the engine.
        locality: Names what a task reads. Tasks of one name go to the same worker and find its caches warm. Without
            it the task's key decides.
        shared: Classes of values that many tasks have in common and that never change: they travel by hash.
        places: What the tasks read: workers that do not see it are left out.
        stoppable: ``function`` where it can be stopped; importable on the workers, too.
        samples: Returns tasks by which ``auto`` measures a GPU, where there is one; without any it takes threads.
        is_bulk: Whether nobody waits for the tiles: on a cluster they are bulk tasks, after everybody's tiles.

    Returns:
        The engine; the caller closes it.

    Raises:
        EngineError: The engine cannot start. With a fallback, an existing scheduler need not be there yet.
    """
    work = TileWork(function, locality, shared, places, stoppable)
    if spec.kind == "auto":
        return await _open_auto(work, options, samples)
    if spec.kind == "threads":
        return ThreadsTileEngine(work, options.workers or processor_count())
    return await _open_supervised(spec, work, options, is_bulk=is_bulk)


async def _open_auto(work: TileWork, options: EngineOptions, samples: Callable[[], Sequence[Any]]) -> TileEngine:
    """Open threads, or a GPU where it serves the samples faster."""
    threads = ThreadsTileEngine(work, options.workers or processor_count())
    devices = gpu_devices()
    if not devices.ids:
        LOG.info("engine auto uses threads: %s", devices.reason)
        return threads
    tasks = samples()
    if not tasks:
        LOG.info("engine auto uses threads: there is no tile to measure a GPU by")
        return threads
    from lazytile.pyramid.engines.measured_choice import faster_engine  # noqa: PLC0415 - as below

    try:
        gpu = await _open_supervised(EngineSpec("cuda"), work, replace(options, workers=None))
        engine, measured = await faster_engine(threads, gpu, tasks)
    except EngineError as error:
        LOG.warning("engine auto uses threads: %s", error)
        return threads
    LOG.info("engine auto uses %s: %s", "threads" if engine is threads else "the GPU", measured)
    return engine


async def _open_supervised(
    spec: EngineSpec, work: TileWork, options: EngineOptions, *, is_bulk: bool = False
) -> TileEngine:
    from lazytile.pyramid.engines.dask_tiles import open_dask_tile_engine  # noqa: PLC0415 - as above
    from lazytile.pyramid.engines.supervisor import SupervisedTileEngine  # noqa: PLC0415

    def stand_in() -> TileEngine:
        return ThreadsTileEngine(work, processor_count())

    fallback = stand_in if options.fallback == "threads" else None
    engine, problem = None, ""
    try:
        engine = await open_dask_tile_engine(spec, work, options, is_bulk=is_bulk)
    except EngineError as error:
        if fallback is None or spec.kind != "scheduler":
            raise
        problem = str(error)

    async def reopen(places: Places) -> DaskTileEngine:
        return await open_dask_tile_engine(spec, replace(work, places=places), options, patient=True, is_bulk=is_bulk)

    return SupervisedTileEngine(str(spec), reopen, work.places, engine, problem=problem, fallback=fallback)
