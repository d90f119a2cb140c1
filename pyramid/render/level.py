"""Which level of the pyramid a tile matrix shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

_LEVEL_TOLERANCE = 1e-9
"""A cell larger than a pixel by this share still counts as equally fine: 1/3 degree is no exact number."""


def choose_level(grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix) -> int:
    """Return the coarsest level whose cells are no larger than the matrix's pixels on either axis; 0 at least.

    Sizes are compared at the equator, so that all tiles of a matrix show one level and have no seams.

    Args:
        grid: The grid of level 0.
        levels: Number of levels.
        tms: Tile matrix set.
        matrix: One of its matrices.

    Returns:
        The level.
    """
    pixel_metres = metres_per_unit(tms.crs)
    cell_metres = metres_per_unit(grid.crs)
    ratio = min(
        matrix.cell_width * pixel_metres / (grid.x.cell_size * cell_metres),
        matrix.cell_height * pixel_metres / (-grid.y.cell_size * cell_metres),
    )
    level = 0
    while level < levels - 1 and (2 << level) <= ratio * (1 + _LEVEL_TOLERANCE):
        level += 1
    return level


def is_finer(grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix) -> bool:
    """Return whether a matrix shows a level with more than one cell per pixel, so that single cells would drop others.

    Like ``choose_level``, one answer for a whole matrix. In a native set a pixel is a cell.

    Args:
        grid: The grid of level 0.
        levels: Number of levels.
        tms: Tile matrix set.
        matrix: One of its matrices.

    Returns:
        True where pixels are larger than cells.
    """
    if tms.is_native:
        return False
    cell_metres = metres_per_unit(grid.crs) * (1 << choose_level(grid, levels, tms, matrix))
    pixel_metres = metres_per_unit(tms.crs)
    cells = max(
        matrix.cell_width * pixel_metres / (grid.x.cell_size * cell_metres),
        matrix.cell_height * pixel_metres / (-grid.y.cell_size * cell_metres),
    )
    return cells > 1 + _LEVEL_TOLERANCE
