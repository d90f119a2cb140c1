"""What a server process does again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from lazytile.pyramid.core.allocator import return_freed_memory

if TYPE_CHECKING:
    from lazytile.service.tiles.broker import TileBroker

RETURN_EVERY_S = 60.0
"""Pages that are returned have to be mapped again: seldom enough not to be felt."""


RECHECK_EVERY_S = 5.0


async def recheck_cache(broker: TileBroker) -> NoReturn:
    """Look whether what has failed in the tile cache works again, again and again.

    Args:
        broker: Owns the cache.
    """
    while True:
        await asyncio.sleep(RECHECK_EVERY_S)
        await broker.recheck_cache()


async def return_memory() -> NoReturn:
    """Return the memory that peaks of load have left behind, again and again."""
    while True:
        await asyncio.sleep(RETURN_EVERY_S)
        await asyncio.to_thread(return_freed_memory)
