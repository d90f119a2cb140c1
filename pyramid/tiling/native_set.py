"""The tile matrix set of a dataset's own grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.grid import GEOGRAPHIC_CODES
from lazytile.pyramid.tiling.tms import CRS84_URN, PIXEL_SIZE_M, TileMatrix, TileMatrixSet, metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.core.grid import Grid, Shape


@process.memo
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


def native_set(dataset: str, grid: Grid, levels: int, tile: Shape) -> TileMatrixSet:
    """Return the set of a dataset's own grid: a pixel is a cell, a tile a chunk, matrix 0 the coarsest level.

    Its identifier is ``native_`` and the dataset's name, since identifiers are unique in a capabilities document. Where
    the cells are not square or the CRS has no code, it can be served but not described (``fits_wmts``).

    Args:
        dataset: Name of the dataset.
        grid: Its grid.
        levels: Number of levels.
        tile: Size of a chunk in cells.

    Returns:
        The set.
    """
    matrices = []
    for zoom in range(levels):
        level = grid.coarsen(levels - 1 - zoom)
        matrices.append(
            TileMatrix(
                str(zoom),
                level.x.cell_size,
                -level.y.cell_size,
                level.x.first_edge,
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
        f"native_{dataset}", title, grid.crs, crs_urn(grid.crs), None, tuple(matrices), grid.bounds, is_native=True
    )
