"""The pace at which a crowd's work begins on the event loop: as much a second as leaves the loop free for others.

Clients that ask again as soon as they are answered send as much as they are answered, however fast that is. Answered at
full speed, two thousand of them fill each round of the loop, and the processors: who comes for a tile in memory waits
for all that came in the same round. Answered more slowly, they send less. The pace is found as TCP finds that of a
connection: a little faster while the loop is in time, much slower when it is late (D.-M. Chiu and R. Jain, Analysis of
the increase and decrease algorithms for congestion avoidance in computer networks, 1989).
"""

from __future__ import annotations

CROWD = 32
"""More than these wait at a time: a crowd, whose work is paced. Fewer delay others by a few milliseconds."""
TICK_S = 0.004
LATE_S = 0.002
"""A tick that comes as late as this is late: a timer of asyncio is up to a millisecond late by itself."""
WINDOW_S = 0.2
LATE_SHARE = 0.03
"""Share of late ticks in a window that makes the pace slower. A reply from memory takes two or three rounds of
the loop: fewer than one in twenty meets a late one then."""
FEWEST_PER_S, FIRST_PER_S, MOST_PER_S = 250.0, 500.0, 4000.0
FASTER_PER_S = 50.0
SLOWER = 0.75
AT_ONCE = 4.0
"""Pieces of work that begin in one tick at most, one in each round of the loop."""


class LoopPace:
    """How many pieces of work may begin. Belongs to one event loop."""

    def __init__(self) -> None:
        """Start with a moderate pace."""
        self.per_s = FIRST_PER_S
        self._allowed = 0.0
        self._ticked = self._window = 0.0
        self._ticks = self._late = 0

    def begin(self, now: float) -> None:
        """Take note that a crowd has come.

        Args:
            now: By the clock of the loop.
        """
        self._allowed, self._ticked, self._window = 0.0, now, now
        self._ticks = self._late = 0

    def tick(self, due: float, now: float) -> int:
        """Return how many pieces of work may begin now.

        Args:
            due: When this was to be asked.
            now: When it is.

        Returns:
            Their number.
        """
        self._ticks += 1
        self._late += now - due >= LATE_S
        if now - self._window >= WINDOW_S:
            if self._late > LATE_SHARE * self._ticks:
                self.per_s = max(FEWEST_PER_S, self.per_s * SLOWER)
            else:
                self.per_s = min(MOST_PER_S, self.per_s + FASTER_PER_S)
            self._window, self._ticks, self._late = now, 0, 0
        self._allowed = min(AT_ONCE, self._allowed + self.per_s * (now - self._ticked))
        self._ticked = now
        count = int(self._allowed)
        self._allowed -= count
        return count
