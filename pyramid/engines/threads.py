"""The engine that needs no cluster: threads in this process.

NumPy, the codecs and the image encoders release the interpreter lock for most of a task, so threads use the
processors well, and a call costs 0.1 ms where one to a worker process costs 0.5 to 10 ms.

A reply from memory takes the event loop a fraction of a millisecond, and its client waits for little else, so the loop
comes first: threads that take some milliseconds or some seconds are nicer to it. Niceness counts among the processes of
one container, or of one service of systemd.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Self

from lazytile.pyramid.cluster.places import NOWHERE, Places
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.bounded_map import bounded_results
from lazytile.pyramid.engines.inline_render import Backoff
from lazytile.pyramid.engines.pending_work import PendingWork, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.engines.protocol import Item, Result, TileWork

TASKS_PER_THREAD = 2
"""Tasks under way for each thread: one runs, one is queued so that no thread idles."""


class Niceness(IntEnum):
    """By how much a thread is nicer than its process: by 5, and it gets a third of the time of one that is not."""

    LIGHT = 5
    """Light tiles and numbers, styles, documents in a server. They hold the interpreter's lock, which its event loop
    waits for: a nicer thread would keep it for milliseconds while other programs have the processor."""
    ON_WORKER = 15
    """Light tiles and numbers on a Dask worker."""
    HEAVY = 19
    """Work that takes up to some seconds."""
    BULK = 17
    """Bulk tasks on a worker that renders tiles, too. A thread that is nicer still would keep tiles waiting for the
    interpreter lock while it has no processor."""


def step_back(niceness: Niceness) -> None:
    """Lower the priority of the running thread for good; elsewhere than on Linux that would be the whole process.

    Args:
        niceness: By how much; 19 is the lowest priority that there is.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


def nice_pool(threads: int, prefix: str, niceness: Niceness) -> ThreadPoolExecutor:
    """Return a pool of threads that come after the event loop.

    Args:
        threads: How many there may be.
        prefix: Of their names.
        niceness: By how much they come after it.

    Returns:
        The pool.
    """
    return ThreadPoolExecutor(threads, thread_name_prefix=prefix, initializer=step_back, initargs=(niceness,))


class ThreadsBulkEngine:
    """Bulk work on a thread pool of this process. See ``BulkEngine``."""

    def __init__(self, threads: int) -> None:
        self.capacity = threads
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(threads, thread_name_prefix="lazytile-bulk")

    @property
    def description(self) -> str:
        """One line for people."""
        return f"threads, {_counted(self.capacity)}"

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, label: str, places: Places = NOWHERE
    ) -> Iterator[Result]:
        """Yield results in the order of finishing."""
        del label, places  # no dashboard shows threads, and they see what their process sees
        yield from bounded_results(
            lambda item: self._open_pool().submit(function, item), items, self.capacity * TASKS_PER_THREAD, _cancel
        )

    def close(self) -> None:
        """Wait for running tasks and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _open_pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            raise EngineError("the engine is closed")
        return self._pool

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class ThreadsTileEngine:
    """Metatiles on a thread pool of this process. See ``TileEngine``."""

    def __init__(self, work: TileWork, threads: int) -> None:
        self.capacity = self.workers = threads
        self.in_process = True
        self.kernels: frozenset[str] = frozenset()
        self._function = work.function
        self._stoppable = work.stoppable
        self._pending = PendingWork()
        self._backoff = Backoff()
        self._pool: ThreadPoolExecutor | None = nice_pool(threads, "lazytile-tile", Niceness.LIGHT)
        # How many heavy tasks run is the caller's to limit. Neither kind takes the other's threads.
        self._heavy_pool = nice_pool(threads, "lazytile-heavy", Niceness.HEAVY)

    @property
    def description(self) -> str:
        """One line for people."""
        return f"threads, {_counted(self.capacity)}"

    def render_inline(self, task: Any) -> tuple[bytes, ...] | None:
        """Render a light task in the caller's thread, unless recent light tasks were slow."""
        if self._pool is None or not self._backoff.is_allowed():
            return None
        began = time.monotonic()
        try:
            return self._function(task)
        finally:
            self._backoff.record(time.monotonic() - began)

    async def render(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Render one task in a pool. A cancelled caller stops the work and waits until its thread has ended."""
        pool = self._pool
        if pool is None:
            raise EngineError("the engine is closed")
        if is_heavy:
            pool = self._heavy_pool
        return await self._pending.run(run_in_thread(lambda stop: self._perform(task, stop), pool))

    def _perform(self, task: Any, stop: StopFlag) -> tuple[bytes, ...]:
        return self._function(task) if self._stoppable is None else self._stoppable(task, stop)

    async def move(self, places: Places) -> None:
        """Do nothing: threads see what their process sees."""

    async def close(self) -> None:
        """Cancel what waits, wait for what runs, and end the threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await self._pending.cancel()
            for each in (pool, self._heavy_pool):
                await asyncio.to_thread(each.shutdown, wait=True, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _counted(threads: int) -> str:
    return f"{threads} thread{'s' * (threads != 1)}"


def _cancel(pending: set[Future[Result]]) -> None:
    """Cancel tasks that have not begun and wait for the others: a thread cannot be stopped."""
    wait([future for future in pending if not future.cancel()])
