"""What of bulk work lives in a worker process: which tasks of a map run there, and which must not begin.

Also a Dask preload module (``dask_setup``) for the worker processes that we start ourselves.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.caches import CacheBudget
    from lazytile.pyramid.engines.protocol import Item, Result


def dask_setup(worker: Any) -> None:
    """Set a worker process up that the engine started, before dask-cuda does."""
    del worker
    process.begin()
    # A terminal sends Ctrl-C to us and to the process that started us. That one decides, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Dask logs what a task raises, dask-cuda a traceback where the GPU does not work. Both reach the engine as well.
    for name in ("distributed", "dask_cuda"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class CachePlugin(WorkerPlugin):
    """Gives a worker that we started its caches."""

    name = "lazytile-caches"
    idempotent = False  # another engine on the cluster brings another budget

    def __init__(self, budget: CacheBudget) -> None:
        self.budget = budget

    def setup(self, worker: Any) -> None:
        """Make the caches.

        Args:
            worker: The worker.
        """
        del worker
        process.install(self.budget)


class _Maps:
    """The maps whose tasks run on a worker, by their tokens."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: Counter[str] = Counter()
        self.stopped: set[str] = set()
        """Those that were stopped early. Few and short, so they are never removed."""


def _maps() -> _Maps:
    return process.current().resource("maps of tasks", _Maps)


def run_task(token: str, function: Callable[[Item], Result], item: Item) -> Result | None:
    """Run one task of a map on a worker, unless the map has been stopped; then nobody takes the result."""
    maps = _maps()
    with maps.lock:
        if token in maps.stopped:
            return None
        maps.running[token] += 1
    try:
        return function(item)
    except LazytileError as error:
        # What other libraries raised before it (GDAL's errors, for one) need not survive the way to another process,
        # and then neither would the class and the text of ours.
        error.__cause__ = error.__context__ = None
        raise
    finally:
        with maps.lock:
            maps.running[token] -= 1
            if not maps.running[token]:
                del maps.running[token]


def stop_map(token: str) -> int:
    """Let no task of a map begin on this worker any more; return how many run."""
    maps = _maps()
    with maps.lock:
        maps.stopped.add(token)
        return maps.running[token]
