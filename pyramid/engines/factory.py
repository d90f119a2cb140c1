"""How engines are opened.

``BulkEngine`` carries the many independent tasks of 50 to 500 ms of convert, export and warm-up; it is
synchronous. ``TileEngine`` renders single metatiles for the server; it is asynchronous. Behind both stand
the same four engines: ``threads`` in this process, ``local`` (Dask worker processes on this machine), ``cuda``
(one Dask worker a GPU), and a Dask scheduler that is there already, by its address.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.gpu_devices import gpu_devices
from lazytile.pyramid.engines.protocol import BulkEngine, EngineOptions, EngineSpec, TileEngine
from lazytile.pyramid.engines.threads import ThreadsBulkEngine, ThreadsTileEngine

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)


DEFAULT_OPTIONS = EngineOptions()


def open_bulk_engine(spec: EngineSpec, options: EngineOptions = DEFAULT_OPTIONS) -> BulkEngine:
    """Start an engine for bulk work. Raises ``EngineError`` where what was asked for cannot be had.

    ``local`` and ``cuda`` start processes that import the program's main module anew: a script that calls this
    needs ``if __name__ == "__main__":``.
    """
    if not _takes_threads(spec):
        from lazytile.pyramid.engines.dask_bulk import DaskBulkEngine  # noqa: PLC0415 - distributed takes 0.5 s to import

        try:
            return DaskBulkEngine(spec, options)
        except EngineError as error:
            _fall_back(spec, error)
    return ThreadsBulkEngine(options.workers or processor_count())


async def open_tile_engine(
    spec: EngineSpec,
    function: Callable[[Any], tuple[bytes, ...]],
    options: EngineOptions = DEFAULT_OPTIONS,
    *,
    locality: Callable[[Any], str] | None = None,
) -> TileEngine:
    """Start an engine for tiles. Raises ``EngineError`` where what was asked for cannot be had.

    ``function`` renders one task, given as a ``TileTask``; it is importable on the workers and safe in threads.
    ``locality`` names what a task reads, so that tasks of one name go to the same worker and find its caches
    warm; without it the task's key does. As for ``open_bulk_engine``, the main module must be importable.
    """
    if not _takes_threads(spec):
        from lazytile.pyramid.engines.dask_tiles import open_dask_tile_engine  # noqa: PLC0415 - as above

        try:
            return await open_dask_tile_engine(spec, function, options, locality)
        except EngineError as error:
            _fall_back(spec, error)
    return ThreadsTileEngine(function, options.workers or processor_count())


def _takes_threads(spec: EngineSpec) -> bool:
    """Tell whether the engine is ``threads``: asked for, or because ``auto`` finds no GPU at all."""
    if spec.kind == "auto":
        devices = gpu_devices()
        if not devices.ids:
            LOG.info("engine auto takes threads: %s", devices.reason)
            return True
    return spec.kind == "threads"


def _fall_back(spec: EngineSpec, error: EngineError) -> None:
    """Let ``auto`` go on without its GPUs, and say why. Raises the error for any other engine."""
    if spec.kind != "auto":
        raise error
    LOG.warning("engine auto takes threads: %s", error)
