"""Admission of work: how much of each class runs at a time, how much waits, and how long a request may take.

Each class has its own slots, so heavy work never takes those of light work. A slot is taken until the work has really
ended, also where its clients have left or their time is up meanwhile: work in a thread is only asked to stop.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.engines.pending_work import run_in_thread
from lazytile.pyramid.engines.single_flight import SingleFlight
from lazytile.pyramid.engines.threads import Niceness, nice_pool
from lazytile.service.admission.error_pace import ErrorPace
from lazytile.service.admission.loop_pace import CROWD
from lazytile.service.admission.loop_turns import LoopTurns
from lazytile.service.admission.memory_watch import MemoryWatch
from lazytile.service.admission.queue_order import Overload
from lazytile.service.admission.visitors import Visitors
from lazytile.service.admission.waiting_line import ClassLine, LineFullError, LineTimeoutError, WaitingLine
from lazytile.service.admission.work_class import ClassLimits, WorkClass, class_limits
from lazytile.service.http.errors import BusyError, OverdueError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings

Value = TypeVar("Value")

LOOK_UPS = 8
"""Requests that look into MRFs or the cache on disk at a time."""
FEWEST_WAITING = 64
"""As many may wait for that at least: it is soon done, however short the queue of work is."""
HEAVY_MS = 100.0
"""By default, the estimated time from which on work is heavy."""
ERRORS_PER_S = 200.0


class Admission:
    """The one bounded queue of a server process. Belongs to one event loop."""

    def __init__(
        self,
        limits: Mapping[WorkClass, ClassLimits],
        timeout_s: float,
        metrics: Metrics,
        memory: MemoryWatch | None = None,
        heavy_ms: float = HEAVY_MS,
        *,
        errors_per_s: float = ERRORS_PER_S,
    ) -> None:
        """Open a queue for each class of work.

        Args:
            limits: Limits by class.
            timeout_s: How long a request may take, from its arrival.
            metrics: Counts what waits, runs and is refused.
            memory: Says which classes may begin; None: all.
            heavy_ms: Estimated time from which on work is heavy, milliseconds.
            errors_per_s: Errors a second that are sent at once.
        """
        self._overload = Overload()
        self._classes = {work_class: ClassLine(each, self._overload) for work_class, each in limits.items()}
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._memory = memory
        self._heavy_ms = heavy_ms
        self.errors = ErrorPace(errors_per_s)
        """Paces all responses that are errors."""
        self._flights: SingleFlight[Any] = SingleFlight()
        self._numbers = itertools.count()
        self._deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
        self.visitors = Visitors()
        """Who has asked for work so far."""
        light = limits[WorkClass.LIGHT]
        self._look_ups = WaitingLine(LOOK_UPS, max(light.waiting, FEWEST_WAITING), light.wait_s, self._overload)
        self.turns = LoopTurns(light.wait_s, self._overload)
        """Of the event loop; ``turn`` waits for one on behalf of the running request."""
        self._pool = nice_pool(sum(each.running for each in limits.values()), "lazytile-work", Niceness.LIGHT)

    @classmethod
    def of(cls, settings: Settings, engine_threads: int, metrics: Metrics) -> Admission:
        """Return the queue that the settings describe.

        Args:
            settings: Slots, lengths, times and memory.
            engine_threads: Tasks that the engine runs at a time.
            metrics: Counts what waits, runs and is refused.

        Returns:
            An empty queue.
        """
        memory = MemoryWatch(settings.memory_watermark_bytes)
        limits, pace = class_limits(settings, engine_threads), settings.error_rate
        return cls(limits, settings.timeout_s, metrics, memory, settings.heavy_ms, errors_per_s=pace)

    def limits(self, work_class: WorkClass) -> ClassLimits:
        """Return how much work of a class is admitted.

        Args:
            work_class: The class.

        Returns:
            Its limits.
        """
        return self._classes[work_class].limits

    def class_of(self, ms: float) -> WorkClass:
        """Return the class of work with an estimated cost.

        Args:
            ms: The cost, milliseconds on one processor.

        Returns:
            ``LIGHT`` or ``HEAVY``.
        """
        return WorkClass.HEAVY if ms > self._heavy_ms else WorkClass.LIGHT

    def arrived(self, at: float, connection: object | None) -> None:
        """Begin the time limit of the request that the running task answers.

        Args:
            at: When it arrived, by the clock of the loop.
            connection: The transport that it came by; None where that is closed.
        """
        self._deadline.set(at + self._timeout_s)
        self.visitors.arrived(at, connection)

    def has_memory(self, work_class: WorkClass) -> bool:
        """Return whether there is memory for work of a class.

        Args:
            work_class: The class.

        Returns:
            False while it is short.
        """
        return self._memory is None or self._memory.admits(work_class)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody waits but background work."""
        waiting = (each.line.waiting for name, each in self._classes.items() if name is not WorkClass.BACKGROUND)
        return not self.turns.waiting and not any(waiting)

    @property
    def has_room(self) -> bool:
        """Whether nothing waits and memory is left: work that nobody waits for may begin."""
        return (
            self.is_quiet
            and self._classes[WorkClass.BACKGROUND].line.is_idle
            and self._classes[WorkClass.HEAVY].line.taken == 0
            and self.has_memory(WorkClass.BACKGROUND)
        )

    @asynccontextmanager
    async def look_up(self) -> AsyncIterator[None]:
        """Hold one of the few places of those who look into slower tiers, so that nobody queues in their threads.

        Raises:
            BusyError: That took too long.
        """
        if self.turns.is_crowded or self._look_ups.waiting >= CROWD:
            await self.turn()
        try:
            await self._look_ups.take(self.visitors.running)
        except (LineTimeoutError, LineFullError):
            raise self._refused(WorkClass.LIGHT, "the server has more requests than it can look up") from None
        try:
            yield
        finally:
            self._look_ups.give()

    async def turn(self) -> None:
        """Return when a piece of work of a millisecond or two may begin on the event loop.

        Raises:
            BusyError: That took too long.
        """
        visitor = self.visitors.running
        if visitor is not None and visitor.has_turn:
            return  # it was one of a crowd, whose pace allows for the whole of its work
        try:
            await self.turns.turn(visitor)
        except LineTimeoutError:
            raise self._refused(WorkClass.LIGHT, "the server has more requests than it can read") from None

    @asynccontextmanager
    async def slot(self, work_class: WorkClass) -> AsyncIterator[None]:
        """Hold one slot of a class; wait for it first. A cancelled waiter leaves the queue.

        Args:
            work_class: The class.

        Raises:
            BusyError: The queue is full, the wait was too long, or the server is short of memory.
        """
        entered = self._classes[work_class]
        limits = entered.limits
        if not self.has_memory(work_class):
            raise self._refused(work_class, f"the server has no memory left for {work_class} requests", "memory")
        try:
            with self._metrics.queue_depth.track_inprogress():
                await entered.line.take(self.visitors.running)
        except LineFullError:
            waits = f"{limits.running} running, {limits.waiting} waiting"
            raise self._refused(work_class, f"the queue for {work_class} requests is full ({waits})") from None
        except LineTimeoutError:
            text = f"{work_class} requests wait longer than {limits.wait_s:g} seconds for their turn"
            raise self._refused(work_class, text) from None
        began = time.perf_counter()
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            entered.ended(time.perf_counter() - began)

    def _refused(self, work_class: WorkClass, why: str, reason: str = "busy") -> BusyError:
        """Count a refusal, and return it."""
        self._metrics.refused.labels(reason, work_class).inc()
        after_s = self._classes[work_class].retry_after_s
        return BusyError(f"{why}, retry in {'a second' if after_s == 1 else f'{after_s} seconds'}", after_s)

    @asynccontextmanager
    async def time_limit(self, work_class: WorkClass) -> AsyncIterator[None]:
        """Cancel the enclosed work when a request has taken too long since its arrival, waiting included.

        Args:
            work_class: The class, for messages and metrics.

        Raises:
            OverdueError: The time is up.
        """
        deadline = self._deadline.get()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(deadline) as limit:
                yield
        except (TimeoutError, StoppedError) as error:
            # Numbers on a worker process have a time limit of their own, with the same length.
            if isinstance(error, TimeoutError) and not limit.expired():
                raise
            self._metrics.refused.labels("overdue", work_class).inc()
            raise OverdueError(f"the {work_class} request took longer than {self._timeout_s:g} seconds") from error

    def is_under_way(self, key: str) -> bool:
        """Return whether the work of a key is in progress.

        Args:
            key: As for ``shared``.

        Returns:
            Whether ``shared`` would join it.
        """
        return key in self._flights

    async def shared(self, key: str, start: Callable[[], Awaitable[Value]]) -> Value:
        """Do work that equal requests share: it runs once at a time, and ends when the last of them leaves.

        Args:
            key: Equal for equal work, different for any other.
            start: Starts the work; it takes a slot itself.

        Returns:
            What the work returns.

        Raises:
            EngineError: ``close`` ended the work.
        """
        found: Value = await self._flights.run(key, start)
        return found

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
            return await self.shared(shared, lambda: self._held(work_class, function))

    async def document(self, write: Callable[[], Value]) -> Value:
        """Run a function that writes a document in a thread, within the limits of its class.

        Args:
            write: The function.

        Returns:
            What it returns.

        Raises:
            BusyError: The queue is full.
            OverdueError: It took too long.
        """
        return await self.in_thread(WorkClass.DOCUMENT, lambda _: write())

    async def _held(self, work_class: WorkClass, function: Callable[[StopFlag], Value]) -> Value:
        async with self.slot(work_class):
            return await run_in_thread(function, self._pool)

    async def close(self) -> None:
        """Stop the work in progress and wait until it has ended."""
        await self._flights.cancel()
