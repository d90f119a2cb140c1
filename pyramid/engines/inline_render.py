"""Light tasks on the event loop itself: handing one to a thread costs more than the task.

Two busy Python threads contend for the interpreter lock at every call that releases it, some twenty times per tile: on
two processors one process served 620 tiles/s from a thread pool and 1,230 without one. So a light task runs in the
thread that requests it. The disk is unpredictable: on a cold or remote one a chunk may take a hundred times as long,
and every request would wait. So two slow tasks in a row start a pause during which all tasks go to the threads; each
further slow one doubles it. A single one says nothing of the disk: other programs may have had the processor.
"""

from __future__ import annotations

import time

LIMIT_S = 0.01
"""The longest that a task may block the event loop without being slow."""
SLOW_IN_A_ROW = 2
"""Slow tasks that start a pause."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0


class Backoff:
    """Whether light tasks may run on the event loop now. Belongs to one thread."""

    def __init__(self) -> None:
        self._until = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._slow = 0

    def is_allowed(self) -> bool:
        """Return whether the next light task may run on the event loop."""
        return time.monotonic() >= self._until

    def record(self, spent_s: float) -> None:
        """Record how long a task ran on the event loop.

        Args:
            spent_s: Its duration, seconds.
        """
        if spent_s <= LIMIT_S:
            self._pause_s, self._slow = FIRST_PAUSE_S, 0
            return
        self._slow += 1
        if self._slow < SLOW_IN_A_ROW:
            return
        self._until = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
