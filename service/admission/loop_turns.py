"""Turns on the event loop: work that runs there gets a little of each of its rounds, and that of a crowd is paced.

A thousand clients whose requests arrive together would otherwise be worked through in one round, and a request for a
tile in memory would wait for all of them. Such a request takes two or three rounds, from its bytes to its reply: with
one piece of work in each round it is done after as many pieces.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lazytile.service.admission.loop_pace import CROWD, TICK_S, LoopPace
from lazytile.service.admission.queue_order import QueueOrder
from lazytile.service.admission.waiting_line import LineTimeoutError

if TYPE_CHECKING:
    from lazytile.service.admission.queue_order import Overload, Visitor

GUESTS_A_TICK = 4
"""Guests of a crowd are not paced: that they have not asked before is what makes them guests, so they are as many as
there are connections. A thousand that come at once are answered within a second."""


class LoopTurns:
    """Lets one piece of work begin in each round of the loop. Belongs to one event loop."""

    def __init__(self, wait_s: float, overload: Overload) -> None:
        """Let anybody begin.

        Args:
            wait_s: How long each may wait.
            overload: Decides with the times of arrival who comes next.
        """
        self._wait_s = wait_s
        self._is_free = True
        """Whether nobody has begun in this round."""
        self._is_scheduled = False
        """Whether ``_next_round`` follows this round."""
        self._pace = LoopPace()
        self._order = QueueOrder(overload)
        self._guests = self._others = 0
        """How many of a crowd may begin in this tick."""
        self.is_crowded = False
        """Whether so many wait that their work is paced."""

    @property
    def waiting(self) -> int:
        """How many wait, at most."""
        return len(self._order)

    async def turn(self, visitor: Visitor | None = None) -> None:
        """Return when a piece of work may begin: at once unless this round has had its own.

        Args:
            visitor: Whose work it is.

        Raises:
            LineTimeoutError: That took too long.
        """
        loop = asyncio.get_running_loop()
        self._schedule(loop)
        if self._is_free and not self._order:
            self._is_free = False
            return
        begin: asyncio.Future[None] = loop.create_future()
        self._order.add(begin, visitor, loop.time())
        await begin
        if visitor is not None:
            visitor.has_turn = self.is_crowded

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next_round, loop)

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._is_scheduled = False
        if not self.is_crowded and len(self._order) > CROWD:
            self.is_crowded = True
            self._pace.begin(now)
            self._tick(loop, now)
        for begin in self._order.overdue(now - self._wait_s):
            begin.set_exception(LineTimeoutError())
        has_begun = self._begin_one(now)
        self._is_free = not has_begun
        if has_begun:
            self._schedule(loop)

    def _begin_one(self, now: float) -> bool:
        """Let the next one begin; return whether there was one."""
        if not self.is_crowded:
            following = self._order.next(now)
        elif self._guests and (following := self._order.next_guest(now)) is not None:
            self._guests -= 1
        else:
            self._guests = 0
            following = self._order.next(now) if self._others else None
            self._others = max(0, self._others - 1)
        if following is None:
            return False
        following.set_result(None)
        return True

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Set how many of a crowd may begin until the next tick."""
        now = loop.time()
        self._guests, self._others = GUESTS_A_TICK, self._pace.tick(due, now)
        if len(self._order) > CROWD // 2:
            due = now + TICK_S
            loop.call_at(due, self._tick, loop, due)
        else:
            self.is_crowded = False
        self._schedule(loop)
