"""What a server process does again and again."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from lazytile.pyramid.core.allocator import return_freed_memory

RETURN_EVERY_S = 60.0
"""Pages that are returned have to be mapped again: seldom enough not to be felt."""


async def return_memory() -> NoReturn:
    """Return the memory that peaks of load have left behind, again and again."""
    while True:
        await asyncio.sleep(RETURN_EVERY_S)
        await asyncio.to_thread(return_freed_memory)
