"""Where the pixels of a block of tiles lie in the cells of a level. Made without touching data.

Inverse mapping: for each output pixel the source cell that holds its centre, at the coarsest level that is still as
fine as the tile. Between longitude/latitude and Web Mercator both axes are independent, so a map is two vectors;
elsewhere every pixel has a position of its own. A tile costs as much whatever the dataset's size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.cells import AxisPlan, MeshPlan, Plan
from lazytile.pyramid.grid import FULL_CIRCLE, cells_of
from lazytile.pyramid.mapping import PixelAxis, keeps_axes_apart, map_axes, map_mesh
from lazytile.pyramid.tms import METRES_PER_DEGREE, metres_per_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.grid import Grid
    from lazytile.pyramid.tms import TileMatrix, TileMatrixSet

_LEVEL_TOLERANCE = 1e-9
"""A cell this much (relative) larger than a pixel still counts as being as fine: 1/3 degree is no exact number."""


@dataclass(frozen=True, slots=True)
class TileBlock:
    """A rectangle of neighbouring tiles of one matrix; one tile is the smallest."""

    row: int
    col: int
    rows: int = 1
    cols: int = 1

    def addresses(self) -> Iterator[tuple[int, int]]:
        """Row and column of each tile, row by row."""
        for row in range(self.row, self.row + self.rows):
            for col in range(self.col, self.col + self.cols):
                yield row, col


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """Positions of pixel centres in cells of a level: the centre of cell i is i + 0.5. NaN where there is no data."""

    level: int
    x: NDArray[np.float64]
    """Shape (width,), or (height, width) where ``is_mesh``."""
    y: NDArray[np.float64]
    """Shape (height,), or (height, width) where ``is_mesh``."""
    width_cells: NDArray[np.float64] | None = None
    """Cells that each pixel covers along x, shaped like ``x``; None where nobody asked."""
    height_cells: NDArray[np.float64] | None = None
    """The same along y, shaped like ``y``."""

    @property
    def is_mesh(self) -> bool:
        """Whether every pixel has a position of its own."""
        return self.x.ndim == 2

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        arrays = (self.x, self.y, self.width_cells, self.height_cells)
        return sum(array.nbytes for array in arrays if array is not None)

    def rows(self, part: slice) -> Location:
        """Return some rows of a mesh."""
        wide, high = self.width_cells, self.height_cells
        return Location(
            self.level,
            self.x[part],
            self.y[part],
            None if wide is None else wide[part],
            None if high is None else high[part],
        )

    def nearest(self) -> Plan:
        """Return the plan that shows the cell under each pixel's centre."""
        rows, cols = cells_of(self.y), cells_of(self.x)
        return MeshPlan(self.level, rows, cols) if self.is_mesh else AxisPlan(self.level, rows, cols)


