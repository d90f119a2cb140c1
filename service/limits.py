"""Which sets a layer is linked to in the capabilities, its bounds in their CRSs, and the tiles that hold its data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.grid import Bounds
from lazytile.pyramid.mapping import northing_of
from lazytile.pyramid.tms import GLOBE, MERCATOR_HALF_WIDTH_M, METRES_PER_DEGREE, metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.tms import TileMatrix, TileMatrixSet

MERCATOR_LATITUDE = 85.0511287798066
"""Where Web Mercator's square ends: degrees(atan(sinh(pi)))."""
ALWAYS_LINKED = frozenset({"WebMercatorQuad", "WorldCRS84Quad"})
EVERYDAY_CELL_M = 1300.0
"""Sets up to about this pixel size (GIBS 1km, GoogleMapsCompatible_Level7) are linked however coarse the data is."""
_TILE_TOLERANCE = 1e-6
"""Share of a tile by which an edge on a tile border may miss it: such an edge must not add an empty row."""


@dataclass(frozen=True, slots=True)
class MatrixLimits:
    """The tiles of one matrix that hold a layer's data; both ends are included."""

    matrix: str
    min_row: int
    max_row: int
    min_col: int
    max_col: int


def linked_sets(layer: Layer) -> list[TileMatrixSet]:
    """Return the sets that a layer's capabilities link to, those that suit its resolution.

    Of each family of ever deeper sets (GIBS geographic, GoogleMapsCompatible_Level*): up to the first that shows the
    data in full, and the everyday ones. Tiles of deeper sets are served all the same; there is nothing more to see in
    them.
    """
    grid = layer.dataset.grid
    cell_m = min(grid.x.cell_size, -grid.y.cell_size) * metres_per_unit(grid.crs)
    linked, shown_in_full = [], set()
    for tms in layer.tile_matrix_sets():
        if not tms.has_square_pixels:
            continue
        if tms.identifier in ALWAYS_LINKED or tms.identifier == layer.native_set.identifier:
            linked.append(tms)
            continue
        finest_m = tms.matrices[-1].cell_width * metres_per_unit(tms.crs)
        if tms.crs not in shown_in_full or finest_m >= EVERYDAY_CELL_M:
            linked.append(tms)
        if finest_m <= cell_m and finest_m <= EVERYDAY_CELL_M:
            shown_in_full.add(tms.crs)
    return linked


def is_global(layer: Layer) -> bool:
    """Whether a layer covers the globe, so that limits would say nothing."""
    bounds = layer.geographic_bounds()
    return bounds.east - bounds.west >= 359.0 and bounds.south <= -80.0 and bounds.north >= 80.0


def clipped_bounds(layer: Layer) -> Bounds:
    """Bounds in longitude and latitude within the globe. Data across 180 degrees has the whole width.

    A box with west above east is allowed (OGC 06-121r3, 10.2.2) but few clients understand one.
    """
    bounds = layer.geographic_bounds()
    if bounds.east > GLOBE.east or bounds.west < GLOBE.west:
        return Bounds(GLOBE.west, bounds.south, GLOBE.east, bounds.north)
    return bounds


def bounds_in(layer: Layer, crs: str) -> Bounds:
    """Bounds in the CRS of a set, x first."""
    bounds = clipped_bounds(layer)
    if crs == layer.dataset.grid.crs and crs not in ("EPSG:4326", "EPSG:3857"):
        return layer.dataset.grid.bounds
    if crs != "EPSG:3857":
        return bounds
    latitudes = np.clip([bounds.south, bounds.north], -MERCATOR_LATITUDE, MERCATOR_LATITUDE)
    south, north = np.clip(northing_of(latitudes), -MERCATOR_HALF_WIDTH_M, MERCATOR_HALF_WIDTH_M).tolist()
    return Bounds(bounds.west * METRES_PER_DEGREE, south, bounds.east * METRES_PER_DEGREE, north)


def limits_of(layer: Layer, tms: TileMatrixSet) -> list[MatrixLimits]:
    """Return the tiles that hold data, for a capabilities document; empty for a layer that fills the set.

    The published schema wants MaxTileRow and MaxTileCol to be 1 at least, though row 0 may be all there is
    (OGC 07-057r7, Table 12, says non-negative). So a maximum of 0 is given as 1, one empty tile too many, and a
    matrix of one row or column, where that would be no tile, has no limits.
    """
    if is_global(layer) or tms.identifier == layer.native_set.identifier:
        return []
    described = (matrix for matrix in tms.matrices if min(matrix.matrix_width, matrix.matrix_height) > 1)
    found = (tiles_with_data(layer, tms, matrix) for matrix in described)
    return [replace(limits, max_row=max(limits.max_row, 1), max_col=max(limits.max_col, 1)) for limits in found]


def tiles_with_data(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> MatrixLimits:
    """Return the tiles of a matrix that the layer's bounds reach."""
    if tms.identifier == layer.native_set.identifier:
        return MatrixLimits(matrix.identifier, 0, matrix.matrix_height - 1, 0, matrix.matrix_width - 1)
    bounds = bounds_in(layer, tms.crs)
    width, height = matrix.tile_width * matrix.cell_width, matrix.tile_height * matrix.cell_height
    first_col, last_col = _range(
        (bounds.west - matrix.origin_x) / width, (bounds.east - matrix.origin_x) / width, matrix.matrix_width
    )
    first_row, last_row = _range(
        (matrix.origin_y - bounds.north) / height, (matrix.origin_y - bounds.south) / height, matrix.matrix_height
    )
    return MatrixLimits(matrix.identifier, first_row, last_row, first_col, last_col)


def _range(start: float, end: float, count: int) -> tuple[int, int]:
    """First and last tile of an extent given in tiles from the origin."""
    first = min(max(math.floor(start + _TILE_TOLERANCE), 0), count - 1)
    last = min(max(math.ceil(end - _TILE_TOLERANCE) - 1, first), count - 1)
    return first, last
