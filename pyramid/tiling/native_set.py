"""The tile matrix set of a dataset's own grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.grid import FULL_CIRCLE, GEOGRAPHIC_CODES, Bounds
from lazytile.pyramid.tiling.tms import CRS84_URN, GLOBE, PIXEL_SIZE_M, TileMatrix, TileMatrixSet, metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.core.grid import Grid, Shape


@process.slow_memo
def crs_urn(crs: str) -> str:
    """Return the URN of a CRS (OGC 07-092r3), x first for longitude and latitude.

    Args:
        crs: The CRS.

    Returns:
        The URN, empty where the CRS has no code.
    """
    if crs in GEOGRAPHIC_CODES:
        return CRS84_URN
    name = pyproj.CRS.from_user_input(crs).to_authority()
    return "" if name is None else f"urn:ogc:def:crs:{name[0]}::{name[1]}"


def native_set(dataset: str, grid: Grid, levels: int, tile: Shape, *, is_rolled: bool = True) -> TileMatrixSet:
    """Return the set of a dataset's own grid: a pixel is a cell, a tile a chunk, matrix 0 the coarsest level.

    The set of data around the globe begins at -180, where map clients have its edge, also where the first column of
    the data lies elsewhere: its columns are rolled, by whole cells of level 0. A pixel of a coarser level is the cell
    that holds its centre, and a tile is a chunk where the roll is a whole number of chunks.

    Its identifier is ``native_`` and the dataset's name, since identifiers are unique in a capabilities document. Where
    the cells are not square or the CRS has no code, it can be served but not described (``fits_wmts``).

    Args:
        dataset: Name of the dataset.
        grid: Its grid.
        levels: Number of levels.
        tile: Size of a chunk in cells.
        is_rolled: Whether the set of data around the globe begins at -180; else at the first column of the data.

    Returns:
        The set.
    """
    bounds = grid.bounds
    west = _rolled_west(grid, levels) if is_rolled else bounds.west
    if west != bounds.west:
        bounds = Bounds(west, bounds.south, west + grid.x.length * grid.x.cell_size, bounds.north)
    matrices = []
    for zoom in range(levels):
        level = grid.coarsen(levels - 1 - zoom)
        matrices.append(
            TileMatrix(
                str(zoom),
                level.x.cell_size,
                -level.y.cell_size,
                west,
                level.y.first_edge,
                tile.cols,
                tile.rows,
                math.ceil(level.shape.cols / tile.cols),
                math.ceil(level.shape.rows / tile.rows),
                level.x.cell_size * metres_per_unit(grid.crs) / PIXEL_SIZE_M,
            )
        )
    title = f"The grid of {dataset}"
    return TileMatrixSet(
        f"native_{dataset}", title, grid.crs, crs_urn(grid.crs), None, tuple(matrices), bounds, is_native=True
    )


def _rolled_west(grid: Grid, levels: int) -> float:
    """Return the west edge of the set of a grid: its own, or the edge of a column that is nearest to -180."""
    axis = grid.x
    distance = (axis.first_edge - GLOBE.west) / axis.cell_size
    is_circle = grid.is_full_circle and math.isclose(axis.length * axis.cell_size, FULL_CIRCLE, rel_tol=1e-6)
    if not (grid.is_geographic and is_circle) or abs(distance) < 1.0:
        return axis.first_edge
    # Of two edges as near, as with a column centred on -180, the one that whole cells of more levels reach.
    near = (math.floor(distance), math.ceil(distance))
    columns = min(near, key=lambda each: (round(abs(each - distance), 6), -math.gcd(each, 1 << levels)))
    return axis.first_edge - columns * axis.cell_size


def rolled_columns(grid: Grid, tms: TileMatrixSet) -> int:
    """Return by how many columns a native set is rolled.

    Args:
        grid: The grid of level 0.
        tms: The native set of its dataset.

    Returns:
        The column of level 0 that is the set's first.
    """
    shift = round((tms.bounds.west - grid.x.first_edge) / grid.x.cell_size)
    return shift % grid.x.length if shift else 0
