"""The order in which those who wait are served: by arrival, and in an overload guests first, the last of them first.

A flood comes from connections that ask again as soon as they are answered. A client on a new connection, or on one that
is older than the flood, has had nothing of what is scarce, so it is a guest and comes before them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

PATIENCE_S = 0.25
"""A line whose first has waited this long is stuck."""
EASE_S = 2.0
"""An overload is over when no line has been stuck for this long."""
ESTABLISHED_S = 1.0
"""A connection that is older than an overload by this much does not belong to it."""
_Turn = asyncio.Future[None]


@dataclass(slots=True)
class Visitor:
    """A connection that has asked for work."""

    since: float
    """When it first did, by the clock of the loop."""
    requests: int = 0


@dataclass(slots=True)
class Overload:
    """Whether lines are stuck, and since when. Belongs to one event loop."""

    began: float = 0.0
    last: float = -EASE_S
    """When a line was found stuck last."""

    def note(self, now: float) -> None:
        """Take note that a line is stuck.

        Args:
            now: By the clock of the loop.
        """
        if now - self.last > EASE_S:
            self.began = now - PATIENCE_S
        self.last = now

    def is_guest(self, visitor: Visitor | None, now: float) -> bool:
        """Return whether a client comes before those of the flood.

        Args:
            visitor: The client; None for work of our own.
            now: By the clock of the loop.

        Returns:
            True for the first request of a connection, and for connections older than the overload.
        """
        if visitor is None or visitor.requests <= 1:
            return True
        return now - self.last <= EASE_S and visitor.since < self.began - ESTABLISHED_S


class QueueOrder:
    """Futures of those who wait. Those that are done, since their waiters have left, are passed over."""

    def __init__(self, overload: Overload) -> None:
        """Start empty.

        Args:
            overload: Is told when the first has waited too long.
        """
        self._overload = overload
        self._guests: deque[tuple[float, _Turn]] = deque()
        self._others: deque[tuple[float, _Turn]] = deque()

    def __len__(self) -> int:
        return len(self._guests) + len(self._others)

    def add(self, turn: asyncio.Future[None], visitor: Visitor | None, now: float) -> None:
        """Let somebody wait.

        Args:
            turn: Is set when its turn comes.
            visitor: Who waits.
            now: By the clock of the loop.
        """
        line = self._guests if self._overload.is_guest(visitor, now) else self._others
        line.append((now, turn))

    def next(self, now: float) -> asyncio.Future[None] | None:
        """Remove and return who comes next.

        Args:
            now: By the clock of the loop.

        Returns:
            Its future, None where nobody waits.
        """
        first = self.first()
        if first is None:
            return None
        if now - first <= PATIENCE_S:
            line = self._guests if self._guests and self._guests[0][0] == first else self._others
            return line.popleft()[1]
        self._overload.note(now)
        while self._guests:
            _, turn = self._guests.pop()
            if not turn.done():
                return turn
        return self._others.popleft()[1]

    def first(self) -> float | None:
        """Return when the one who has waited longest has come; None where nobody waits."""
        for line in (self._guests, self._others):
            while line and line[0][1].done():
                line.popleft()
        heads = [line[0][0] for line in (self._guests, self._others) if line]
        return min(heads) if heads else None

    def overdue(self, before: float) -> list[asyncio.Future[None]]:
        """Remove and return those who have come before a time.

        Args:
            before: By the clock of the loop.

        Returns:
            Their futures.
        """
        found = []
        for line in (self._guests, self._others):
            while line and (line[0][1].done() or line[0][0] <= before):
                _, turn = line.popleft()
                if not turn.done():
                    found.append(turn)
        return found
