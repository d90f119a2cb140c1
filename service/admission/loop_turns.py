"""Turns on the event loop: work that runs there gets a little of each of its rounds, and that of a crowd is paced.

A thousand clients whose requests arrive together would otherwise be worked through in one round, and a request for a
tile in memory would wait for all of them. Such a request takes two or three rounds, from its bytes to its reply: with
one piece of work in each round it is done after as many pieces. While nobody waits, short pieces of work share a round,
for the system is asked for new requests once in each.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lazytile.service.admission.loop_pace import CROWD, TICK_S, LoopPace
from lazytile.service.admission.queue_order import QueueOrder
from lazytile.service.admission.waiting_line import LineTimeoutError

if TYPE_CHECKING:
    from lazytile.service.admission.queue_order import Overload, Visitor

SHARE_S = 0.00125
"""In a round, further work begins in this time from the first piece on; as many as fit into it are woken together: two
tiles of means with all that belongs to them, the costliest that are small. Alone in its round, one takes 5 % longer."""
_SMOOTHING = 0.125
"""Weight of a round in the mean time of a piece."""
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
        self._round_began = 0.0
        """When the first piece of work of this round began, by ``time.monotonic``: uvloop's own counts milliseconds."""
        self._begun = 0
        """Pieces of work in this round."""
        self._piece_s = SHARE_S
        """How long a piece takes on average, with all else that its round has to do."""
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
            self._begins(time.monotonic())
            return
        begin: asyncio.Future[None] = loop.create_future()
        self._order.add(begin, visitor, loop.time())
        await begin
        if visitor is not None:
            visitor.has_turn = self.is_crowded

    def begins_at_once(self) -> bool:
        """Begin a short piece of work, if it need not wait: nobody does, and the round has time left.

        Returns:
            Whether it may begin, without an await before it.
        """
        if self.is_crowded or self._order:
            return False
        now = time.monotonic()
        if self._is_free:
            self._schedule(asyncio.get_running_loop())
            self._begins(now)
            return True
        if now - self._round_began >= SHARE_S:
            return False
        self._begun += 1
        return True

    def _begins(self, now: float) -> None:
        """Take note of the first piece of work of a round."""
        self._is_free = False
        self._round_began, self._begun = now, 1

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next_round, loop)

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        began = time.monotonic()
        self._is_scheduled = False
        if not self._is_free:
            self._piece_s += _SMOOTHING * ((began - self._round_began) / self._begun - self._piece_s)
            self._is_free = True
        if not self._order:
            return
        now = loop.time()
        if not self.is_crowded and len(self._order) > CROWD:
            self.is_crowded = True
            self._pace.begin(now)
            self._tick(loop, now)
        for begin in self._order.overdue(now - self._wait_s):
            begin.set_exception(LineTimeoutError())
        if not self._begin_one(now):
            return
        self._begins(began)
        if not self.is_crowded:
            while (self._begun + 1) * self._piece_s <= SHARE_S and self._begin_one(now):
                self._begun += 1
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
