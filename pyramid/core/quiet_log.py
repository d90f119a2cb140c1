"""A log that repeats nothing: each message at most once a minute, with the number of those left out."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

EVERY_S = 60.0
LIMIT = 64
"""Most different messages that are remembered."""


class QuietLog:
    """Logs warnings, each message at most once in a period, whatever its arguments. Thread-safe."""

    def __init__(
        self, logger: logging.Logger, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Log to a logger.

        Args:
            logger: The logger.
            every_s: The period.
            clock: Returns seconds.
        """
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}
        """When each message was last logged, and how many were left out since."""

    def warning(self, message: str, *arguments: object) -> None:
        """Log a warning, unless the message was logged in the last period.

        Args:
            message: The message, with ``%`` placeholders.
            arguments: Their values.
        """
        now = self._clock()
        with self._lock:
            last, left_out = self._last.get(message, (None, 0))
            if last is not None and now - last < self._every_s:
                self._last[message] = last, left_out + 1
                return
            if len(self._last) >= LIMIT:
                self._last.pop(next(iter(self._last)))
            self._last[message] = now, 0
        more = f" ({left_out} more such messages in between)" if left_out else ""
        self._logger.warning(f"{message}%s", *arguments, more)  # noqa: G004 - the message is a constant of ours
