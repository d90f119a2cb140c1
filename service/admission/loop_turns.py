"""Turns on the event loop: work that runs there gets a little of each of its rounds.

A thousand clients whose requests arrive together would otherwise be worked through in one round, and a request for a
tile in memory would wait for all of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lazytile.service.admission.queue_order import QueueOrder
from lazytile.service.admission.waiting_line import LineTimeoutError

if TYPE_CHECKING:
    from lazytile.service.admission.queue_order import Overload, Visitor

TURNS = 2
"""Pieces of work that begin in one round of the loop, each of a millisecond or two at most."""


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
        self._order = QueueOrder(overload)

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

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left, now = TURNS, loop.time()
        for begin in self._order.overdue(now - self._wait_s):
            begin.set_exception(LineTimeoutError())
        while self._left and (following := self._order.next(now)) is not None:
            following.set_result(None)
            self._left -= 1
        if self._order:
            loop.call_soon(self._next_round, loop)
        else:
            self._is_scheduled = False
