"""What runs in a Dask worker process: the tasks of bulk maps, the caches, the set-up.

It is the Dask preload module (``dask_setup``) of the worker processes that the engines start.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker, secede

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.cluster.bulk_share import BulkPlaces
from lazytile.pyramid.cluster.inspection import incarnation, is_inspected
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.cluster.shared_values import UnknownValueError, keep_values, unpickled
from lazytile.pyramid.core import process
from lazytile.pyramid.engines.threads import Niceness, step_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.cluster.read_counts import Reads
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
    """Installs the caches of a worker that an engine started, and what else the engine wants there."""

    name = "lazytile-caches"
    idempotent = False  # another engine on the cluster may have another budget

    def __init__(self, budget: CacheBudget, start: Callable[[], None] | None = None) -> None:
        self.budget = budget
        self.start = start

    def setup(self, worker: Any) -> None:
        """Install the caches, and call the function.

        Args:
            worker: The worker.
        """
        del worker
        process.install(self.budget)
        if self.start is not None:
            self.start()


class _Maps:
    """The maps whose tasks run on a worker, by their tokens."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: Counter[str] = Counter()
        self.stopped: set[str] = set()
        """Tokens of maps that were stopped early. They are few and short, so they are never removed."""


def _maps() -> _Maps:
    return process.current().resource("maps of tasks", _Maps)


@dataclass(frozen=True, slots=True)
class NotInspected:
    """What a worker process answers that was started after its address was inspected: the work is not done."""

    address: str
    incarnation: str


@contextmanager
def _bulk_place(places: int) -> Iterator[None]:
    """Leave the worker's threads to tiles, and wait for a place in this thread; without places do nothing."""
    if not places:
        yield
        return
    secede()  # type: ignore[no-untyped-call] # the thread ends with the task, so it need not get its priority back
    step_back(Niceness.BULK)
    with BulkPlaces.current().taken(places):
        yield


def run_task(
    token: str, admission: str, function: Callable[[Item], Result], item: Item, *, places: int
) -> Result | NotInspected | None:
    """Run one task of a map on a worker, unless the map was stopped.

    Args:
        token: Identifies the map.
        admission: Token of the inspection that the worker must have passed.
        function: The function of the map.
        item: Its argument.
        places: How many bulk tasks the worker runs at a time; 0: as many as it has threads.

    Returns:
        The result; None where the map was stopped.
    """
    if not is_inspected(admission):
        return not_inspected(get_worker().address)
    with _bulk_place(places):
        return _run(token, function, item)


def _run(token: str, function: Callable[[Item], Result], item: Item) -> Result | None:
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


def render_pickled(
    admission: str,
    function: Callable[[Any], tuple[bytes, ...]],
    task: bytes,
    values: dict[str, bytes],
    *,
    is_heavy: bool = False,
    places: int = 0,
) -> tuple[tuple[bytes, ...], Reads] | NotInspected | None:
    """Render a task on a worker, as a Dask task.

    Args:
        admission: Token of the inspection that the worker must have passed.
        function: Renders one task.
        task: As ``PickledTask`` has it.
        values: Shared values of the task.
        is_heavy: Whether the task takes long: it then leaves the worker's threads to light ones, and has a thread of
            its own and of lower priority.
        places: As for ``run_task``, of bulk work; 0 of a tile.

    Returns:
        The encoded tiles, and what this process has read since its last result (a server that joins a task of another
        one counts that too); None where this process does not have a shared value of the task.
    """
    if not is_inspected(admission):
        return not_inspected(get_worker().address)
    keep_values(values)
    try:
        opened = unpickled(task)
    except UnknownValueError:
        return None
    if places:
        with _bulk_place(places):
            return _with_reads(function, opened)
    if is_heavy:
        secede()  # type: ignore[no-untyped-call] # the thread ends with the task, so it need not get its priority back
        step_back(Niceness.BULK)
    return _with_reads(function, opened)


def _with_reads(function: Callable[[Any], tuple[bytes, ...]], task: Any) -> tuple[tuple[bytes, ...], Reads]:
    tiles = function(task)
    return tiles, ReadCounts.current().take()


def not_inspected(address: str) -> NotInspected:
    """Return the answer of a worker process that was not inspected.

    Args:
        address: Of the worker.

    Returns:
        The answer.
    """
    return NotInspected(address, incarnation())


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
