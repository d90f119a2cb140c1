"""Which tiles may be rendered on the event loop: those that take two milliseconds of it, on this machine and now."""

from __future__ import annotations

LIMIT_MS = 2.0
"""Processor time that a tile may take there."""
USUAL_RATIO = 0.8
"""Of the time of 95 of 100 tiles to their estimate, on the machine that the estimates were made on."""
LARGEST_RATIO = 3.0
"""With it, tiles of one chunk are still rendered on the loop, and show whether the machine has become faster."""
STEP = 0.05
"""By how much a tile that takes longer than expected raises the ratio."""
OTHERS = 19
"""Of 20 tiles so many take less than the ratio says."""
WATCHED = 32
"""Tiles whose processor time is read after one that seemed to take too long. That time takes two system calls."""
FORGETTING = 0.0005
"""By how much a tile that is not allowed lowers the ratio: now and then one is tried again."""


class LoopShare:
    """Compares what tiles took with their estimates. Belongs to one event loop.

    The ratio follows the time of 95 of 100 tiles: it rises by one step where a tile took longer, and falls by a
    nineteenth of that where one did not. On a slow or busy machine only smaller tiles are rendered on the loop.
    """

    def __init__(self) -> None:
        self._ratio = USUAL_RATIO
        self._watched = WATCHED

    def allows(self, estimate_ms: float) -> bool:
        """Return whether a tile may be rendered on the loop.

        Args:
            estimate_ms: Its estimated time, milliseconds.

        Returns:
            Whether it takes no longer than ``LIMIT_MS``, as far as one can tell.
        """
        if estimate_ms * self._ratio <= LIMIT_MS:
            return True
        self._ratio = max(self._ratio - FORGETTING, USUAL_RATIO)
        return False

    @property
    def is_watching(self) -> bool:
        """Whether to read the processor time of the next tile."""
        return self._watched > 0

    def record(self, estimate_ms: float, elapsed_ms: float, spent_ms: float | None = None) -> None:
        """Take note of what a tile took.

        Args:
            estimate_ms: Its estimated time, milliseconds.
            elapsed_ms: The time from its beginning to its end, milliseconds. Another program may have had the
                processor meanwhile.
            spent_ms: The processor time, milliseconds; None where that was not read.
        """
        expected_ms = estimate_ms * self._ratio
        self._watched = max(self._watched - 1, 0)
        if spent_ms is None and elapsed_ms > expected_ms:
            self._watched = WATCHED
            return
        step = STEP if (elapsed_ms if spent_ms is None else spent_ms) > expected_ms else -STEP / OTHERS
        self._ratio = min(max(self._ratio + step, USUAL_RATIO), LARGEST_RATIO)
