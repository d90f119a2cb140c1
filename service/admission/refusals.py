"""The pace of refusals: who is refused and asks again at once must not keep the server busy with refusing."""

from __future__ import annotations

import asyncio

AT_ONCE = 100
"""Refusals a second that are sent at once."""
LONGEST_S = 1.0
"""How long a further one is held back."""


class Refusals:
    """Holds refusals back once there are many. Belongs to one event loop."""

    def __init__(self) -> None:
        self._next_at = 0.0

    async def paced(self) -> None:
        """Return when a refusal may be sent."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now - 1.0) + 1.0 / AT_ONCE
        delay_s = min(self._next_at - now, LONGEST_S)
        if delay_s > 0:
            await asyncio.sleep(delay_s)
