"""A circuit breaker: what fails again and again is left alone for a while, so that it costs nobody time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 3
"""In a row, until the circuit opens."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 4.0


class CircuitBreaker:
    """Counts failures. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Close the circuit.

        Args:
            clock: Returns seconds that never go back.
        """
        self._clock = clock
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._closed_again = 0.0

    @property
    def allows(self) -> bool:
        """Whether an attempt may be made."""
        return self._failures < FAILURES or self._clock() >= self._closed_again

    @property
    def is_open(self) -> bool:
        """Whether there were too many failures, and no success since."""
        return self._failures >= FAILURES

    def succeeded(self) -> None:
        """Note a success: the circuit closes."""
        self._failures, self._pause_s = 0, FIRST_PAUSE_S

    def failed(self) -> None:
        """Note a failure. After the first of an open circuit, nothing is attempted for a pause, each twice as long."""
        self._failures += 1
        if self._failures >= FAILURES and self._clock() >= self._closed_again:
            self._closed_again = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
