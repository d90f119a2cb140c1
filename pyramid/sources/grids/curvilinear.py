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
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.core.grid import Grid
from lazytile.pyramid.sources.cf.axes import TOLERANCE_CELLS, AxisMap, latitude_axis, longitude_axis, projected_axis
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, crs_name, crs_text, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import stated_crs, wrf_crs
from lazytile.pyramid.sources.grids.coordinate_pair import SourceGrid, home_of
from lazytile.pyramid.sources.grids.place_checks import by_corners, steady
from lazytile.pyramid.sources.grids.places import Places, plane_of
from lazytile.pyramid.sources.grids.regrid import REACH, Resampling, regular_grid
from lazytile.pyramid.sources.grids.units_of_places import degrees_per_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.sources.grids.cell_coordinates import CellPair
    from lazytile.pyramid.sources.grids.coordinate_pair import CoordinatePair, SourceLocation
    from lazytile.pyramid.sources.overrides import Overrides

    CellCoordinates = tuple[NDArray[np.float64], NDArray[np.float64]]
    Candidate = tuple[pyproj.CRS, str]

_NOISE_CELLS = 1e-3
"""Rounding of positions projected from float32 degrees."""


def grid_from_cells(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, location: SourceLocation
) -> SourceGrid:
    """Return the grid of the true places of cells.

    Args:
        group: Of the coordinates.
        pair: The coordinates, with the places.
        overrides: What the user states.
        location: Of the group, for tasks that resample.

    Returns:
        The grid.

    Raises:
        SourceError: Fewer than four cells have places, the places differ from step to step, their units are unknown, or
            SciPy is not installed.
    """
    cells = pair.cells
    if cells is None:
        raise SourceError(f"{pair.y} and {pair.x} are not the places of cells")
    places, own, remarks = _places(group, cells, location)
    lat, lon = places.read(own)
    dims = cells.row_dim, cells.col_dim
    candidates = list(_candidates(group, pair, overrides, location))
    missing = int((~np.isfinite(lat)).sum())
    if missing:
        remarks += (f"{missing} of {lat.size} cells have no place, and are left out",)
    findings = [
        Finding("places", f"latitude {cells.latitude} and longitude {cells.longitude} of every cell", _by(pair))
    ]
    # In some files rows run along meridians: they are our columns.
    for coordinates, each in (((lat, lon), dims), ((lat.T, lon.T), dims[::-1])):
        found = _regular_grid(coordinates, each, cells, candidates)
        if found is not None:
            placed, by = found
            findings.append(Finding("crs", crs_name(pyproj.CRS.from_user_input(placed.grid.crs)), by))
            return replace(placed, remarks=(*pair.notes, *remarks), findings=tuple(findings))
    grid = regular_grid(lat, lon, cells.latitude)
    remark = (
        f"{cells.latitude} and {cells.longitude} hold the position of each of {lat.shape[0]} x {lat.shape[1]} cells; "
        f"resampled to {grid.shape.rows} x {grid.shape.cols} cells of {grid.x.cell_size:.6g} degrees, each with the "
        f"nearest source cell that lies within {REACH} halves of its own diagonal"
    )
    resampling = Resampling(location.path, location.engine, places, lat.shape[1], grid)
    rows, cols = (AxisMap(axis, flipped=False, dropped=0) for axis in (grid.y, grid.x))
    findings.append(Finding("crs", "resampled to longitudes and latitudes in degrees (EPSG:4326)", "the places"))
    return SourceGrid(grid, *dims, rows, cols, (*pair.notes, remark, *remarks), resampling, findings=tuple(findings))


def _by(pair: CoordinatePair) -> str:
    return " and ".join(dict.fromkeys(each for each in pair.by if each)) or "their names"


