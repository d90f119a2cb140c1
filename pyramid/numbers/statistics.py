"""Numbers from a stored dataset: statistics of a region, values at a point.

Both use whole cells, without resampling. Statistics read the finest level that fits a budget of cells and report it;
above level 0 they describe reduced values (the extremes of means are less extreme).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.numbers.cell_series import read_series
from lazytile.pyramid.numbers.region import CellAxis, Edges, Region, cell_areas, edges_on
from lazytile.pyramid.tiling.reprojection import transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.store.dataset import Dataset, Variable
    from lazytile.pyramid.store.store import StoredDataset


@dataclass(frozen=True, slots=True)
class StatisticsOptions:
    """Which statistics of a region to compute."""

    budget_cells: int
    """Most cells to read."""
    percentiles: tuple[float, ...] = ()
    """0 to 100."""
    bins: int = 0
    """Bins of the histogram; 0 for none."""
    limits: tuple[float, float] | None = None
    """Range of the histogram; None for the range of the values."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cells and area by value."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    areas_m2: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RegionStatistics:
    """Statistics of the valid cells in a region, weighted by area; None where there are no data."""

    level: int
    cell_count: int
    valid_count: int
    area_m2: float
    valid_area_m2: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    """Standard deviation of the population."""
    percentiles: tuple[float | None, ...]
    """For each requested percentage: the smallest value that this share of the area does not exceed."""
    histogram: Histogram | None


@dataclass(frozen=True, slots=True)
class PointCell:
    """The cell of level 0 that contains a point."""

    row: int
    col: int
    longitude: float
    """Of its centre."""
    latitude: float


@dataclass(frozen=True, slots=True)
class _Window:
    """The rows and columns of a level that a region overlaps."""

    edges: Edges
    rows: tuple[int, int]
    cols: tuple[int, int]

    @property
    def cell_count(self) -> int:
        return (self.rows[1] - self.rows[0]) * (self.cols[1] - self.cols[0])


def statistics(  # noqa: PLR0917 - data, region, options
    stored: StoredDataset,
    variable: Variable,
    dim_index: tuple[int, ...],
    region: Region,
    options: StatisticsOptions,
    is_stopped: Callable[[], bool] = lambda: False,
) -> RegionStatistics:
    """Compute the statistics of a variable in a region.

    Args:
        stored: The dataset.
        variable: The variable.
        dim_index: Index along its leading dimensions.
        region: The region.
        options: What to compute, and from how many cells.
        is_stopped: Called before each chunk; True stops the computation.

    Returns:
        The statistics.

    Raises:
        StoreError: A chunk cannot be read.
        StoppedError: ``is_stopped`` returned True.
    """
    dataset = stored.description
    level, windows = _choose(dataset, region, options.budget_cells)
    cell_count, area = 0, 0.0
    values, weights = [np.empty(0)], [np.empty(0)]
    for window in windows:
        for part in _parts(dataset, level, window):
            if is_stopped():
                raise StoppedError
            chunk = stored.chunk(level, variable.name, dim_index, part.chunk_row, part.chunk_col)
            found, areas = variable.packing.decode(chunk[part.rows, part.cols]), part.areas
            if part.mask.all():
                found, areas = found.reshape(-1), areas.reshape(-1)
            else:
                found, areas = found[part.mask], areas[part.mask]
            cell_count += found.size
            area += float(areas.sum())
            valid = np.isfinite(found)
            values.append(found[valid])
            weights.append(areas[valid])
    return _summary(level, (cell_count, area), np.concatenate(values), np.concatenate(weights), options)


def _choose(dataset: Dataset, region: Region, budget_cells: int) -> tuple[int, list[_Window]]:
    """Return the finest level whose windows have no more cells than the budget, else the coarsest; and its windows."""
    copies = edges_on(region, dataset.grid)
    for level in range(dataset.levels):
        windows = [_window(dataset, level, copy) for copy in copies]
        if sum(window.cell_count for window in windows) <= budget_cells or level == dataset.levels - 1:
            break
    return level, [window for window in windows if window.cell_count]


