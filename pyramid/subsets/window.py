"""The cells of a grid whose centres are in a box of longitude and latitude, as rows and columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.numbers.region import CellAxis, Region, edges_on
from lazytile.pyramid.tiling.reprojection import transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid, RegularAxis

_EDGE = 1e-6
"""Share of a cell by which a centre may lie past an edge of the box: coordinates are rounded."""
_ROUNDING_DEGREES = 1e-6
"""By which a place on an edge may come back from a projection."""
_SAMPLES = 256
"""Rows and columns that are looked at to find a box where its edges cannot be projected."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Adjacent columns of a grid."""

    first: int
    stop: int
    """The column after the last one."""
    turn: float = 0.0
    """Degrees between the longitudes of the grid and those of the box."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The cells of level 0 in a box: all cells of its rows and columns, or those of a mask."""

    grid: Grid
    first_row: int
    stop_row: int
    runs: tuple[Run, ...]
    """From west to east; several where the box crosses the first column of the grid."""
    mask: NDArray[np.bool_] | None = None
    """Shape (rows, cols): the cells in the box, where rows and columns are not those of longitude and latitude."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop_row - self.first_row

    @property
    def cols(self) -> int:
        """Number of columns."""
        return sum(run.stop - run.first for run in self.runs)

    @property
    def y(self) -> NDArray[np.float64]:
        """Centres of the rows, shape (rows,), float64, units of the CRS."""
        return _centres(self.grid.y, self.first_row, self.stop_row)

    @property
    def x(self) -> NDArray[np.float64]:
        """Centres of the columns, shape (cols,), float64, units of the CRS, increasing."""
        return np.concatenate([_centres(self.grid.x, run.first, run.stop) + run.turn for run in self.runs])

    @property
    def has_gap(self) -> bool:
        """Whether columns are missing between two runs, as where the data end on both sides of 180 degrees."""
        return bool((np.diff(self.x) > 1.5 * self.grid.x.cell_size).any())


def _centres(axis: RegularAxis, first: int, stop: int) -> NDArray[np.float64]:
    return np.asarray(axis.first_edge + (np.arange(first, stop) + 0.5) * axis.cell_size, np.float64)


def window_of(grid: Grid, box: Bounds, max_cells: int) -> Window:
    """Return the cells whose centres are in a box, its edges included.

    Args:
        grid: The grid.
        box: Degrees; the east may be past 180 degrees, 360 degrees from the west at most.
        max_cells: Most cells of the rectangle of rows and columns around the box.

    Returns:
        The cells, at least one.

    Raises:
        InvalidParameterError: No centre is in the box, or there are too many cells.
    """
    window = _of_degrees(grid, box) if grid.is_geographic else _around(grid, box)
    if window.rows * window.cols > max_cells:
        raise InvalidParameterError(
            RequestField.BOX,
            f"box contains {window.rows} x {window.cols} cells, at most {max_cells} are allowed: choose a smaller box"
            " or fewer times",
        )
    if window.rows and window.cols and not grid.is_geographic:
        window = _inside(window, box)
    if window.rows and window.cols:
        return window
    raise InvalidParameterError(
        RequestField.BOX, "box contains no centre of a cell of the data: choose a larger box or another"
    )


def _span(axis: RegularAxis, low: float, high: float, length: int) -> tuple[int, int]:
    """Return the first cell whose centre lies between two coordinates, and the one after the last."""
    ends = sorted((each - axis.first_edge) / axis.cell_size - 0.5 for each in (low, high))
    first, stop = max(0, math.ceil(ends[0] - _EDGE)), min(length, math.floor(ends[1] + _EDGE) + 1)
    return first, max(first, stop)


def _of_degrees(grid: Grid, box: Bounds) -> Window:
    x = grid.x
    # Some grids repeat their first columns at the end: each column counts once.
    distinct = min(x.length, math.ceil(FULL_CIRCLE / x.cell_size - 0.5)) if grid.is_full_circle else x.length
    first_turn = math.floor((box.west - x.last_edge) / FULL_CIRCLE)
    last_turn = math.ceil((box.east - x.first_edge) / FULL_CIRCLE)
    runs = []
    for turn in (number * FULL_CIRCLE for number in range(first_turn, last_turn + 1)):
        first, stop = _span(x, box.west - turn, box.east - turn, distinct)
        if first < stop:
            runs.append(Run(first, stop, turn))
    # A box of the whole circle may begin and end at the same centre.
    if len(runs) > 1 and runs[-1].stop - 1 == runs[0].first and runs[-1].turn > runs[0].turn:
        last = runs.pop()
        if last.stop - 1 > last.first:
            runs.append(Run(last.first, last.stop - 1, last.turn))
    return Window(grid, *_span(grid.y, box.south, box.north, grid.y.length), tuple(runs))


def _around(grid: Grid, box: Bounds) -> Window:
    """Return a rectangle of rows and columns that holds a box on a grid of another CRS.

    The edges of the box find a small one; cells in it, looked at here and there, find one whose edges the projection
    does not reach or tears apart, as those of the whole Earth.
    """
    steps = tuple(max(1, axis.length // _SAMPLES) for axis in (grid.y, grid.x))
    rows = np.arange(0, grid.y.length, steps[0], dtype=np.int64)
    cols = np.arange(0, grid.x.length, steps[1], dtype=np.int64)
    x, y = np.meshgrid(grid.x.centres()[cols], grid.y.centres()[rows])
    inside = _in_box(*transform(grid.crs, "EPSG:4326", x, y), box)
    spans = [_reach(rows[inside.any(axis=1)], steps[0], grid.y), _reach(cols[inside.any(axis=0)], steps[1], grid.x)]
    edges = edges_on(Region.of_bounds(box), grid)[0]
    back = transform(grid.crs, "EPSG:4326", edges.x1, edges.y1)
    if np.isfinite(edges.x1).all() and _in_box(*back, box, _ROUNDING_DEGREES).all():
        bounds = edges.bounds
        found = (
            CellAxis(grid.y, 0).cells_between(bounds.south, bounds.north),
            CellAxis(grid.x, 0).cells_between(bounds.west, bounds.east),
        )
        spans = [_joined(*pair) for pair in zip(spans, found, strict=True)]
    return Window(grid, *spans[0], (Run(*spans[1]),))


def _reach(hits: NDArray[np.int64], step: int, axis: RegularAxis) -> tuple[int, int]:
    """Return the cells around those that were found, up to the next ones that were looked at."""
    return (max(0, int(hits[0]) - step), min(axis.length, int(hits[-1]) + step + 1)) if hits.size else (0, 0)


def _joined(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Return the cells from the first to the last one of two runs, either of which may be empty."""
    filled = [run for run in (one, other) if run[0] < run[1]] or [(0, 0)]
    return min(first for first, _ in filled), max(stop for _, stop in filled)


