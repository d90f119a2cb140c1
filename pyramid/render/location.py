"""Where the pixels of a block of tiles lie in the cells of a level. No data is read.

Inverse mapping: each output pixel shows the source cell that holds its centre, at the coarsest level that is still as
fine as the tile. Between longitude/latitude and Web Mercator both axes are independent, and a map is two vectors;
elsewhere every pixel has a position of its own. The cost of a tile does not depend on the size of the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.render.level import choose_level
from lazytile.pyramid.resampling.axis_location import AxisLocation
from lazytile.pyramid.resampling.location import Location
from lazytile.pyramid.tiling.mesh import map_mesh
from lazytile.pyramid.tiling.native_set import rolled_columns
from lazytile.pyramid.tiling.reprojection import PixelAxis, keeps_axes_apart, map_x, map_y
from lazytile.pyramid.tiling.tms import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet


@dataclass(frozen=True, slots=True)
class TileBlock:
    """A rectangle of neighbouring tiles of one matrix; one tile is the smallest."""

    row: int
    col: int
    rows: int = 1
    cols: int = 1

    def addresses(self) -> Iterator[tuple[int, int]]:
        """Yield the row and column of each tile, row by row."""
        for row in range(self.row, self.row + self.rows):
            for col in range(self.col, self.col + self.cols):
                yield row, col


def locate(
    grid: Grid,
    levels: int,
    tms: TileMatrixSet,
    matrix: TileMatrix,
    block: TileBlock,
    *,
    margin_px: int = 0,
    footprints: bool = False,
    stop: StopFlag | None = None,
) -> Location:
    """Locate a block of tiles on a dataset's grid, with a margin of pixels around it for filters.

    The position of a pixel depends on its position in the matrix, not on the block. Axes and meshes are cached: a mesh
    costs tens of milliseconds and serves every time step and variable of the dataset.

    Args:
        grid: The grid of level 0.
        levels: Number of levels.
        tms: Tile matrix set.
        matrix: One of its matrices.
        block: The tiles.
        margin_px: Width of the margin.
        footprints: Whether to find also how many cells each pixel covers.
        stop: Looked at between strips of a mesh, or None.

    Returns:
        The location.

    Raises:
        StoppedError: ``stop`` was set.
        TileOutOfRangeError: The matrix has no such tiles.
        InvalidParameterError: There is no map between the CRSs.
    """
    matrix.check(block.row, block.col)
    matrix.check(block.row + block.rows - 1, block.col + block.cols - 1)
    maps = process.cache("maps")
    locator: _Locator = maps.get(
        (grid, levels, tms.identifier, tms.bounds, matrix, margin_px, footprints),
        lambda: _Locator.of(grid, levels, tms, matrix, margin_px, footprints=footprints),
    )
    if locator.is_separable:
        across: AxisLocation = maps.get((locator, "x", block.col, block.cols), lambda: locator.cols(block))
        down: AxisLocation = maps.get((locator, "y", block.row, block.rows), lambda: locator.rows(block))
        return Location(locator.level, across.position, down.position, across.covered, down.covered, down, across)
    mesh: Location = maps.get((locator, "mesh", block), lambda: locator.mesh(block, stop or StopFlag()))
    return mesh


@dataclass(frozen=True, slots=True, eq=False)
class _Locator:
    """What determines the axes or the mesh of a map, besides the block.

    Part of the keys of the maps by its identity: hashing all that it consists of takes longer than finding a map.
    """

    grid: Grid
    level: int
    tms: TileMatrixSet
    matrix: TileMatrix
    margin_px: int
    footprints: bool
    is_separable: bool
    """Whether the axes are independent."""
    nbytes: int = 2000

    @classmethod
    def of(
        cls, grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix, margin_px: int, *, footprints: bool
    ) -> _Locator:
        level = choose_level(grid, levels, tms, matrix)
        is_separable = tms.is_native or keeps_axes_apart(tms.crs, grid.crs)
        return cls(grid, level, tms, matrix, margin_px, footprints, is_separable)

    def cols(self, block: TileBlock) -> AxisLocation:
        """Locate the columns of pixels."""
        cols = _pixel_cols(self.matrix, block, self.margin_px)
        xs, margin = cols.centres(), self.margin_px
        if self.tms.is_native:
            # A pixel is a cell, even a ragged last one whose centre is past the data's edge.
            level_grid = self.grid.coarsen(self.level)
            is_rolled = self.tms.bounds.west != self.grid.x.first_edge
            x = self._rolled(xs) if is_rolled else level_grid.x.position_of(xs)
            if margin:
                # Only a filter reads across the seam: what lies past the last column of a tile is padding.
                x[:margin] = level_grid.col_positions(xs[:margin])
                x[-margin:] = level_grid.col_positions(xs[-margin:])
            return AxisLocation.of(x, np.ones(cols.count))
        tile_crs, data_crs = self.tms.crs, self.grid.crs
        if tile_crs == "EPSG:3857" != data_crs:
            # Counted in degrees from the start these are exact: a centre on the edge of a cell stays on it.
            xs = self.matrix.pixel_xs(block.col, block.cols, margin, METRES_PER_DEGREE)
        else:
            xs = map_x(tile_crs, data_crs, xs)
        scale = float(1 << self.level)
        x = self.grid.col_positions(xs) / scale
        x[_outside_cols(self.tms, cols, margin)] = np.nan
        if not self.footprints:
            return AxisLocation.of(x, None)
        lengths = np.diff(map_x(tile_crs, data_crs, cols.edges()))
        return AxisLocation.of(x, _covered(lengths, self.grid.x.cell_size * scale))

    def _rolled(self, xs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns of pixels of a native set that begins at another column than the data.

        Counted in cells, the numbers are exact: a centre on the edge of a cell stays on it.
        """
        scale, length = 1 << self.level, self.grid.x.length
        pixels = np.rint((xs - self.matrix.origin_x) / self.matrix.cell_width - 0.5)
        centres = rolled_columns(self.grid, self.tms) + (pixels + 0.5) * scale
        return np.where((pixels >= 0) & (pixels * scale < length), np.mod(centres, length) / scale, np.nan)

    def rows(self, block: TileBlock) -> AxisLocation:
        """Locate the rows of pixels."""
        rows = _pixel_rows(self.matrix, block, self.margin_px)
        ys = rows.centres()
        if self.tms.is_native:
            return AxisLocation.of(self.grid.coarsen(self.level).row_positions(ys), np.ones(rows.count))
        tile_crs, data_crs = self.tms.crs, self.grid.crs
        scale = float(1 << self.level)
        y = self.grid.row_positions(map_y(tile_crs, data_crs, ys)) / scale
        y[_outside_rows(self.tms, rows)] = np.nan
        if not self.footprints:
            return AxisLocation.of(y, None)
        lengths = np.diff(map_y(tile_crs, data_crs, rows.edges()))
        return AxisLocation.of(y, _covered(lengths, -self.grid.y.cell_size * scale))

    def mesh(self, block: TileBlock, stop: StopFlag) -> Location:
        """Locate every pixel, where the axes depend on each other. Raises ``StoppedError``."""
        grid, tms, level, margin_px = self.grid, self.tms, self.level, self.margin_px
        cols, rows = _pixel_cols(self.matrix, block, margin_px), _pixel_rows(self.matrix, block, margin_px)
        # Positions on level 0 decide, so that no pixel shows data past the true edge; the division is exact.
        scale = float(1 << level)
        extra = 1 if self.footprints else 0  # a pixel's size is the distance to its right and lower neighbours
        wide, high = replace(cols, count=cols.count + extra), replace(rows, count=rows.count + extra)
        mesh = map_mesh(tms.crs, grid.crs, wide, high, stop, wraps=grid.is_angular)
        at = np.s_[: rows.count, : cols.count]
        stop.check()
        x, y = grid.col_positions(mesh.x[at]) / scale, grid.row_positions(mesh.y[at]) / scale
        stop.check()
        x[:, _outside_cols(tms, cols, margin_px)] = np.nan
        x[_outside_rows(tms, rows)] = np.nan
        if not self.footprints:
            return Location(level, x, y)
        width, height = grid.x.cell_size * scale, -grid.y.cell_size * scale
        circle = FULL_CIRCLE if grid.is_angular else None
        across = _reached(mesh.x, width, circle)
        stop.check()
        return Location(level, x, y, across, _reached(mesh.y, height, None))


