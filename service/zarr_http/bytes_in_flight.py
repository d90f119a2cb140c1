"""A bound on the bytes that are read for clients and not sent yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from lazytile.service.http.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable


class Reservation:
    """Bytes that one response may hold, until they are released; releasing them again does nothing."""

    def __init__(self, release: Callable[[], object]) -> None:
        """Hold bytes.

        Args:
            release: Gives them back.
        """
        self._release: Callable[[], object] | None = release

    def release(self) -> None:
        """Return the bytes to those who wait."""
        release, self._release = self._release, None
        if release is not None:
            release()


class BytesInFlight:
    """Reserves bytes, first come, first served. Belongs to one event loop."""

    def __init__(self, limit_bytes: int, most_waiting: int, wait_s: float) -> None:
        """Reserve nothing yet.

        Args:
            limit_bytes: Most bytes at a time.
            most_waiting: How many responses may wait for theirs.
            wait_s: How long one may wait.
        """
        self._limit = limit_bytes
        self._most_waiting = most_waiting
        self._wait_s = wait_s
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """Bytes that are reserved."""
        return self._taken

    async def take(self, nbytes: int) -> Reservation:
        """Reserve bytes; wait until there are as many.

        Args:
            nbytes: How many; more than the limit counts as the limit.

        Returns:
            The reservation.

        Raises:
            BusyError: Too many wait already, or the wait was too long.
        """
        wanted = min(nbytes, self._limit)
        if self._waiting or self._taken + wanted > self._limit:
            await self._wait(wanted)
        else:
            self._taken += wanted
        return Reservation(lambda: self._give(wanted))

    async def _wait(self, wanted: int) -> None:
        if len(self._waiting) >= self._most_waiting:
            raise BusyError("the server sends as many bytes as it may, and as many requests wait, retry in a second")
        turn = asyncio.get_running_loop().create_future()
        entry = wanted, turn
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give(wanted)  # it came at the very moment
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._wake()
            if isinstance(error, TimeoutError):
                text = f"the server sends as many bytes as it may since {self._wait_s:g} seconds, retry in a second"
                raise BusyError(text) from None
            raise

    def _give(self, nbytes: int) -> None:
        self._taken -= nbytes
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._taken + self._waiting[0][0] <= self._limit:
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._taken += wanted
                turn.set_result(None)
