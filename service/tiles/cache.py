"""The tiers of the tile cache: memory, then disk. Keys are those of ``RenderTask.tile_key``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from lazytile.service.tiles.disk_cache import DiskTier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.service.http.settings import Settings


class TileCache(Protocol):
    """The tiers that store encoded tiles."""

    def peek(self, key: str, *, again: bool = False) -> bytes | None:
        """Return a tile that is in memory.

        Args:
            key: Key of the tile.
            again: Whether this is the second look for one request.

        Returns:
            The tile, or None.
        """
        ...

    async def load(self, key: str) -> bytes | None:
        """Return a tile from the slower tiers, and store it in memory.

        Args:
            key: Key of the tile.

        Returns:
            The tile, or None.
        """
        ...

    async def put(self, tiles: Mapping[str, bytes], tag: str) -> None:
        """Store tiles of one generation in every tier.

        Args:
            tiles: Tiles by key.
            tag: Name of the dataset and its generation.
        """
        ...

    async def drop(self, tag: str) -> None:
        """Delete the tiles of a generation.

        Args:
            tag: As for ``put``.
        """
        ...

    async def close(self) -> None:
        """Release files and threads."""
        ...


class NoCache:
    """Stores nothing, for benchmarks of the renderer. See ``TileCache``."""

    def peek(self, key: str, *, again: bool = False) -> None:
        """Return None."""

    async def load(self, key: str) -> None:
        """Return None."""

    async def put(self, tiles: Mapping[str, bytes], tag: str) -> None:
        """Store nothing."""

    async def drop(self, tag: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class TieredCache:
    """Memory in front of disk. See ``TileCache``.

    SQLite's connections belong to threads, so reads and writes have a thread each.
    """

    def __init__(self, disk: DiskTier, memory: BytesLru[bytes]) -> None:
        self._memory = memory
        self._disk = disk
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lazytile-cache-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="lazytile-cache-write")

    def peek(self, key: str, *, again: bool = False) -> bytes | None:
        """Return a tile that is in memory."""
        return self._memory.peek(key, again=again)

    async def load(self, key: str) -> bytes | None:
        """Return a tile from disk, and store it in memory."""
        data = await asyncio.get_running_loop().run_in_executor(self._reader, self._disk.get, key)
        if data is not None:
            self._memory.put(key, data)
        return data

    async def put(self, tiles: Mapping[str, bytes], tag: str) -> None:
        """Store tiles in memory at once, and return when they are on disk, where other processes find them."""
        for key, data in tiles.items():
            self._memory.put(key, data)
        await asyncio.get_running_loop().run_in_executor(self._writer, self._disk.put, tiles, tag)

    async def drop(self, tag: str) -> None:
        """Delete the tiles of a generation on disk; those in memory are never requested again and are evicted."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._disk.drop, tag)

    async def close(self) -> None:
        """Close each thread's connections, then the threads."""
        loop = asyncio.get_running_loop()
        for pool in (self._reader, self._writer):
            await loop.run_in_executor(pool, self._disk.close)
            pool.shutdown(wait=True)
        self._disk.close()


def open_cache(
    settings: Settings, memory: BytesLru[bytes], on_failure: Callable[[], object] | None = None
) -> TileCache:
    """Open the tile cache of the settings.

    Args:
        settings: The settings.
        memory: Cache of the memory tier.
        on_failure: As for ``DiskTier``.

    Returns:
        The cache.

    Raises:
        CacheError: The folder cannot be used.
    """
    if settings.no_tile_cache:
        return NoCache()
    disk = DiskTier(settings.cache, settings.cache_limit_bytes, on_failure)
    return TieredCache(disk, memory)
