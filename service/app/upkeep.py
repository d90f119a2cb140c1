"""What a server process does again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from lazytile.pyramid.core import process
from lazytile.pyramid.core.allocator import return_freed_memory
from lazytile.service.tiles.cache_folder import clearing_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.service.tiles.broker import TileBroker

RETURN_EVERY_S = 60.0
"""Pages that are returned have to be mapped again: seldom enough not to be felt."""


RECHECK_EVERY_S = 5.0
FOLLOW_S = 0.25
"""How often to look whether the cache was cleared."""


async def recheck_cache(broker: TileBroker) -> NoReturn:
    """Look whether what has failed in the tile cache works again, again and again.

    Args:
        broker: Owns the cache.
    """
    while True:
        await asyncio.sleep(RECHECK_EVERY_S)
        await broker.recheck_cache()


async def follow_clearing(folder: Path, clear: Callable[[], object]) -> NoReturn:
    """Empty the caches in memory whenever the tile cache on disk is cleared.

    Args:
        folder: The folder of the tile cache.
        clear: Empties the caches.
    """
    last = clearing_time(folder)
    while True:
        await asyncio.sleep(FOLLOW_S)
        found = clearing_time(folder)
        if found != last:
            last = found
            clear()


def clear_memory() -> None:
    """Empty the caches of tiles, of their values, and of resolved addresses in this process."""
    for name in ("tiles", "values", "requests"):
        process.cache(name).clear()


async def return_memory() -> NoReturn:
    """Return the memory that peaks of load have left behind, again and again."""
    while True:
        await asyncio.sleep(RETURN_EVERY_S)
        await asyncio.to_thread(return_freed_memory)
