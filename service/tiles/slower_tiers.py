"""The tiers in which a look takes a thread: exported MRFs, then the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lazytile.service.tiles.cache import load_all
from lazytile.service.tiles.prepared_tile import Tile

if TYPE_CHECKING:
    from lazytile.service.admission.admission import Admission
    from lazytile.service.tiles.cache import TileCache
    from lazytile.service.tiles.mrf_tier import MrfTier
    from lazytile.service.tiles.prepared_tile import PreparedTile


class SlowerTiers:
    """Finds tiles that are not in memory. Belongs to one event loop."""

    def __init__(self, cache: TileCache, mrfs: MrfTier | None, admission: Admission) -> None:
        """Look into these tiers.

        Args:
            cache: The tiles on disk.
            mrfs: The exported MRFs; None: there are none.
            admission: Limits how many look at a time.
        """
        self._cache = cache
        self._mrfs = mrfs
        self._admission = admission

    def absent_since(self, prepared: PreparedTile) -> int | None:
        """Return when a tile was in none of these tiers, where that is known without a look: then none is needed.

        Args:
            prepared: The tile.

        Returns:
            The time by ``time.monotonic_ns``; None where it is not known.
        """
        if self._mrfs is not None and not self._mrfs.lacks(prepared.request):
            return None
        return self._cache.absent_since(prepared.key)

    async def find(self, prepared: PreparedTile, lookup_s: dict[str, float]) -> Tile | None:
        """Look for a tile.

        Args:
            prepared: The tile.
            lookup_s: Gets the seconds spent on each tier.

        Returns:
            The tile; None where no tier has it.

        Raises:
            BusyError: Too many look already.
        """
        async with self._admission.look_up():
            began = time.perf_counter()
            found = None if self._mrfs is None else await self._mrfs.find(prepared.request)
            searched = time.perf_counter()
            lookup_s["mrf"] = searched - began
            if found is not None:
                return Tile(found.data, "mrf", lookup_s, found.variant)
            data = await self._cache.load(prepared.key)
            lookup_s["disk"] = time.perf_counter() - searched
        return None if data is None else Tile(data, "disk", lookup_s)

    async def find_all(self, prepared: PreparedTile) -> dict[str, bytes] | None:
        """Return the tiles of a task from the disk.

        Args:
            prepared: The task.

        Returns:
            The tiles by key; None where one is missing.
        """
        return await load_all(self._cache, prepared.tile_keys)

    async def close(self) -> None:
        """Close the MRFs."""
        if self._mrfs is not None:
            await self._mrfs.close()