def choose_level(grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix) -> int:
    """Return the coarsest level whose cells are no larger than the matrix's pixels on either axis; 0 at least.

    Sizes are compared at the equator, so that all tiles of a matrix show the same level and have no seams.
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


def locate(
    grid: Grid,
    levels: int,
    tms: TileMatrixSet,
    matrix: TileMatrix,
    block: TileBlock,
    *,
    margin_px: int = 0,
    footprints: bool = False,
) -> Location:
    """Locate a block of tiles on a dataset's grid, with a margin of pixels round it for filters.

    What is said of a pixel depends on its place in the matrix alone, not on the block. ``footprints``: say also how
    many cells each pixel covers. Raises ``RequestError`` where that cannot be.
    """
    matrix.check(block.row, block.col)
    matrix.check(block.row + block.rows - 1, block.col + block.cols - 1)
    cols, rows = _pixels(matrix, block, margin_px)
    xs, ys = cols.centres(), rows.centres()
    level = choose_level(grid, levels, tms, matrix)
    if tms.is_native:
        # Pixel = cell, also in a ragged last cell whose centre is past the data's edge.
        level_grid = grid.coarsen(level)
        x, y = level_grid.x.position_of(xs), level_grid.row_positions(ys)
        if margin_px:
            # Only a filter looks round the circle: what lies past the last column of a tile is padding.
            x[:margin_px] = level_grid.col_positions(xs[:margin_px])
            x[-margin_px:] = level_grid.col_positions(xs[-margin_px:])
        return Location(level, x, y, np.ones(cols.count), np.ones(rows.count))
    outside_x = _is_outside(xs, tms.bounds.west, tms.bounds.east)
    outside_y = _is_outside(ys, tms.bounds.south, tms.bounds.north)
    if margin_px:
        # A filter at 180 degrees looks across: only pixels of the tile itself end at the edge of the set.
        outside_x[:margin_px] = outside_x[-margin_px:] = False
    # Positions on level 0 decide, so that nothing is drawn past the data's true edge; the division is exact.
    scale = float(1 << level)
    if keeps_axes_apart(tms.crs, grid.crs):
        axes = map_axes(tms.crs, grid.crs, xs, ys)
        if tms.crs == "EPSG:3857" != grid.crs:
            # Counted in degrees from the start these are exact, and a centre on the edge of a cell stays there.
            axes = replace(axes, x=matrix.pixel_xs(block.col, block.cols, margin_px, METRES_PER_DEGREE))
        x, y = grid.col_positions(axes.x) / scale, grid.row_positions(axes.y) / scale
        x[outside_x] = np.nan
        y[outside_y] = np.nan
        if not footprints:
            return Location(level, x, y)
        edges = map_axes(tms.crs, grid.crs, cols.edges(), rows.edges())
        width, height = grid.x.cell_size * scale, -grid.y.cell_size * scale
        return Location(level, x, y, _covered(np.diff(edges.x), width), _covered(np.diff(edges.y), height))
    extra = 1 if footprints else 0  # a pixel's size is the way to its neighbours on the right and below
    wide, high = replace(cols, count=cols.count + extra), replace(rows, count=rows.count + extra)
    mesh = map_mesh(tms.crs, grid.crs, wide, high, wraps=grid.is_angular)
    at = np.s_[: rows.count, : cols.count]
    x, y = grid.col_positions(mesh.x[at]) / scale, grid.row_positions(mesh.y[at]) / scale
    x[:, outside_x] = np.nan
    x[outside_y] = np.nan
    if not footprints:
        return Location(level, x, y)
    width, height = grid.x.cell_size * scale, -grid.y.cell_size * scale
    circle = FULL_CIRCLE if grid.is_angular else None
    return Location(level, x, y, _reached(mesh.x, width, circle), _reached(mesh.y, height, None))


def _pixels(matrix: TileMatrix, block: TileBlock, margin_px: int) -> tuple[PixelAxis, PixelAxis]:
    """Pixel columns and rows of a block with its margin."""
    wide, high = matrix.tile_width, matrix.tile_height
    margins = 2 * margin_px
    return (
        PixelAxis(matrix.origin_x, matrix.cell_width, block.col * wide - margin_px, block.cols * wide + margins),
        PixelAxis(matrix.origin_y, -matrix.cell_height, block.row * high - margin_px, block.rows * high + margins),
    )


def _covered(lengths: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    """Cells in each length of an axis, 1 where that is not known."""
    covered = np.abs(lengths) / cell
    return np.where(np.isfinite(covered), covered, 1.0)


def _reached(image: NDArray[np.float64], cell: float, circle: float | None) -> NDArray[np.float64]:
    """Cells along one axis of the grid from each pixel to its neighbours on the right and below, both ways added.

    ``image``: coordinates of the pixels in the CRS of the data, one row and column more than the result has.
    """
    total = np.zeros((image.shape[0] - 1, image.shape[1] - 1))
    with np.errstate(invalid="ignore"):
        for step in (image[:-1, 1:] - image[:-1, :-1], image[1:, :-1] - image[:-1, :-1]):
            way = step if circle is None else step - circle * np.round(step / circle)
            total += np.where(np.isfinite(way), np.abs(way), 0.0) / cell
    return np.where(total > 0, total, 1.0)


def _is_outside(centres: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (centres < low) | (centres > high)
