"""Reading the value under a pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.feature_info import FeatureInfo, describe
from lazytile.pyramid.render.cost import tile_cost
from lazytile.pyramid.render.renderer import render_values

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.service.protocol.context import AppContext


async def read_pixel(context: AppContext, tile: ResolvedTile, i: int, j: int) -> FeatureInfo:
    """Read and describe a pixel in this process; its tile's values stay in the value cache.

    Args:
        context: The running service.
        tile: A tile of values.
        i: Column of the pixel in the tile.
        j: Row of the pixel in the tile.

    Returns:
        What is under the pixel.

    Raises:
        BusyError: The queue is full.
        OverdueError: The value was not read within the time limit.
        GenerationChangedError: The dataset was replaced; resolve the tile again.
    """

    def read(stop: StopFlag) -> FeatureInfo:
        task = tile.request.task(context.settings.store.resolve())
        value = float(render_values(task, stop)[j, i])
        return describe(tile, i, j, value if math.isfinite(value) else None)

    info = await context.admission.in_thread(context.admission.class_of(tile_cost(tile.request).ms), read)
    context.metrics.counts.renders += 1
    return info
