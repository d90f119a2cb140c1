"""What a server process does again and again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from lazytile.pyramid.core import process
from lazytile.pyramid.core.allocator import return_freed_memory
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.linked.record import FILE
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.dataset import SUFFIX
from lazytile.pyramid.store.store import store_at
from lazytile.service.front.front import free_in_parts
from lazytile.service.tiles.cache_folder import clearing_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from lazytile.pyramid.linked.follow import LinkFollower
    from lazytile.service.tiles.broker import TileBroker

RETURN_EVERY_S = 60.0
"""Pages that are returned have to be mapped again: seldom enough not to be felt."""


OPEN_S = 3.0
"""How long a server that starts waits for the sources of its linked datasets."""
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


async def follow_clearing(folder: Path, clear: Callable[[], Awaitable[None]]) -> NoReturn:
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
            await clear()


async def clear_memory() -> None:
    """Empty the caches of tiles, of their values, and of resolved addresses in this process at once.

    What they held is freed a part in each round of the event loop: to free many takes long.
    """
    held = [each for name in ("tiles", "values", "requests") for each in process.cache(name).detach()]
    await free_in_parts(held)


async def open_links(store: Path) -> asyncio.Task[None] | None:
    """Open the sources of linked datasets before the first request. Waits ``OPEN_S`` at most; a source may not answer.

    Args:
        store: Folder of the datasets.

    Returns:
        The work that may still go on; None without linked datasets.
    """
    if not await asyncio.to_thread(_has_links, store):
        return None
    task = asyncio.create_task(asyncio.to_thread(_open_sources, store))
    await asyncio.wait({task}, timeout=OPEN_S)
    return task


def _open_sources(store: Path) -> None:
    # It imports xarray, which takes a second.
    from lazytile.pyramid.linked.follow import open_sources  # noqa: PLC0415

    open_sources(store)


async def follow_links(store: Path, every_s: float) -> NoReturn:
    """Look at the sources of linked datasets again and again; one that has changed becomes a new generation.

    Args:
        store: Folder of the datasets.
        every_s: How often.
    """
    follower: LinkFollower | None = None
    while True:
        if follower is None and await asyncio.to_thread(_has_links, store):
            follower = await asyncio.to_thread(_follower_of, store)
        await asyncio.sleep(every_s)
        if follower is not None:
            await asyncio.to_thread(follower.look)


def _follower_of(store: Path) -> LinkFollower:
    from lazytile.pyramid.linked.follow import LinkFollower  # noqa: PLC0415 - as above

    return LinkFollower(store)


def _has_links(store: Path) -> bool:
    if isinstance(store, ObjectPath):
        with suppress(StorageError, StoreError):  # it is asked again
            return any(each.description.linked for each in store_at(str(store)).datasets())
        return False
    return next(store.glob(f"*{SUFFIX}/{FILE}"), None) is not None


async def return_memory() -> NoReturn:
    """Return the memory that peaks of load have left behind, again and again."""
    while True:
        await asyncio.sleep(RETURN_EVERY_S)
        await asyncio.to_thread(return_freed_memory)
