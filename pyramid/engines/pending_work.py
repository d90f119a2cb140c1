"""Work that an engine cancels when it closes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.pyramid.core.errors import EngineError, EngineUnavailableError

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