def _window(dataset: Dataset, level: int, edges: Edges) -> _Window:
    bounds, grid = edges.bounds, dataset.grid
    rows = CellAxis(grid.y, level).cells_between(bounds.south, bounds.north)
    first, last = CellAxis(grid.x, level).cells_between(bounds.west, bounds.east)
    if grid.is_full_circle:
        # Some grids repeat their first columns at the end: each column counts once.
        last = min(last, math.ceil(FULL_CIRCLE / (grid.x.cell_size * (1 << level)) - 0.5))
    return _Window(edges, rows, (first, max(first, last)))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The part of a window that lies in one chunk."""

    chunk_row: int
    chunk_col: int
    rows: slice
    cols: slice
    mask: NDArray[np.bool_]
    areas: NDArray[np.float64]


def _parts(dataset: Dataset, level: int, window: _Window) -> Iterator[_Part]:
    """Split a window at chunk borders, without chunks that have no cell in the region."""
    x, y, chunk = CellAxis(dataset.grid.x, level), CellAxis(dataset.grid.y, level), dataset.chunk
    for chunk_row, top, bottom in _cut(*window.rows, chunk.rows):
        y_edges = y.edges(top, bottom)
        for chunk_col, left, right in _cut(*window.cols, chunk.cols):
            x_edges = x.edges(left, right)
            mask = window.edges.mask((x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2)
            if mask.any():
                yield _Part(
                    chunk_row,
                    chunk_col,
                    slice(top - chunk_row * chunk.rows, bottom - chunk_row * chunk.rows),
                    slice(left - chunk_col * chunk.cols, right - chunk_col * chunk.cols),
                    mask,
                    np.broadcast_to(cell_areas(dataset.grid, x_edges, y_edges), mask.shape),
                )


def _cut(first: int, last: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the index of each chunk, and the first cell and the one after the last in it."""
    for chunk in range(first // size, -(-last // size)):
        yield chunk, max(first, chunk * size), min(last, (chunk + 1) * size)


def _summary(
    level: int,
    region: tuple[int, float],
    values: NDArray[np.float64],
    areas: NDArray[np.float64],
    options: StatisticsOptions,
) -> RegionStatistics:
    cell_count, area = region
    total = float(areas.sum())
    histogram = _histogram(values, areas, options) if options.bins else None
    if values.size == 0 or total == 0:
        nothing = (None,) * len(options.percentiles)
        return RegionStatistics(level, cell_count, 0, area, 0.0, None, None, None, None, nothing, histogram)
    mean = float(np.average(values, weights=areas))
    std = float(np.sqrt(np.average((values - mean) ** 2, weights=areas)))
    shares = np.array(options.percentiles) / 100.0
    found = np.quantile(values, shares, weights=areas, method="inverted_cdf") if shares.size else shares
    return RegionStatistics(
        level,
        cell_count,
        values.size,
        area,
        total,
        float(values.min()),
        float(values.max()),
        mean,
        std,
        tuple(np.atleast_1d(found).tolist()),
        histogram,
    )


def _histogram(values: NDArray[np.float64], areas: NDArray[np.float64], options: StatisticsOptions) -> Histogram | None:
    """Return the histogram; None without a range and without values to take one from."""
    if values.size == 0 and options.limits is None:
        return None
    limits = options.limits or (float(values.min()), float(values.max()))
    if limits[0] == limits[1]:
        # A bin needs a width that float64 can resolve.
        half = max(0.5, abs(limits[0]) * 1e-9)
        limits = (limits[0] - half, limits[1] + half)
    counts, edges = np.histogram(values, options.bins, limits)
    weighted, _ = np.histogram(values, options.bins, limits, weights=areas)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()), tuple(weighted.tolist()))


def cell_at(dataset: Dataset, longitude: float, latitude: float) -> PointCell | None:
    """Return the cell of level 0 that contains a point.

    Args:
        dataset: The dataset.
        longitude: Degrees.
        latitude: Degrees.

    Returns:
        The cell; None outside the data.
    """
    grid = dataset.grid
    x, y = np.array([longitude]), np.array([latitude])
    if not grid.is_geographic:
        x, y = transform("EPSG:4326", grid.crs, x, y)
    row, col = int(grid.rows_of(y)[0]), int(grid.cols_of(x)[0])
    if row < 0 or col < 0:
        return None
    centre_x = np.array([grid.x.first_edge + (col + 0.5) * grid.x.cell_size])
    centre_y = np.array([grid.y.first_edge + (row + 0.5) * grid.y.cell_size])
    if not grid.is_geographic:
        centre_x, centre_y = transform(grid.crs, "EPSG:4326", centre_x, centre_y)
    return PointCell(row, col, float(centre_x[0]), float(centre_y[0]))


def values_at(
    stored: StoredDataset,
    variable: Variable,
    steps: Sequence[tuple[int, ...]],
    cell: PointCell,
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[float | None]:
    """Read the values of a cell at several indices along the leading dimensions.

    Args:
        stored: The dataset.
        variable: The variable.
        steps: The indices.
        cell: The cell.
        is_stopped: Called every few chunks, from any thread; True stops the computation.

    Returns:
        A value in physical units for each index, None for no data.

    Raises:
        StoreError: A chunk cannot be read.
        StoppedError: ``is_stopped`` returned True.
    """
    codes = read_series(stored, variable, steps, (cell.row, cell.col), is_stopped)
    values = variable.packing.decode(codes)
    return [float(value) if np.isfinite(value) else None for value in values]