def _outside_cols(tms: TileMatrixSet, cols: PixelAxis, margin_px: int) -> NDArray[np.bool_]:
    """Return which columns of pixels lie outside a set, shape (width,)."""
    outside = _is_outside(cols.centres(), tms.bounds.west, tms.bounds.east)
    if margin_px:
        # A filter reads across 180 degrees: only pixels of the tile itself end at the edge of the set.
        outside[:margin_px] = outside[-margin_px:] = False
    return outside


def _outside_rows(tms: TileMatrixSet, rows: PixelAxis) -> NDArray[np.bool_]:
    """Return which rows of pixels lie outside a set, shape (height,)."""
    return _is_outside(rows.centres(), tms.bounds.south, tms.bounds.north)


def _pixel_cols(matrix: TileMatrix, block: TileBlock, margin_px: int) -> PixelAxis:
    """Return the columns of pixels of a block with its margin."""
    first, count = block.col * matrix.tile_width - margin_px, block.cols * matrix.tile_width + 2 * margin_px
    return PixelAxis(matrix.origin_x, matrix.cell_width, first, count)


def _pixel_rows(matrix: TileMatrix, block: TileBlock, margin_px: int) -> PixelAxis:
    """Return the rows of pixels of a block with its margin."""
    first, count = block.row * matrix.tile_height - margin_px, block.rows * matrix.tile_height + 2 * margin_px
    return PixelAxis(matrix.origin_y, -matrix.cell_height, first, count)


def _covered(lengths: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    """Return the cells in each length of an axis; 1 where the length is not known."""
    covered = np.abs(lengths) / cell
    return np.where(np.isfinite(covered), covered, 1.0)


def _reached(image: NDArray[np.float64], cell: float, circle: float | None) -> NDArray[np.float64]:
    """Return the cells along one axis of the grid from each pixel to its right and its lower neighbour, added.

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
