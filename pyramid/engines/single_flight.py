"""One computation a key at a time, however many wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from lazytile.pyramid.core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Value = TypeVar("Value")


@dataclass(slots=True)
class _Flight(Generic[Value]):
    work: asyncio.Task[Value]
    waiters: int = 0


@dataclass(slots=True)
class SingleFlight(Generic[Value]):
    """Lets equal requests share one computation, and stops it when nobody waits any more."""

    flights: dict[str, _Flight[Value]] = field(default_factory=dict)

    async def run(self, key: str, start: Callable[[], Awaitable[Value]]) -> Value:
        """Return the value that ``start()`` computes, or that an equal key under way is computing.

        A cancelled caller leaves the others alone; the last one to leave cancels the computation. The exception
        of a computation goes to everybody who waits for it, and to nobody who asks later.
        """
        flight = self.flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_awaited(start)))
            self.flights[key] = flight
            flight.work.add_done_callback(lambda _: self._landed(key, flight))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.work)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if flight.work.cancelled() and caller is not None and not caller.cancelling():
                raise EngineError("the engine was closed while work was under way") from None
            raise
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.work.done():
                self._landed(key, flight)
                flight.work.cancel()

    def _landed(self, key: str, flight: _Flight[Value]) -> None:
        if self.flights.get(key) is flight:
            del self.flights[key]

    async def cancel_all(self) -> None:
        """Stop every computation and wait until each has stopped. The waiters get ``EngineError``."""
        under_way = [flight.work for flight in self.flights.values()]
        for work in under_way:
            work.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _awaited(start: Callable[[], Awaitable[Value]]) -> Value:
    return await start()
