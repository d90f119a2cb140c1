"""A line of requests that wait for slots: in order of arrival, and the last first while the line does not move.

When more arrives than can be done, an orderly line makes everybody wait as long as its length; served from its end,
those who have just come are answered at once, and those at its head are told to come later.
"""

from __future__ import annotations

import asyncio
from collections import deque

PATIENCE_S = 0.25
"""Once the first has waited this long, the last comes first."""


class LineFullError(Exception):
    """The line has no room."""


class LineTimeoutError(Exception):
    """A slot did not become free in time."""


class WaitingLine:
    """Slots, and who waits for them. Belongs to one event loop."""

    def __init__(self, slots: int, length: int, wait_s: float) -> None:
        """Start with all slots free.

        Args:
            slots: How many may be taken at a time.
            length: How many may wait.
            wait_s: How long each may wait.
        """
        self._slots = slots
        self._length = length
        self._wait_s = wait_s
        self._line: deque[tuple[float, asyncio.Future[None]]] = deque()
        """Who waits, with the time of arrival; those who have left are passed over."""
        self._timer: asyncio.TimerHandle | None = None
        self.taken = 0
        self.waiting = 0

    @property
    def is_idle(self) -> bool:
        """Whether a slot is free."""
        return self.taken < self._slots and not self.waiting

    async def take(self) -> None:
        """Take a slot; wait for it first. A cancelled waiter leaves the line.

        Raises:
            LineFullError: Too many wait already.
            LineTimeoutError: None became free in time.
        """
        if self.is_idle:
            self.taken += 1
            return
        if self.waiting >= self._length:
            raise LineFullError
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._line.append((loop.time(), turn))
        self.waiting += 1
        self._set_timer(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self.waiting -= 1
                self._hand_over()
            elif turn.exception() is None:
                self.give()  # it was handed over at the same moment
            raise

    def give(self) -> None:
        """Return a slot, and hand it to whoever waits."""
        self.taken -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self.taken < self._slots and (turn := self._next()) is not None:
            self.taken += 1
            self.waiting -= 1
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Remove who comes next from the line; None where nobody waits."""
        line = self._line
        while line and line[0][1].done():
            line.popleft()
        if not line:
            return None
        is_stuck = asyncio.get_running_loop().time() - line[0][0] > PATIENCE_S
        while True:  # the head has not left, so somebody is found
            _, turn = line.pop() if is_stuck else line.popleft()
            if not turn.done():
                return turn

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._line:
            self._timer = loop.call_at(self._line[0][0] + self._wait_s, self._expire)

    def _expire(self) -> None:
        """Send away those who have waited too long."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._line and (self._line[0][1].done() or loop.time() >= self._line[0][0] + self._wait_s):
            _, turn = self._line.popleft()
            if not turn.done():
                self.waiting -= 1
                turn.set_exception(LineTimeoutError())
        self._set_timer(loop)
