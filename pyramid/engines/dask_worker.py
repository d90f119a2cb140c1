"""What runs in a Dask worker process: the tasks of bulk maps, the caches, the set-up.

It is the Dask preload module (``dask_setup``) of the worker processes that the engines start.
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
    """Set up a worker process that an engine started, before dask-cuda does.

    Args:
        worker: The Dask worker.
    """
    del worker
    process.begin()
    # A terminal sends Ctrl-C to this process and to the one that started it, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Dask logs what a task raises, dask-cuda a traceback where the GPU does not work. The engine reports both anyway.
    for name in ("distributed", "dask_cuda"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class CachePlugin(WorkerPlugin):
    """Installs the caches of a worker that an engine started."""

    name = "lazytile-caches"
    idempotent = False  # another engine on the cluster may have another budget

    def __init__(self, budget: CacheBudget) -> None:
        self.budget = budget

    def setup(self, worker: Any) -> None:
        """Install the caches.

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
        """Tokens of maps that were stopped early. They are few and short, so they are never removed."""


def _maps() -> _Maps:
    return process.current().resource("maps of tasks", _Maps)


def run_task(token: str, function: Callable[[Item], Result], item: Item) -> Result | None:
    """Run one task of a map on a worker, unless the map was stopped.

    Args:
        token: Identifies the map.
        function: The function of the map.
        item: Its argument.

    Returns:
        The result; None where the map was stopped.
    """
    maps = _maps()
    with maps.lock:
        if token in maps.stopped:
            return None
        maps.running[token] += 1
    try:
        return function(item)
    except LazytileError as error:
        # Exceptions of other libraries in the chain (GDAL's, for one) may not survive pickling, and then the class and
        # the text of ours would be lost too.
        error.__cause__ = error.__context__ = None
        raise
    finally:
        with maps.lock:
            maps.running[token] -= 1
            if not maps.running[token]:
                del maps.running[token]


def stop_map(token: str) -> int:
    """Stop a map on this worker: no further task of it begins.

    Args:
        token: Identifies the map.

    Returns:
        Number of its tasks that still run here.
    """
    maps = _maps()
    with maps.lock:
        maps.stopped.add(token)
        return maps.running[token]
