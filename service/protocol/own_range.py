"""Tiles and maps whose colours are spread over the range of their own values: ``scale=auto``, as in the prototype."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.round_scale import usable_range
from lazytile.pyramid.catalog.feature_info import value_request
from lazytile.pyramid.render.cost import tile_cost
from lazytile.pyramid.render.renderer import render_values

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.service.protocol.context import AppContext


async def range_of(context: AppContext, tile: ResolvedTile) -> tuple[float, float] | None:
    """Return the range of the values of a tile, read in this process.

    Args:
        context: The running service.
        tile: The tile or map.

    Returns:
        The smallest and the largest value in the layer's units; None without data.

    Raises:
        BusyError: The queue is full.
        OverdueError: The values were not read within the time limit.
        GenerationChangedError: The dataset was replaced; resolve the tile again.
    """
    request = value_request(tile).request

    def read(stop: StopFlag) -> tuple[float, float] | None:
        values = np.asarray(render_values(request.task(context.settings.store.resolve()), stop))
        there = values[np.isfinite(values)]
        return (float(there.min()), float(there.max())) if there.size else None

    return await context.admission.in_thread(context.admission.class_of(tile_cost(request).ms), read)


async def with_own_range(context: AppContext, snapshot: Snapshot, tile: ResolvedTile) -> ResolvedTile:
    """Return a tile with its colours spread over its own values, where its request wants that.

    Args:
        context: The running service.
        snapshot: The catalogue that it was resolved by.
        tile: The tile or map.

    Returns:
        The tile in its own style; unchanged where the request wants no such, or there is no data.

    Raises:
        InvalidParameterError: The layer has classes, which have no range.
        LazytileError: As for ``range_of``.
    """
    if tile.own_range is None:
        return tile
    found = await range_of(context, tile)
    if found is None:
        return tile
    minimum, maximum = usable_range(*found)
    spread = replace(tile.own_range, minimum=minimum, maximum=maximum)
    request = tile.request
    style = await context.styles.resolved(
        snapshot, lambda resolver: resolver.style(request.layer, request.style.name, spread)
    )
    return replace(tile, request=replace(request, style=style))
