"""Light tasks on the event loop itself: handing one to a thread costs more than it does.

Two threads of Python that both have work take the interpreter from each other at every call that lets go of it, some
twenty times a tile: on two processors a process served 620 tiles/s by a pool of threads, 1,230 without one. So a task
that is known to be light runs where it is asked for. What nobody can know is the disk: on a cold or distant one a
chunk may take a hundred times as long, and then everybody would wait. A task that took too long is therefore
followed by a pause in which all go to the threads, and each further one doubles it.
"""

from __future__ import annotations

import time

LIMIT_S = 0.01
"""The longest that a task may hold up the event loop without a pause after it."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0


class Backoff:
    """Whether light tasks may run on the event loop now. Belongs to one thread."""

    def __init__(self) -> None:
        self._until = 0.0
        self._pause_s = FIRST_PAUSE_S

    def is_allowed(self) -> bool:
        """Whether the next light task may run here."""
        return time.monotonic() >= self._until

    def record(self, spent_s: float) -> None:
        """Take note of how long a task ran here."""
        if spent_s <= LIMIT_S:
            self._pause_s = FIRST_PAUSE_S
            return
        self._until = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
