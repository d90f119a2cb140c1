"""One computation of a key at a time, shared by all who wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from lazytile.pyramid.engines.pending_work import cancel_all, result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Value = TypeVar("Value")


@dataclass(slots=True)
class _Flight(Generic[Value]):
    work: asyncio.Task[Value]
    waiters: int = 0


@dataclass(slots=True)
class SingleFlight(Generic[Value]):
    """Shares one computation among equal requests, and cancels it when its last waiter leaves."""

    _flights: dict[str, _Flight[Value]] = field(default_factory=dict)
    _abandoned: set[asyncio.Task[Value]] = field(default_factory=set)
    """Cancelled, and not yet stopped: a thread takes its time."""

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def run(self, key: str, start: Callable[[], Awaitable[Value]]) -> Value:
        """Wait for the computation of a key, started here unless one is in progress.

        Cancelling a caller does not affect the others; the last one to leave cancels the computation. An exception is
        raised for all who wait at that moment; a later caller starts a new computation.

        Args:
            key: Equal for equal work, different for any other.
            start: Starts the computation.

        Returns:
            The value computed.

        Raises:
            EngineError: ``cancel`` ended the computation.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_awaited(start)))
            self._flights[key] = flight
            flight.work.add_done_callback(lambda _: self._remove(key, flight))
        flight.waiters += 1
        try:
            return await result_of(asyncio.shield(flight.work))
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.work.done():
                self._remove(key, flight)
                self._abandon(flight.work)

    def _remove(self, key: str, flight: _Flight[Value]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _abandon(self, work: asyncio.Task[Value]) -> None:
        self._abandoned.add(work)
        work.add_done_callback(self._abandoned.discard)
        work.cancel()

    async def cancel(self) -> None:
        """Cancel every computation and wait until each has stopped. The waiters get ``EngineError``."""
        await cancel_all([*(flight.work for flight in self._flights.values()), *self._abandoned])


async def _awaited(start: Callable[[], Awaitable[Value]]) -> Value:
    return await start()
