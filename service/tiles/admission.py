"""Admission of work: how much of each class runs at a time, how much waits, and how long a request may take.

Each class has its own slots, so a full class never delays another. A slot is taken until the work has really ended,
also where its clients have left or their time is up meanwhile: work in a thread is only asked to stop.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.engines.pending_work import run_in_thread
from lazytile.pyramid.engines.single_flight import SingleFlight
from lazytile.service.http.errors import BusyError, OverdueError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings

Value = TypeVar("Value")

TASKS_PER_THREAD = 2
"""Tile tasks that the engine is given for each of its threads: one that runs, one so that no thread waits for us."""
RUNNING_PIXELS = 4
RUNNING_STYLES = 1
"""Compiling holds the interpreter's lock: two at a time only take it from the event loop more often."""
RUNNING_NUMBERS = 2


class WorkClass(StrEnum):
    """What kind of work a request causes."""

    TILE = "tile"
    PIXEL = "pixel"
    """The value under a pixel."""
    STYLE = "style"
    """A style that is not compiled yet, a legend, a colormap."""
    NUMBERS = "numbers"
    """Statistics of a region, values at a point."""


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """How much work of one class is admitted."""

    running: int
    """Tasks that run at a time."""
    waiting: int
    """Tasks that may wait; further ones are refused."""


class _Queue:
    """The tasks of one class that are admitted."""

    def __init__(self, limits: ClassLimits) -> None:
        self.limits = limits
        self.admitted = 0
        self.free_slots = asyncio.Semaphore(limits.running)

    @property
    def is_full(self) -> bool:
        return self.admitted >= self.limits.running + self.limits.waiting


class Admission:
    """The one bounded queue of a server process. Belongs to one event loop."""

    def __init__(self, limits: Mapping[WorkClass, ClassLimits], timeout_s: float, metrics: Metrics) -> None:
        """Open a queue for each class of work; ``timeout_s``: how long a request may take."""
        self._queues = {work_class: _Queue(each) for work_class, each in limits.items()}
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._flights: SingleFlight[Any] = SingleFlight()
        self._numbers = itertools.count()

    @classmethod
    def of(cls, settings: Settings, engine_threads: int, metrics: Metrics) -> Admission:
        """Return the queue that the settings describe.

        Args:
            settings: Length of the queue and time limit.
            engine_threads: Tasks that the engine runs at a time.
            metrics: Counts what waits, runs and is refused.

        Returns:
            An empty queue.
        """
        running = {
            WorkClass.TILE: engine_threads * TASKS_PER_THREAD,
            WorkClass.PIXEL: RUNNING_PIXELS,
            WorkClass.STYLE: RUNNING_STYLES,
            WorkClass.NUMBERS: RUNNING_NUMBERS,
        }
        limits = {work_class: ClassLimits(count, settings.queue_length) for work_class, count in running.items()}
        return cls(limits, settings.timeout_s, metrics)

    def limits(self, work_class: WorkClass) -> ClassLimits:
        """Return how much work of a class is admitted.

        Args:
            work_class: The class.

        Returns:
            Its limits.
        """
        return self._queues[work_class].limits

    @asynccontextmanager
    async def slot(self, work_class: WorkClass) -> AsyncIterator[None]:
        """Hold one slot of a class; wait for it first. A cancelled waiter leaves the queue.

        Args:
            work_class: The class.

        Raises:
            BusyError: The queue is full.
        """
        queue = self._queues[work_class]
        if queue.is_full:
            self._metrics.refused.labels("busy", work_class).inc()
            limits = queue.limits
            raise BusyError(
                f"the queue for {work_class} requests is full ({limits.running} running, {limits.waiting} waiting), "
                "retry in a second"
            )
        queue.admitted += 1
        try:
            with self._metrics.queue_depth.track_inprogress():
                await queue.free_slots.acquire()
            try:
                with self._metrics.running.track_inprogress():
                    yield
            finally:
                queue.free_slots.release()
        finally:
            queue.admitted -= 1

    @asynccontextmanager
    async def time_limit(self, work_class: WorkClass) -> AsyncIterator[None]:
        """Cancel the enclosed work when a request has taken too long, waiting included.

        Args:
            work_class: The class, for messages and metrics.

        Raises:
            OverdueError: The time is up.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                yield
        except (TimeoutError, StoppedError) as error:
            # Numbers on a worker process have a time limit of their own, with the same length.
            if isinstance(error, TimeoutError) and not limit.expired():
                raise
            self._metrics.refused.labels("overdue", work_class).inc()
            raise OverdueError(f"the {work_class} request took longer than {self._timeout_s:g} seconds") from error

    async def in_thread(
        self, work_class: WorkClass, function: Callable[[StopFlag], Value], *, key: str | None = None
    ) -> Value:
        """Run a function in a thread, within the slots and the time limit of a class, equal ones once at a time.

        Who waits is answered when the time is up; the slot stays taken until the thread has ended.

        Args:
            work_class: The class.
            function: Takes a flag that is set once nobody waits any more.
            key: Equal for equal work of the class; None: like no other.

        Returns:
            What the function returns.

        Raises:
            BusyError: The queue is full.
            OverdueError: The time is up.
            EngineError: ``close`` ended the work.
        """
        shared = f"{work_class} {next(self._numbers)}" if key is None else f"{work_class} key {key}"
        async with self.time_limit(work_class):
            found: Value = await self._flights.run(shared, lambda: self._held(work_class, function))
        return found

    async def _held(self, work_class: WorkClass, function: Callable[[StopFlag], Value]) -> Value:
        async with self.slot(work_class):
            return await run_in_thread(function)

    async def close(self) -> None:
        """Stop the work in threads and wait until it has ended."""
        await self._flights.cancel()
