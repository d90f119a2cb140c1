"""What of bulk work lives in a worker process: which tasks of a map run there, and which must not begin.

Also a Dask preload module (``dask_setup``) for the worker processes that we start ourselves.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.allocator import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.engines.protocol import Item, Result


def dask_setup(worker: Any) -> None:
    """Set a worker process up that the engine started, before dask-cuda does."""
    del worker
    keep_freed_memory()
    # A terminal sends Ctrl-C to us and to the process that started us. That one decides, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Dask logs what a task raises, dask-cuda a traceback where the GPU does not work. Both reach the engine as well.
    for name in ("distributed", "dask_cuda"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


_tasks_lock = threading.Lock()
_running: Counter[str] = Counter()
_stopped: set[str] = set()
"""Tokens of the maps that were stopped early, on this worker. Few and short, so they are never forgotten."""


def run_task(token: str, function: Callable[[Item], Result], item: Item) -> Result | None:
    """Run one task of a map on a worker, unless the map has been stopped; then nobody takes the result."""
    with _tasks_lock:
        if token in _stopped:
            return None
        _running[token] += 1
    try:
        return function(item)
    except LazytileError as error:
        # What other libraries raised before it (GDAL's errors, for one) need not survive the way to another process,
        # and then neither would the class and the text of ours.
        error.__cause__ = error.__context__ = None
        raise
    finally:
        with _tasks_lock:
            _running[token] -= 1
            if not _running[token]:
                del _running[token]


def stop_map(token: str) -> int:
    """Let no task of a map begin on this worker any more; return how many run."""
    with _tasks_lock:
        _stopped.add(token)
        return _running[token]
