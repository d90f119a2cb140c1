"""Turns on the event loop: work that runs there gets a little of each of its rounds, and that of a crowd is paced.

A thousand clients whose requests arrive together would otherwise be worked through in one round, and a request for a
tile in memory would wait for all of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lazytile.service.admission.loop_pace import CROWD, TICK_S, LoopPace
from lazytile.service.admission.queue_order import QueueOrder
from lazytile.service.admission.waiting_line import LineTimeoutError

if TYPE_CHECKING:
    from lazytile.service.admission.queue_order import Overload, Visitor

TURNS = 2
"""Pieces of work that begin in one round of the loop, each of a millisecond or two at most."""

GUESTS_A_TICK = 4
"""Guests of a crowd are not paced: that they have not asked before is what makes them guests, so they are as many as
there are connections. A thousand that come at once are answered within a second."""


class LoopTurns:
    """Lets a few pieces of work begin in each round of the loop. Belongs to one event loop."""

    def __init__(self, wait_s: float, overload: Overload) -> None:
        """Let anybody begin.

        Args:
            wait_s: How long each may wait.
            overload: Decides with the times of arrival who comes next.
        """
        self._wait_s = wait_s
        self._left = TURNS
        self._is_scheduled = False
        self._pace = LoopPace()
        self._order = QueueOrder(overload)
        self.is_crowded = False
        """Whether so many wait that their work is paced."""

    @property
    def waiting(self) -> int:
        """How many wait, at most."""
        return len(self._order)

    async def turn(self, visitor: Visitor | None = None) -> None:
        """Return when a piece of work may begin: at once unless this round has had its share.

        Args:
            visitor: Whose work it is.

        Raises:
            LineTimeoutError: That took too long.
        """
        loop = asyncio.get_running_loop()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next_round, loop)
        if self._left and not self._order:
            self._left -= 1
            return
        begin: asyncio.Future[None] = loop.create_future()
        self._order.add(begin, visitor, loop.time())
        await begin
        if visitor is not None:
            visitor.has_turn = self.is_crowded

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if not self.is_crowded and len(self._order) > CROWD:
            self.is_crowded = True
            self._pace.begin(now)
        if self.is_crowded:
            self._next_tick(loop, now)
            return
        self._serve(TURNS, now)
        if self._order:
            loop.call_soon(self._next_round, loop)
        else:
            self._is_scheduled = False

    def _next_tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        for _ in range(GUESTS_A_TICK):
            guest = self._order.next_guest(now)
            if guest is None:
                break
            guest.set_result(None)
        self._serve(self._pace.tick(due, now), now)
        if len(self._order) > CROWD // 2:
            due = now + TICK_S
            loop.call_at(due, self._next_tick, loop, due)
        else:
            self.is_crowded = False
            loop.call_soon(self._next_round, loop)

    def _serve(self, turns: int, now: float) -> None:
        """Let this many begin; send away those who have waited too long."""
        self._left = turns
        for begin in self._order.overdue(now - self._wait_s):
            begin.set_exception(LineTimeoutError())
        while self._left and (following := self._order.next(now)) is not None:
            following.set_result(None)
            self._left -= 1
