"""Turns on the event loop: work that runs there gets a little of each of its rounds.

A thousand clients whose requests arrive together would otherwise be worked through in one round, and a request for a
tile in memory would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque

from lazytile.service.tiles.waiting_line import PATIENCE_S, LineTimeoutError

TURNS = 2
"""Pieces of work that begin in one round of the loop, each of a millisecond or two at most."""


class LoopTurns:
    """Lets a few pieces of work begin in each round of the loop. Belongs to one event loop."""

    def __init__(self, wait_s: float) -> None:
        """Let anybody begin.

        Args:
            wait_s: How long each may wait.
        """
        self._wait_s = wait_s
        self._left = TURNS
        self._is_scheduled = False
        self._line: deque[tuple[float, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait, at most."""
        return len(self._line)

    async def turn(self) -> None:
        """Return when a piece of work may begin: at once unless this round has had its share.

        Raises:
            LineTimeoutError: That took too long.
        """
        loop = asyncio.get_running_loop()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next_round, loop)
        if self._left and not self._line:
            self._left -= 1
            return
        begin: asyncio.Future[None] = loop.create_future()
        self._line.append((loop.time(), begin))
        await begin

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = TURNS
        line, now = self._line, loop.time()
        while line and (line[0][1].done() or now - line[0][0] > self._wait_s):
            _, begin = line.popleft()
            if not begin.done():
                begin.set_exception(LineTimeoutError())
        while line and self._left:
            is_stuck = now - line[0][0] > PATIENCE_S
            _, begin = line.pop() if is_stuck else line.popleft()
            if not begin.done():
                begin.set_result(None)
                self._left -= 1
        if line:
            loop.call_soon(self._next_round, loop)
        else:
            self._is_scheduled = False
