"""What to read for a block of tiles, and which cell each pixel shows. Made without touching data.

Inverse mapping: for each output pixel the source cell that holds its centre, at the coarsest level that is still as
fine as the tile. Between longitude/latitude and Web Mercator both axes are independent, so a plan is two index
vectors (``AxisPlan``); elsewhere every pixel has a cell of its own (``MeshPlan``). A tile costs as much whatever the
dataset's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.mapping import keeps_axes_apart, map_axes, map_mesh
from lazytile.pyramid.tms import metres_per_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.grid import Grid, Shape
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


class ChunkPart(Protocol):
    """The pixels that one chunk fills."""

    @property
    def chunk_row(self) -> int:
        """Row of the chunk."""
        ...

    @property
    def chunk_col(self) -> int:
        """Column of the chunk."""
        ...

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Take this part's cells out of its chunk, in the shape that ``scatter`` wants."""
        ...

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, as ``gather`` shaped them, at this part's pixels of ``out``, shape (height, width)."""
        ...


class Plan(Protocol):
    """The cells that a block of tiles shows."""

    @property
    def level(self) -> int:
        """Level of the pyramid."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        ...

    def parts(self, chunk: Shape) -> Iterator[ChunkPart]:
        """Cut the map at chunk borders. Each pixel that shows a cell is in one part."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AxisPart:
    """``out[out_rows, out_cols] = chunk[in_rows][:, in_cols]``."""

    chunk_row: int
    chunk_col: int
    out_rows: slice
    out_cols: slice
    in_rows: NDArray[np.intp]
    in_cols: NDArray[np.intp]

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, shape (rows, cols) of the part. Two takes of one axis are 4 times faster than one."""
        return chunk.take(self.in_rows, axis=0).take(self.in_cols, axis=1)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values of the part's shape in their place."""
        out[self.out_rows, self.out_cols] = values


@dataclass(frozen=True, slots=True, eq=False)
class AxisPlan:
    """A plan whose axes are independent."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height,): row of the level's grid for each pixel row, -1 where there is none."""
    cols: NDArray[np.int64]
    """Shape (width,): column for each pixel column, -1 where there is none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.size, self.cols.size

    def parts(self, chunk: Shape) -> Iterator[AxisPart]:
        """Cut the map at chunk borders. Each chunk comes up once for each run of pixels that it fills."""
        col_runs = list(_runs(self.cols, chunk.cols))
        for chunk_row, out_rows, in_rows in _runs(self.rows, chunk.rows):
            for chunk_col, out_cols, in_cols in col_runs:
                yield AxisPart(chunk_row, chunk_col, out_rows, out_cols, in_rows, in_cols)


@dataclass(frozen=True, slots=True, eq=False)
class MeshPart:
    """``out.flat[pixels] = chunk.flat[cells]``."""

    chunk_row: int
    chunk_col: int
    pixels: NDArray[np.intp]
    cells: NDArray[np.intp]

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, one-dimensional."""
        return chunk.reshape(-1).take(self.cells)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, one-dimensional, in their place."""
        out.reshape(-1)[self.pixels] = values


@dataclass(frozen=True, slots=True, eq=False)
class MeshPlan:
    """A plan in which every pixel has a cell of its own."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height, width): row of the level's grid, -1 where the pixel shows nothing."""
    cols: NDArray[np.int64]
    """Shape (height, width): column of the level's grid, -1 where the pixel shows nothing."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.shape[0], self.rows.shape[1]

    def parts(self, chunk: Shape) -> Iterator[MeshPart]:
        """Cut the map at chunk borders; each chunk comes up once."""
        rows, cols = self.rows.reshape(-1), self.cols.reshape(-1)
        pixels = np.flatnonzero((rows >= 0) & (cols >= 0))
        rows, cols = rows[pixels], cols[pixels]
        chunk_rows, chunk_cols = rows // chunk.rows, cols // chunk.cols
        cells = (rows - chunk_rows * chunk.rows) * chunk.cols + (cols - chunk_cols * chunk.cols)
        across = int(chunk_cols.max(initial=0)) + 1
        chunks = chunk_rows * across + chunk_cols
        order = np.argsort(chunks, kind="stable")
        starts = np.flatnonzero(np.diff(chunks[order], prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), order.size], strict=True):
            mine = order[start:stop]
            row, col = divmod(int(chunks[mine[0]]), across)
            yield MeshPart(row, col, pixels[mine], cells[mine].astype(np.intp))


def _runs(cells: NDArray[np.int64], chunk_length: int) -> Iterator[tuple[int, slice, NDArray[np.intp]]]:
    """Yield (chunk, pixels, cells in the chunk) for each run of neighbouring pixels in one chunk; -1 is skipped."""
    chunks = np.where(cells >= 0, cells // chunk_length, -1)
    starts = np.flatnonzero(np.diff(chunks, prepend=-2))
    stops = np.append(starts[1:], cells.size)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        chunk = int(chunks[start])
        if chunk >= 0:
            yield chunk, slice(start, stop), (cells[start:stop] - chunk * chunk_length).astype(np.intp)


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


def plan_tiles(grid: Grid, levels: int, tms: TileMatrixSet, matrix: TileMatrix, block: TileBlock) -> Plan:
    """Plan a block of tiles of a dataset's grid, nearest cell. Raises ``RequestError`` where that cannot be."""
    matrix.check(block.row, block.col)
    matrix.check(block.row + block.rows - 1, block.col + block.cols - 1)
    xs, ys = matrix.pixel_xs(block.col, block.cols), matrix.pixel_ys(block.row, block.rows)
    level = choose_level(grid, levels, tms, matrix)
    if tms.is_native:
        # Pixel = cell, also in a ragged last cell whose centre is past the data's edge.
        level_grid = grid.coarsen(level)
        return AxisPlan(level, level_grid.rows_of(ys), level_grid.cols_of(xs))
    # The cell of level 0 decides, so that nothing is drawn past the data's true edge; -1 stays -1.
    if keeps_axes_apart(tms.crs, grid.crs):
        axes = map_axes(tms.crs, grid.crs, xs, ys)
        rows, cols = grid.rows_of(axes.y) >> level, grid.cols_of(axes.x) >> level
        cols[_is_outside(xs, tms.bounds.west, tms.bounds.east)] = -1
        rows[_is_outside(ys, tms.bounds.south, tms.bounds.north)] = -1
        return AxisPlan(level, rows, cols)
    mesh = map_mesh(tms.crs, grid.crs, xs, ys, data_is_geographic=grid.is_geographic)
    rows, cols = grid.rows_of(mesh.y) >> level, grid.cols_of(mesh.x) >> level
    cols[:, _is_outside(xs, tms.bounds.west, tms.bounds.east)] = -1
    cols[_is_outside(ys, tms.bounds.south, tms.bounds.north)] = -1
    return MeshPlan(level, rows, cols)


def _is_outside(centres: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (centres < low) | (centres > high)
