"""The tile matrix sets that the capabilities of a layer link to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.tiling.registry import custom_sets
from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet

ALWAYS_LINKED = frozenset({"WebMercatorQuad", "WorldCRS84Quad"})
EVERYDAY_CELL_M = 1300.0
"""Sets up to about this pixel size (GIBS 1km, GoogleMapsCompatible_Level7) are linked however coarse the data is."""


def linked_sets(layer: Layer) -> list[TileMatrixSet]:
    """Return the sets that suit a layer's resolution.

    Args:
        layer: The layer.

    Returns:
        Of each family of ever finer sets (GIBS geographic, GoogleMapsCompatible_Level*) those up to the first at full
        resolution, and those in everyday use; and all that the operator added. Finer sets are served but not linked,
        since they show no more.
    """
    grid = layer.dataset.grid
    cell_m = min(grid.x.cell_size, -grid.y.cell_size) * metres_per_unit(grid.crs)
    linked, shown_in_full = [], set()
    for tms in layer.tile_matrix_sets():
        if not tms.fits_wmts:
            continue
        if tms.identifier in ALWAYS_LINKED or tms.is_native or tms in custom_sets():
            linked.append(tms)
            continue
        finest_m = tms.matrices[-1].cell_width * metres_per_unit(tms.crs)
        if tms.crs not in shown_in_full or finest_m >= EVERYDAY_CELL_M:
            linked.append(tms)
        if finest_m <= cell_m and finest_m <= EVERYDAY_CELL_M:
            shown_in_full.add(tms.crs)
    return linked