def _inside(window: Window, box: Bounds) -> Window:
    """Return the smallest rectangle of a window that holds the cells in a box, with their mask."""
    x, y = np.meshgrid(window.x, window.y)
    mask = _in_box(*transform(window.grid.crs, "EPSG:4326", x, y), box)
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    (run,) = window.runs
    if not rows.size:
        return Window(window.grid, 0, 0, (Run(0, 0),))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    return Window(
        window.grid,
        window.first_row + top,
        window.first_row + bottom,
        (Run(run.first + left, run.first + right),),
        mask[top:bottom, left:right],
    )


def _in_box(
    longitudes: NDArray[np.float64], latitudes: NDArray[np.float64], box: Bounds, margin: float = 1e-9
) -> NDArray[np.bool_]:
    """Return which places are in a box or on its edges, within a margin in degrees."""
    with np.errstate(invalid="ignore"):
        east = np.mod(longitudes - box.west + margin, FULL_CIRCLE)
        in_longitude = (east <= box.east - box.west + 2 * margin) | (np.abs(latitudes) > 90.0 - margin)
        return np.asarray(in_longitude & (latitudes >= box.south - margin) & (latitudes <= box.north + margin))


def pieces(first: int, stop: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Split a run of cells at the borders of chunks.

    Args:
        first: The first cell.
        stop: The cell after the last one.
        size: Cells of a chunk.

    Yields:
        Index of the chunk, the first cell in it, and the cell after the last one.
    """
    for chunk in range(first // size, -(-stop // size)):
        yield chunk, max(first, chunk * size), min(stop, (chunk + 1) * size)
