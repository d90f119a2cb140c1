"""The tiers of the tile cache: memory, then disk. Keys are those of ``RenderTask.tile_key``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from lazytile.service.tiles.disk_cache import DiskTier
from lazytile.service.tiles.disk_keys import DiskKeys
from lazytile.service.tiles.look_up_thread import LookUpThread
from lazytile.service.tiles.write_behind import WriteBehind, WriteLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.service.http.settings import Settings


def _nothing() -> None:
    """Do nothing."""


class TileCache(Protocol):
    """The tiers that store encoded tiles."""

    def absent_since(self, key: str) -> int | None:
        """Return when a tile was in no slower tier, which is known without a look.

        Args:
            key: Key of the tile.

        Returns:
            The time by ``time.monotonic_ns``; None where only ``load`` can say it.
        """
        ...

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

    def put(self, tiles: Mapping[str, bytes], tag: str, done: Callable[[], object] = _nothing) -> None:
        """Store tiles of one generation: in memory at once, in slower tiers soon. Never waits.

        Args:
            tiles: Tiles by key.
            tag: Name of the dataset and its generation.
            done: Called once they are in the slower tiers, or lost, in any thread.
        """
        ...

    async def flush(self) -> None:
        """Return when all that was put is stored, or lost."""
        ...

    async def drop(self, tag: str) -> None:
        """Delete the tiles of a generation.

        Args:
            tag: As for ``put``.
        """
        ...

    async def recheck(self) -> None:
        """Look whether what has failed works again, so that nothing is reported that is over."""
        ...

    async def close(self) -> None:
        """Release files and threads."""
        ...


class NoCache:
    """Stores nothing, for benchmarks of the renderer. See ``TileCache``."""

    def absent_since(self, key: str) -> int:
        """Return that a tile has never been there."""
        del key
        return 0

    def peek(self, key: str, *, again: bool = False) -> None:
        """Return None."""

    async def load(self, key: str) -> None:
        """Return None."""

    def put(self, tiles: Mapping[str, bytes], tag: str, done: Callable[[], object] = _nothing) -> None:
        """Store nothing."""
        del tiles, tag
        done()

    async def flush(self) -> None:
        """Do nothing."""

    async def drop(self, tag: str) -> None:
        """Do nothing."""

    async def recheck(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class TieredCache:
    """Memory in front of disk. See ``TileCache``.

    SQLite's connections belong to threads, so reads and writes have a thread each. Belongs to one event loop.
    """

    def __init__(
        self, disk: DiskTier, keys: DiskKeys, memory: BytesLru[bytes], writes: WriteBehind, drain_s: float
    ) -> None:
        self._memory = memory
        self._disk = disk
        self._keys = keys
        self._reader = LookUpThread(disk.get, "lazytile-cache-read", keys.refresh)
        self._writes = writes
        self._drain_s = drain_s

    def peek(self, key: str, *, again: bool = False) -> bytes | None:
        """Return a tile that is in memory."""
        return self._memory.peek(key, again=again)

    def absent_since(self, key: str) -> int | None:
        """Return when a tile was known not to be on disk."""
        return None if self._writes.find(key) is not None else self._keys.absent_since(key)

    async def load(self, key: str) -> bytes | None:
        """Return a tile from disk, or one that is about to be written, and store it in memory."""
        data = self._writes.find(key)
        if data is None:
            data = await self._reader.find(key)
        if data is not None:
            self._memory.put(key, data)
        return data

    def put(self, tiles: Mapping[str, bytes], tag: str, done: Callable[[], object] = _nothing) -> None:
        """Store tiles in memory at once, and soon on disk, where other processes find them."""
        for key, data in tiles.items():
            self._memory.put(key, data)
        self._writes.add(tiles, tag, done)

    async def flush(self) -> None:
        """Return when everything is on disk, or lost."""
        await self._writes.after(lambda: None)

    async def drop(self, tag: str) -> None:
        """Delete the tiles of a generation on disk; those in memory are never requested again and are evicted."""
        await self._writes.after(lambda: self._disk.drop(tag))

    async def recheck(self) -> None:
        """Look whether what has failed on disk works again."""
        if self._disk.is_failing:
            await self._writes.after(self._disk.recheck)

    async def close(self) -> None:
        """Write what waits, close each thread's connections, then the threads."""
        await self._writes.close(self._disk.close, self._drain_s)
        await self._reader.close(self._disk.close)
        self._disk.close()


async def load_all(cache: TileCache, keys: Iterable[str]) -> dict[str, bytes] | None:
    """Return the tiles of a task from the slower tiers.

    Args:
        cache: The cache.
        keys: Of all tiles of the task.

    Returns:
        The tiles by key; None where one is missing.
    """
    found = {key: await cache.load(key) for key in keys}
    return {key: data for key, data in found.items() if data is not None} if all(found.values()) else None


class CachedGenerations:
    """Drops the tiles of content that a dataset no longer has, once a new generation of it is seen."""

    def __init__(self, cache: TileCache) -> None:
        """Know of no tiles yet.

        Args:
            cache: The cache.
        """
        self._cache = cache
        self._generations: dict[str, str] = {}
        """Generation of each dataset, as last seen."""
        self._cached: dict[str, set[str]] = {}
        """Generations of each dataset's content that have tiles in the cache."""
        self._drops: set[asyncio.Task[None]] = set()
        self._noted: tuple[str, str, str] | None = None
        """What was noted last."""

    def note(self, dataset: Dataset, generation: str) -> None:
        """Take note that a tile is stored.

        Args:
            dataset: The dataset that it shows, as it is now.
            generation: Of the content that it shows.
        """
        noted = dataset.name, dataset.generation, generation
        if noted == self._noted:
            return
        self._noted = noted
        cached = self._cached.setdefault(dataset.name, set())
        cached.add(generation)
        known = self._generations.get(dataset.name)
        self._generations[dataset.name] = dataset.generation
        if known is None or known == dataset.generation:
            return
        live = dataset.live_generations()
        stale = {each for each in cached if not live.issuperset(each.split("+"))}
        cached -= stale
        for each in stale:
            drop = asyncio.create_task(self._cache.drop(f"{dataset.name}:{each}"))
            self._drops.add(drop)
            drop.add_done_callback(self._drops.discard)

    async def close(self) -> None:
        """Return when all drops have ended."""
        await asyncio.gather(*self._drops, return_exceptions=True)


def open_cache(
    settings: Settings,
    memory: BytesLru[bytes],
    on_failure: Callable[[], object] | None = None,
    on_lost: Callable[[int], object] = lambda _: None,
    on_evicted: Callable[[int, int], object] | None = None,
) -> TileCache:
    """Open the tile cache of the settings.

    Args:
        settings: The settings.
        memory: Cache of the memory tier.
        on_failure: As for ``DiskTier``.
        on_lost: As for ``WriteBehind``.
        on_evicted: As for ``DiskTier``.

    Returns:
        The cache.

    Raises:
        CacheError: The folder cannot be used.
    """
    if settings.no_tile_cache:
        return NoCache()
    disk = DiskTier(settings.cache, settings.cache_limit_bytes, on_failure, on_evicted)
    limits = WriteLimits(settings.cache_queue_length, settings.cache_queue_bytes)
    keys = DiskKeys(disk, settings.cache_limit_bytes)
    return TieredCache(disk, keys, memory, WriteBehind(disk.put, limits, on_lost), settings.shutdown_s)
