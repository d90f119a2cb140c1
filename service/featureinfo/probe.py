"""Reading the value under a pixel, a bounded number at a time."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.feature_info import FeatureInfo, describe
from lazytile.pyramid.render.renderer import render_values
from lazytile.service.http.errors import BusyError, OverdueError

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.service.protocol.context import AppContext


class PixelReader:
    """Reads values under pixels. What is read stays in this process's value cache, beside that of the tiles."""

    def __init__(self, context: AppContext, limit: int = 4) -> None:
        """``limit``: probes that run at a time; the service's queue length may wait."""
        self._site = context
        self._running = asyncio.Semaphore(limit)
        self._under_way = 0

    async def info(self, tile: ResolvedTile, i: int, j: int) -> FeatureInfo:
        """Return what is at column ``i`` and row ``j`` of a tile. Raises ``BusyError``, ``OverdueError``."""
        settings = self._site.settings
        if self._under_way > settings.queue_length:
            self._site.metrics.refused.labels("busy").inc()
            raise BusyError(f"{self._under_way} requests for values are under way already, ask again in a second")
        self._under_way += 1
        try:
            async with asyncio.timeout(settings.timeout_s), self._running:
                info = await asyncio.to_thread(self._read, tile, i, j)
        except TimeoutError as error:
            self._site.metrics.refused.labels("overdue").inc()
            raise OverdueError(f"the value was not ready within {settings.timeout_s:g} seconds") from error
        finally:
            self._under_way -= 1
        self._site.metrics.renders.inc()
        return info

    def _read(self, tile: ResolvedTile, i: int, j: int) -> FeatureInfo:
        settings = self._site.settings
        task = tile.request.task(
            settings.store.resolve(),
            chunk_cache_bytes=settings.chunk_cache_bytes,
            value_cache_bytes=0 if settings.no_tile_cache else settings.value_cache_bytes,
        )
        value = float(render_values(task)[j, i])
        return describe(tile, i, j, value if math.isfinite(value) else None)
