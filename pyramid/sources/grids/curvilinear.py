"""The grid of a source that holds the latitude and longitude of every cell.

Such a grid is often regular: in a projection that the file states (WRF does so in its global attributes) or in
longitudes and latitudes. Its cells are then used unchanged. Only curvilinear grids and swaths are resampled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import Grid
from lazytile.pyramid.sources.cf.axes import TOLERANCE_CELLS, AxisMap, latitude_axis, longitude_axis, projected_axis
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, crs_text, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import stated_crs, wrf_crs
from lazytile.pyramid.sources.grids.regrid import REACH, Resampling, read_cell_coordinates, regular_grid
from lazytile.pyramid.sources.grids.source_grid import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.sources.grids.source_grid import CoordinatePair, SourceLocation
    from lazytile.pyramid.sources.overrides import Overrides

    CellCoordinates = tuple[NDArray[np.float64], NDArray[np.float64]]

_NOISE_CELLS = 1e-3
"""Rounding of positions projected from float32 degrees."""


def grid_from_cells(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, location: SourceLocation
) -> SourceGrid:
    """Return the grid of a pair of two-dimensional coordinates.

    Args:
        group: Of the coordinates.
        pair: Their names and dimensions.
        overrides: What the user states.
        location: Of the group, for tasks that resample.

    Returns:
        The grid.

    Raises:
        SourceError: Fewer than four cells have coordinates, or SciPy is not installed.
    """
    lat, lon = read_cell_coordinates(group, pair.y), read_cell_coordinates(group, pair.x)
    transposed = replace(pair, row_dim=pair.col_dim, col_dim=pair.row_dim, shape=pair.shape[::-1])
    candidates = list(_candidates(group, pair, overrides, location))
    # In some files rows run along meridians: they are our columns.
    for coordinates, each in (((lat, lon), pair), ((lat.T, lon.T), transposed)):
        found = _regular_grid(coordinates, each, candidates)
        if found is not None:
            return found
    grid = regular_grid(lat, lon, pair.y)
    remark = (
        f"{pair.y} and {pair.x} hold the position of each of {lat.shape[0]} x {lat.shape[1]} cells; resampled to "
        f"{grid.shape.rows} x {grid.shape.cols} cells of {grid.x.cell_size:.6g} degrees, each with the nearest source "
        f"cell that lies within {REACH} halves of its own diagonal"
    )
    resampling = Resampling(location.path, location.engine, location.group, pair.y, pair.x, lat.shape[1], grid)
    rows, cols = (AxisMap(axis, flipped=False, dropped=0) for axis in (grid.y, grid.x))
    return SourceGrid(grid, pair.row_dim, pair.col_dim, rows, cols, (remark,), resampling)


def _regular_grid(
    coordinates: CellCoordinates, pair: CoordinatePair, candidates: Sequence[pyproj.CRS]
) -> SourceGrid | None:
    """Return the grid of cells that are rows and columns already, in a projection or in degrees; None for others."""
    lat, lon = coordinates
    for crs in candidates:
        x, y = pyproj.Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True).transform(lon, lat)
        found = _rows_and_columns((np.asarray(x), np.asarray(y)), pair)
        if found is not None:
            rows, cols = found
            grid = Grid(crs_text(crs), cols.axis, rows.axis)
            return SourceGrid(grid, pair.row_dim, pair.col_dim, rows, cols, ())
    return _lonlat(lat, lon, pair)


def _candidates(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, location: SourceLocation
) -> Iterator[pyproj.CRS]:
    if overrides.crs is not None:
        yield parse_crs(overrides.crs)
        return
    if pair.mapping in group.variables:
        yield from stated_crs(group.variables[pair.mapping].attrs)
    wrf = wrf_crs(location.attributes)
    if wrf is not None:
        yield wrf


def _rows_and_columns(projected: CellCoordinates, pair: CoordinatePair) -> tuple[AxisMap, AxisMap] | None:
    """Return the axes of projected cells; None where they are not rows and columns."""
    if not all(np.isfinite(each).all() for each in projected) or min(projected[0].shape) < 2:
        return None
    x, y = projected
    steps = abs(x[0, -1] - x[0, 0]) / (x.shape[1] - 1), abs(y[-1, 0] - y[0, 0]) / (y.shape[0] - 1)
    if np.ptp(x, axis=0).max() > TOLERANCE_CELLS * steps[0] or np.ptp(y, axis=1).max() > TOLERANCE_CELLS * steps[1]:
        return None
    try:
        rows = projected_axis(y.mean(axis=1), pair.y, rising=False, noise=_NOISE_CELLS * steps[1])
        return rows, projected_axis(x.mean(axis=0), pair.x, rising=True, noise=_NOISE_CELLS * steps[0])
    except SourceError:
        return None


def _lonlat(lat: NDArray[np.float64], lon: NDArray[np.float64], pair: CoordinatePair) -> SourceGrid | None:
    """Return the grid where latitudes are equal along rows and longitudes along columns; None elsewhere."""
    if not (np.isfinite(lat).all() and np.isfinite(lon).all()) or min(lat.shape) < 2:
        return None
    steps = np.abs(np.diff(lat[:, 0])).min(), np.abs(np.diff(lon[0])).min()
    if np.ptp(lat, axis=1).max() > TOLERANCE_CELLS * steps[0] or np.ptp(lon, axis=0).max() > TOLERANCE_CELLS * steps[1]:
        return None
    try:
        rows = latitude_axis(lat[:, 0].astype(np.float32), f"latitude {pair.y}")
        cols = longitude_axis(lon[0].astype(np.float32), f"longitude {pair.x}")
    except SourceError:
        return None
    grid = Grid(GEOGRAPHIC, cols.axis, rows.axis)
    return SourceGrid(grid, pair.row_dim, pair.col_dim, rows, cols, ())
