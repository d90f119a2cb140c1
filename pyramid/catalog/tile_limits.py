"""Which sets a layer is linked to in the capabilities, its bounds in their CRSs, and the tiles that hold its data."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import TileOutOfRangeError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.tiling.registry import custom_sets
from lazytile.pyramid.tiling.reprojection import northing_of
from lazytile.pyramid.tiling.tms import GLOBE, MERCATOR_HALF_WIDTH_M, METRES_PER_DEGREE, metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

MERCATOR_LATITUDE = 85.0511287798066
"""Where Web Mercator's square ends: degrees(atan(sinh(pi)))."""
WORLD_CRSS = frozenset({"EPSG:4326", "EPSG:3857"})
"""CRSs whose sets a global layer fills."""
ALWAYS_LINKED = frozenset({"WebMercatorQuad", "WorldCRS84Quad"})
EVERYDAY_CELL_M = 1300.0
"""Sets up to about this pixel size (GIBS 1km, GoogleMapsCompatible_Level7) are linked however coarse the data is."""
MESH_POINTS = 129
"""Along each side of the mesh that stands for an area in another projection."""
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

    def holds_all(self, matrix: TileMatrix) -> bool:
        """Whether these are all tiles of the matrix."""
        ends = (self.min_row, self.max_row, self.min_col, self.max_col)
        return ends == (0, matrix.matrix_height - 1, 0, matrix.matrix_width - 1)


def linked_sets(layer: Layer) -> list[TileMatrixSet]:
    """Return the sets that a layer's capabilities link to, those that suit its resolution.

    Of each family of ever deeper sets (GIBS geographic, GoogleMapsCompatible_Level*): up to the first that shows the
    data in full, and the everyday ones; and whatever the operator added. Tiles of deeper sets are served all the
    same; there is nothing more to see in them.
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


def bounds_in(layer: Layer, tms: TileMatrixSet) -> Bounds:
    """Bounds in the CRS of a set, x first, within the set."""
    grid = layer.dataset.grid
    if tms.is_native or (grid.crs == tms.crs and not grid.is_geographic):
        return grid.bounds
    bounds = clipped_bounds(layer)
    if tms.crs == "EPSG:4326":
        return bounds
    if tms.crs == "EPSG:3857":
        latitudes = np.clip([bounds.south, bounds.north], -MERCATOR_LATITUDE, MERCATOR_LATITUDE)
        south, north = np.clip(northing_of(latitudes), -MERCATOR_HALF_WIDTH_M, MERCATOR_HALF_WIDTH_M).tolist()
        return Bounds(bounds.west * METRES_PER_DEGREE, south, bounds.east * METRES_PER_DEGREE, north)
    key = ("bounds in a CRS", bounds, tms.crs, tms.bounds)
    projected: Bounds = process.cache("layers").get(key, lambda: _projected(bounds, tms.crs, tms.bounds))
    return projected


def _projected(bounds: Bounds, crs: str, limit: Bounds) -> Bounds:
    """Bounds of an area of longitudes and latitudes in any CRS: those of a mesh of points in it, a mesh wider."""
    longitudes, latitudes = np.meshgrid(
        np.linspace(bounds.west, bounds.east, MESH_POINTS), np.linspace(bounds.south, bounds.north, MESH_POINTS)
    )
    x, y = _transformer(crs).transform(longitudes, latitudes, errcheck=False)
    inside = (x >= limit.west) & (x <= limit.east) & (y >= limit.south) & (y <= limit.north)
    if not inside.any():
        return limit
    x, y = x[inside], y[inside]
    wide, high = np.ptp(x) / MESH_POINTS, np.ptp(y) / MESH_POINTS
    return Bounds(
        max(float(x.min() - wide), limit.west),
        max(float(y.min() - high), limit.south),
        min(float(x.max() + wide), limit.east),
        min(float(y.max() + high), limit.north),
    )


@functools.lru_cache(maxsize=64)
def _transformer(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)


@functools.lru_cache(maxsize=64)
def has_y_first(supported_crs: str) -> bool:
    """Tell whether positions in a CRS, by its URN, are written y first (OGC 07-057r7, 6.1; EPSG's axis order)."""
    _, _, _, kind, authority, *_, code = supported_crs.split(":")
    if kind != "crs" or authority != "EPSG":
        return False  # CRS84 and its like put x first, which is what they are for
    axes = pyproj.CRS.from_authority(authority, code).axis_info
    return [axis.direction for axis in axes[:2]] == ["north", "east"]


def position(supported_crs: str, x: float, y: float) -> tuple[float, float]:
    """Return a position in the order in which its CRS writes it."""
    return (y, x) if has_y_first(supported_crs) else (x, y)


def limits_of(layer: Layer, tms: TileMatrixSet) -> list[MatrixLimits]:
    """Return the tiles that hold data, for a capabilities document; empty for a layer that fills the set.

    The published schema wants MaxTileRow and MaxTileCol to be 1 at least, though row 0 may be all there is
    (OGC 07-057r7, Table 12, says non-negative). So a maximum of 0 is given as 1, one empty tile too many, and a
    matrix of one row or column, where that would be no tile, has no limits.
    """
    if tms.is_native or (is_global(layer) and tms.crs in WORLD_CRSS):
        return []
    described = [matrix for matrix in tms.matrices if min(matrix.matrix_width, matrix.matrix_height) > 1]
    found = [tiles_with_data(layer, tms, matrix) for matrix in described]
    if all(limits.holds_all(matrix) for limits, matrix in zip(found, described, strict=True)):
        return []
    return [replace(limits, max_row=max(limits.max_row, 1), max_col=max(limits.max_col, 1)) for limits in found]


@dataclass(frozen=True, slots=True)
class _SetLimits:
    """The limits of a layer in a set, by matrix."""

    by_matrix: dict[str, MatrixLimits]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return 300 * len(self.by_matrix)


def check_limits(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix, row: int, col: int) -> None:
    """Raise ``TileOutOfRangeError`` for a tile outside the limits that the capabilities give (07-057r7, Table 24)."""
    key = (layer.dataset.grid, tms.identifier, tms.bounds)

    def make() -> _SetLimits:
        return _SetLimits({limits.matrix: limits for limits in limits_of(layer, tms)})

    known: _SetLimits = process.cache("layers").get(("tile limits", *key), make)
    limits = known.by_matrix.get(matrix.identifier)
    if limits is None:
        return
    for field, value, low, high in (
        (RequestField.ROW, row, limits.min_row, limits.max_row),
        (RequestField.COLUMN, col, limits.min_col, limits.max_col),
    ):
        if not low <= value <= high:
            where = f"in tile matrix {matrix.identifier} of {tms.identifier}"
            raise TileOutOfRangeError(
                field, f"{field} {value} is outside the limits of {layer.name}, it may be {low} to {high} {where}"
            )


def tiles_with_data(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> MatrixLimits:
    """Return the tiles of a matrix that the layer's bounds reach."""
    if tms.is_native:
        return MatrixLimits(matrix.identifier, 0, matrix.matrix_height - 1, 0, matrix.matrix_width - 1)
    bounds = bounds_in(layer, tms)
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
