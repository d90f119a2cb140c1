"""The pace of errors: clients that get them and ask again at once must not keep the server busy with answering them."""

from __future__ import annotations

import asyncio

LONGEST_S = 2.0
"""How long an error is held back."""


class ErrorPace:
    """Holds errors back once there are many. Belongs to one event loop."""

    def __init__(self, at_once_per_s: float) -> None:
        """Hold nothing back yet.

        Args:
            at_once_per_s: Errors a second that are sent at once.
        """
        self._interval_s = 1.0 / at_once_per_s
        self._next_at = 0.0

    async def paced(self) -> None:
        """Return when an error may be sent."""
        now = asyncio.get_running_loop().time()
        # What is ahead of now is bounded, so that a flood has no consequence once it is over.
        self._next_at = min(max(self._next_at, now - 1.0) + self._interval_s, now + LONGEST_S)
        delay_s = self._next_at - now
        if delay_s > 0:
            await asyncio.sleep(delay_s)
