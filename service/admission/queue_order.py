"""The order in which those who wait are served: by arrival, and in an overload guests first, from both ends.

A flood comes from connections that ask again as soon as they are answered. A client on a new connection, or on one that
is older than the flood, has had nothing of what is scarce, so it is a guest and comes before them. In its first moment
all of a flood are guests: the last and the first of them are served in turn, so that neither who comes after it nor who
came right before it waits for all of it.
"""

from __future__ import annotations

import itertools
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PATIENCE_S = 0.25
"""A line whose first has waited this long is stuck."""
EASE_S = 2.0
"""An overload is over when no line has been stuck for this long."""
ESTABLISHED_S = 1.0
"""A connection that is older than an overload by this much does not belong to it."""
_Entry = tuple[float, int, "asyncio.Future[None]"]
"""Time of arrival, a number that keeps the order, and what wakes the waiter."""


@dataclass(slots=True)
class Visitor:
    """A connection that has asked for work."""

    since: float
    """When it first did, by the clock of the loop."""
    arrived: float
    """When the request arrived that it waits for now."""
    requests: int = 0
    """Those whose work did not begin at once."""
    has_turn: bool = False
    """Whether this request has waited for its turn in a crowd."""


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
        self._numbers = itertools.count()
        self._guests: list[_Entry] = []
        self._others: list[_Entry] = []
        self._takes_first = False

    def __len__(self) -> int:
        return len(self._guests) + len(self._others)

    def add(self, turn: asyncio.Future[None], visitor: Visitor | None, now: float) -> None:
        """Let somebody wait.

        Args:
            turn: Is set when its turn comes.
            visitor: Who waits; the arrival of its request counts.
            now: By the clock of the loop.
        """
        line = self._guests if self._overload.is_guest(visitor, now) else self._others
        insort(line, (now if visitor is None else visitor.arrived, next(self._numbers), turn))

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
            return line.pop(0)[2]
        self._overload.note(now)
        return self._either_end() or self._others.pop(0)[2]

    def next_guest(self, now: float) -> asyncio.Future[None] | None:
        """Remove and return the guest who comes next.

        Args:
            now: By the clock of the loop.

        Returns:
            Its future, None where no guest waits.
        """
        self.first()
        if not self._guests:
            return None
        if now - self._guests[0][0] <= PATIENCE_S:
            return self._guests.pop(0)[2]
        self._overload.note(now)
        return self._either_end()

    def _either_end(self) -> asyncio.Future[None] | None:
        """Remove and return the last or the first guest, in turn."""
        while self._guests:
            turn = self._guests.pop(0 if self._takes_first else -1)[2]
            if not turn.done():
                self._takes_first = not self._takes_first
                return turn
        return None

    def first(self) -> float | None:
        """Return when the first of those who wait has arrived; None where nobody waits."""
        for line in (self._guests, self._others):
            while line and line[0][2].done():
                del line[0]
        heads = [line[0][0] for line in (self._guests, self._others) if line]
        return min(heads) if heads else None

    def overdue(self, before: float) -> list[asyncio.Future[None]]:
        """Remove and return those who have arrived before a time.

        Args:
            before: By the clock of the loop.

        Returns:
            Their futures.
        """
        found = []
        for line in (self._guests, self._others):
            count = 0
            while count < len(line) and line[count][0] <= before:
                count += 1
            found += [turn for _, _, turn in line[:count] if not turn.done()]
            del line[:count]
        return found
