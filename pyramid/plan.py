"""What to read for a block of tiles, and which cell each pixel shows. Made without touching data.

Inverse mapping: for each output pixel the source cell that holds its centre, at the coarsest level that is still as
fine as the tile. Between longitude/latitude and Web Mercator both axes are independent, so a map is two index
vectors and a tile costs as much whatever the dataset's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.tms import METRES_PER_DEGREE, metres_per_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.grid import Grid, Shape
    from lazytile.pyramid.tms import TileMatrix, TileMatrixSet

EARTH_RADIUS_M = 6378137.0
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
class ChunkPart:
    """The pixels that one chunk fills: ``out[out_rows, out_cols] = chunk[in_rows][:, in_cols]``."""

    chunk_row: int
    chunk_col: int
    out_rows: slice
    out_cols: slice
    in_rows: NDArray[np.intp]
    in_cols: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class TilePlan:
    """The cells that a block of tiles shows."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height,): row of the level's grid for each pixel row, -1 where there is none."""
    cols: NDArray[np.int64]
    """Shape (width,): column for each pixel column, -1 where there is none."""

    def parts(self, chunk: Shape) -> Iterator[ChunkPart]:
        """Cut the map at chunk borders. Each chunk comes up once for each run of pixels that it fills."""
        col_runs = list(_runs(self.cols, chunk.cols))
        for chunk_row, out_rows, in_rows in _runs(self.rows, chunk.rows):
            for chunk_col, out_cols, in_cols in col_runs:
                yield ChunkPart(chunk_row, chunk_col, out_rows, out_cols, in_rows, in_cols)


def _runs(cells: NDArray[np.int64], chunk_length: int) -> Iterator[tuple[int, slice, NDArray[np.intp]]]:
    """Yield (chunk, pixels, cells in the chunk) for each run of neighbouring pixels in one chunk; -1 is skipped."""
    chunks = np.where(cells >= 0, cells // chunk_length, -1)
    starts = np.flatnonzero(np.diff(chunks, prepend=-2))
    stops = np.append(starts[1:], cells.size)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        chunk = int(chunks[start])
        if chunk >= 0:
            yield chunk, slice(start, stop), (cells[start:stop] - chunk * chunk_length).astype(np.intp)


def can_map(data_crs: str, tms: TileMatrixSet) -> bool:
    """Tell whether tiles of the set can be made of a grid in this CRS."""
    return data_crs == tms.crs or {data_crs, tms.crs} == {"EPSG:4326", "EPSG:3857"}


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


def plan_tiles(grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix, block: TileBlock) -> TilePlan:
    """Plan a block of tiles of a dataset's grid. Raises ``RequestError`` where that cannot be."""
    if not can_map(grid.crs, tms):
        raise InvalidParameterError(
            "TileMatrixSet", f"TileMatrixSet {tms.identifier} cannot be made of a grid in {grid.crs}"
        )
    matrix.check(block.row, block.col)
    matrix.check(block.row + block.rows - 1, block.col + block.cols - 1)
    xs, ys = matrix.pixel_xs(block.col, block.cols), matrix.pixel_ys(block.row, block.rows)
    outside_x = outside_y = None
    if tms.bounds is not None:
        outside_x = (xs < tms.bounds.west) | (xs > tms.bounds.east)
        outside_y = (ys < tms.bounds.south) | (ys > tms.bounds.north)
    if tms.crs == "EPSG:3857" != grid.crs:
        xs, ys = xs / METRES_PER_DEGREE, latitude_of(ys)
    elif grid.crs == "EPSG:3857" != tms.crs:
        xs, ys = xs * METRES_PER_DEGREE, northing_of(ys)
    level = choose_level(grid, levels, tms, matrix)
    if outside_x is None or outside_y is None:
        # A native set: pixel = cell, also in a ragged last cell whose centre is past the data's edge.
        level_grid = grid.coarsen(level)
        return TilePlan(level, level_grid.rows_of(ys), level_grid.cols_of(xs))
    # The cell of level 0 decides, so that nothing is drawn past the data's true edge; -1 stays -1.
    rows, cols = grid.rows_of(ys) >> level, grid.cols_of(xs) >> level
    cols[outside_x] = -1
    rows[outside_y] = -1
    return TilePlan(level, rows, cols)


def latitude_of(northing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Latitude in degrees of a Web Mercator northing in metres (EPSG method 1024)."""
    return np.degrees(2 * np.arctan(np.exp(northing / EARTH_RADIUS_M)) - np.pi / 2)


def northing_of(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Web Mercator northing in metres of a latitude in degrees; the poles lie outside every grid."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return EARTH_RADIUS_M * np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2))
