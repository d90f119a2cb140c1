"""Work that is cancelled: calls of an engine that closes, and threads whose result nobody waits for any more."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.pyramid.core.errors import EngineError, EngineUnavailableError
from lazytile.pyramid.core.stop_flag import StopFlag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Value = TypeVar("Value")


async def result_of(work: asyncio.Future[Value], why: Callable[[], EngineError | None] = lambda: None) -> Value:
    """Wait for work that others may cancel.

    Args:
        work: The work. Cancelling the caller cancels it, unless it is shielded.
        why: Returns why others cancelled it; None: because the engine was closed.

    Returns:
        The result of the work.

    Raises:
        EngineError: The work was cancelled, the caller was not.
    """
    try:
        return await work
    except asyncio.CancelledError:
        caller = asyncio.current_task()
        if work.cancelled() and caller is not None and not caller.cancelling():
            raise why() or EngineError("the engine was closed while work was in progress") from None
        raise


async def run_in_thread(function: Callable[[StopFlag], Value], pool: ThreadPoolExecutor | None = None) -> Value:
    """Run a function in a thread. A cancelled caller gets control back when the thread has ended, and not before.

    A thread cannot be cancelled: the function looks at the flag. One that has not begun is not run.

    Args:
        function: Takes the flag, which is set when the caller is cancelled.
        pool: Where to run it; None: the event loop's own pool.

    Returns:
        What the function returns.
    """
    stop: StopFlag = StopFlag()
    call: Future[Value] = Future()

    def run() -> None:
        if not call.set_running_or_notify_cancel():
            return
        try:
            value = function(stop)
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            call.set_exception(error)
        else:
            call.set_result(value)

    work = asyncio.wrap_future(call)
    # A pool that shuts down drops what has not begun.
    asyncio.get_running_loop().run_in_executor(pool, run).add_done_callback(lambda _: call.cancel())
    try:
        await asyncio.wait((work,))
    except asyncio.CancelledError:
        stop.set()
        call.cancel()
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()  # nobody is left to be told of it
        raise
    return work.result()


async def cancel_all(work: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel work and wait until all of it has stopped.

    Args:
        work: The work, finished or not.
    """
    pending = list(work)
    for each in pending:
        each.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


@dataclass(slots=True)
class PendingWork:
    """The calls of an engine that have not returned.

    Dask's client cancels what waits for a connection that it gives up, too.
    """

    _futures: set[asyncio.Future[Any]] = field(default_factory=set)
    _reason: EngineError | None = None
    _is_cancelled: bool = False

    async def run(self, call: Awaitable[Value]) -> Value:
        """Wait for a call; a cancelled caller cancels it.

        Args:
            call: The call.

        Returns:
            The result of the call.

        Raises:
            EngineError: ``cancel`` ended the call.
        """
        future = asyncio.ensure_future(call)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return await result_of(future, self._why)

    async def cancel(self, reason: EngineError | None = None) -> None:
        """Cancel every call and wait until each has stopped.

        Args:
            reason: What the callers get; None: that the engine was closed.
        """
        self._reason, self._is_cancelled = reason, True
        await cancel_all(self._futures)

    def _why(self) -> EngineError | None:
        return self._reason if self._is_cancelled else EngineUnavailableError("a connection of the engine is lost")