def _places(group: xr.Dataset, cells: CellPair, location: SourceLocation) -> tuple[Places, xr.Dataset, tuple[str, ...]]:
    """Return where places are stored, the group that holds them, and what was found out about them."""
    factors = degrees_per_unit(group, cells)
    homes = [home_of(group.variables[name], location.group, name) for name in (cells.latitude, cells.longitude)]
    if homes[0][0] != homes[1][0]:
        raise SourceError(f"{cells.latitude} lies in group {homes[0][0]}, but {cells.longitude} in {homes[1][0]}")
    planes = [
        plane_of(group.variables[name], home[1], cells.row_dim, cells.col_dim, factor)
        for name, home, factor in zip((cells.latitude, cells.longitude), homes, factors, strict=True)
    ]
    own = group if homes[0][0] == location.group else location.groups[homes[0][0]]
    places = steady(own, Places(homes[0][0], planes[0], planes[1]))
    places, remarks = by_corners(own, places)
    return places, own, remarks


def _regular_grid(
    coordinates: CellCoordinates, dims: tuple[str, str], cells: CellPair, candidates: Sequence[Candidate]
) -> tuple[SourceGrid, str] | None:
    """Return the grid of cells that are rows and columns already, in a projection or in degrees; None for others."""
    lat, lon = coordinates
    for crs, by in candidates:
        x, y = pyproj.Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True).transform(lon, lat)
        found = _rows_and_columns((np.asarray(x), np.asarray(y)), cells)
        if found is not None:
            rows, cols = found
            grid = Grid(crs_text(crs), cols.axis, rows.axis)
            return SourceGrid(grid, *dims, rows, cols, ()), by
    found_lonlat = _lonlat(lat, lon, dims, cells)
    return None if found_lonlat is None else (found_lonlat, "the places, which are even rows and columns")


def _candidates(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, location: SourceLocation
) -> Iterator[Candidate]:
    if overrides.crs is not None:
        yield parse_crs(overrides.crs), "--crs"
        return
    if pair.mapping in group.variables:
        for crs in stated_crs(group.variables[pair.mapping].attrs):
            yield crs, f"grid mapping {pair.mapping}"
    if pair.crs:
        yield parse_crs(pair.crs), pair.crs_by
    wrf = wrf_crs(location.attributes)
    if wrf is not None:
        yield wrf, "the attributes of WRF"


def _rows_and_columns(projected: CellCoordinates, cells: CellPair) -> tuple[AxisMap, AxisMap] | None:
    """Return the axes of projected cells; None where they are not rows and columns."""
    if not all(np.isfinite(each).all() for each in projected) or min(projected[0].shape) < 2:
        return None
    x, y = projected
    steps = abs(x[0, -1] - x[0, 0]) / (x.shape[1] - 1), abs(y[-1, 0] - y[0, 0]) / (y.shape[0] - 1)
    if np.ptp(x, axis=0).max() > TOLERANCE_CELLS * steps[0] or np.ptp(y, axis=1).max() > TOLERANCE_CELLS * steps[1]:
        return None
    try:
        rows = projected_axis(y.mean(axis=1), cells.latitude, rising=False, noise=_NOISE_CELLS * steps[1])
        return rows, projected_axis(x.mean(axis=0), cells.longitude, rising=True, noise=_NOISE_CELLS * steps[0])
    except SourceError:
        return None


def _lonlat(
    lat: NDArray[np.float64], lon: NDArray[np.float64], dims: tuple[str, str], cells: CellPair
) -> SourceGrid | None:
    """Return the grid where latitudes are equal along rows and longitudes along columns; None elsewhere."""
    if not (np.isfinite(lat).all() and np.isfinite(lon).all()) or min(lat.shape) < 2:
        return None
    steps = np.abs(np.diff(lat[:, 0])).min(), np.abs(np.diff(lon[0])).min()
    if np.ptp(lat, axis=1).max() > TOLERANCE_CELLS * steps[0] or np.ptp(lon, axis=0).max() > TOLERANCE_CELLS * steps[1]:
        return None
    try:
        rows = latitude_axis(lat[:, 0].astype(np.float32), f"latitude {cells.latitude}")
        cols = longitude_axis(lon[0].astype(np.float32), f"longitude {cells.longitude}")
    except SourceError:
        return None
    grid = Grid(GEOGRAPHIC, cols.axis, rows.axis)
    return SourceGrid(grid, *dims, rows, cols, ())
