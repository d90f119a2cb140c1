"""Tiles by which the engine ``auto`` measures a GPU: default tiles of the store's layers."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_limits import tiles_with_data
from lazytile.pyramid.render.image import ImageFormat

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.render.render_task import RenderTask

TMS = "WebMercatorQuad"
ZOOMS = ("2", "3", "4")
LAYERS = 4
TILES = 32
"""Of each layer, at most."""


def sample_tasks(snapshot: Snapshot, background: tuple[int, int, int]) -> tuple[RenderTask, ...]:
    """Return tasks of default tiles of some layers.

    Args:
        snapshot: The datasets and styles.
        background: Colour of formats without transparency.

    Returns:
        The tasks; none where the store is empty.
    """
    resolver = Resolver(snapshot, snapshot.styles, snapshot.name_of)
    tasks: list[RenderTask] = []
    for layer in itertools.islice(snapshot.layers(), LAYERS):
        addresses = []
        with suppress(LazytileError):  # a layer of which no default tile can be made is no sample
            tms = layer.tile_matrix_set(TMS)
            for zoom in ZOOMS:
                tiles = tiles_with_data(layer, tms, tms.matrix(zoom))
                addresses += [
                    RawTileAddress(layer.name, "default", TMS, zoom, str(row), str(col), ImageFormat.PNG)
                    for row in range(tiles.min_row, tiles.max_row + 1)
                    for col in range(tiles.min_col, tiles.max_col + 1)
                ]
            step = -(-len(addresses) // TILES) or 1
            tasks += [
                resolver.resolve(address).request.task(snapshot.folder, metatile=1, background=background)
                for address in addresses[::step]
            ]
    return tuple(tasks)
