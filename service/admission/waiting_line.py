"""A line of requests that wait for slots, for so long and no longer."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from lazytile.service.admission.queue_order import QueueOrder

if TYPE_CHECKING:
    from lazytile.service.admission.queue_order import Overload, Visitor
    from lazytile.service.admission.work_class import ClassLimits


LONGEST_RETRY_S = 60
LONGEST_REST_S = 0.1


class LineFullError(Exception):
    """The line has no room."""


class LineTimeoutError(Exception):
    """A slot did not become free in time."""


class WaitingLine:
    """Slots, and who waits for them. Belongs to one event loop."""

    def __init__(self, slots: int, length: int, wait_s: float, overload: Overload) -> None:
        """Start with all slots free.

        Args:
            slots: How many may be taken at a time.
            length: How many may wait.
            wait_s: How long each may wait.
            overload: Decides with the times of arrival who comes next.
        """
        self._slots = slots
        self._length = length
        self._wait_s = wait_s
        self._order = QueueOrder(overload)
        self._timer: asyncio.TimerHandle | None = None
        self.taken = 0
        self.waiting = 0

    @property
    def is_idle(self) -> bool:
        """Whether a slot is free."""
        return self.taken < self._slots and not self.waiting

    async def take(self, visitor: Visitor | None = None) -> None:
        """Take a slot; wait for it first. A cancelled waiter leaves the line.

        Args:
            visitor: Who takes it.

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
        self._order.add(turn, visitor, loop.time())
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
        """Return a slot, and hand it to whoever comes next."""
        self.taken -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        now = asyncio.get_running_loop().time()
        while self.taken < self._slots and (turn := self._order.next(now)) is not None:
            self.taken += 1
            self.waiting -= 1
            turn.set_result(None)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        first = self._order.first() if self._timer is None else None
        if first is not None:
            self._timer = loop.call_at(first + self._wait_s, self._expire)

    def _expire(self) -> None:
        """Send away those who have waited too long."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for turn in self._order.overdue(loop.time() - self._wait_s):
            self.waiting -= 1
            turn.set_exception(LineTimeoutError())
        self._set_timer(loop)


class ClassLine:
    """The slots of one class of work, and how long its tasks have taken."""

    def __init__(self, limits: ClassLimits, overload: Overload) -> None:
        """Start with all slots free.

        Args:
            limits: Of the class.
            overload: As for ``WaitingLine``.
        """
        self.limits = limits
        self.line = WaitingLine(limits.running, limits.waiting, limits.wait_s, overload)
        self._mean_s = 0.0

    def ended(self, spent_s: float) -> None:
        """Take note of how long a task took, and return its slot: later where the class rests and others wait.

        Args:
            spent_s: Seconds.
        """
        self._mean_s += (spent_s - self._mean_s) * 0.1
        if self.limits.rests and self.line.waiting:
            rest_s = min(LONGEST_REST_S, spent_s * self.limits.rests)
            asyncio.get_running_loop().call_later(rest_s, self.line.give)
        else:
            self.line.give()

    @property
    def retry_after_s(self) -> int:
        """When there may be room: once those that wait now are done, on average."""
        each_s = self._mean_s + min(LONGEST_REST_S, self._mean_s * self.limits.rests)
        done_s = (self.line.waiting + 1) * each_s / self.limits.running
        return max(self.limits.retry_after_s, min(LONGEST_RETRY_S, math.ceil(done_s)))
