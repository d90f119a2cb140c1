"""From the coordinates that were found for some variables to the grid they lie on.

Three kinds: longitudes and latitudes along one dimension each; projected coordinates along one dimension each, with
a coordinate reference system; longitudes and latitudes of every cell (curvilinear grids and swaths). Coordinates that
are not evenly spaced get a regular grid of matching resolution, and each of its cells takes the nearest source cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import Grid
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.axes import (
    EXACT_AXIS,
    AxisMap,
    IrregularAxisError,
    continuous_longitudes,
    exact_axis,
    latitude_axis,
    longitude_axis,
    projected_axis,
    resampled_axis,
)
from lazytile.pyramid.sources.cf.coordinate_units import to_crs_units
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, crs_text, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import stated_crs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import xarray as xr

    from lazytile.pyramid.sources.grids.regrid import Resampling
    from lazytile.pyramid.sources.overrides import Overrides

LONLAT, PROJECTED, CURVED = "lonlat", "projected", "curved"
_BARE_UNITS = re.compile(r"(?:deg|degs|degrees?|decimal[ _]degrees?|°)?", re.IGNORECASE)
"""Units that say that a number is an angle, but not which one; the name then says it."""
_AXIS_LETTERS = frozenset({"x", "y"})
CLOSE_CELLS = 0.1
MAX_DISAGREEMENT_CELLS = 1.0
"""How far a coordinate reference system may put a cell from the longitude and latitude that the file gives it too."""


@dataclass(frozen=True, slots=True)
class CoordinatePair:
    """The coordinates that some variables share: names in their group, and the dimensions they run along."""

    kind: str
    y: str
    x: str
    row_dim: str
    col_dim: str
    shape: tuple[int, int]
    mapping: str = ""
    """Name of the grid mapping variable; empty where there is none."""


@dataclass(frozen=True, slots=True)
class GridFinding:
    """The grid of a file, and how its rows and columns lie in it."""

    grid: Grid
    row_dim: str
    col_dim: str
    rows: AxisMap
    cols: AxisMap
    remarks: tuple[str, ...]
    resampling: Resampling | None = None
    """Where each cell of the grid comes from, if the source has no rows and columns of its own."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where the variables of a grid are found again, in any process."""

    path: str
    engine: str
    group: str
    attributes: dict[str, Any]
    """Of the file."""


def find_coordinates(group: xr.Dataset, kind: str, names: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the names of all latitudes or longitudes of a group: by CF attributes, then by the usual ``names``."""
    # Files seldom mark two-dimensional or oddly named coordinates; by attributes any variable may be one.
    found = [str(name) for name in group.set_coords(list(group.data_vars)).cf.coordinates.get(kind, [])]
    named = [
        str(name)
        for name, variable in group.variables.items()
        if str(name).lower() in names[kind]
        and str(name) not in found
        and variable.ndim in (1, 2)
        and not cf.text(variable.attrs, "standard_name")
        and _BARE_UNITS.fullmatch(cf.text(variable.attrs, "units"))
        and (str(name).lower() not in _AXIS_LETTERS or not (found or cf.text(variable.attrs, "units")))
    ]
    return found + named


def finding_of(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, places: Sequence[tuple[str, str]]
) -> GridFinding:
    """Return the grid of a pair of one-dimensional coordinates.

    places: pairs of latitude and longitude variables of every cell, to check a projection by. Raises ``SourceError``
    with what does not fit.
    """
    if pair.kind == LONLAT:
        return _lonlat(group, pair)
    x, y = group.variables[pair.x], group.variables[pair.y]
    tried: list[tuple[float, GridFinding, str]] = []
    for crs in _candidates(group, pair, overrides):
        finding = _projected(group, pair, crs)
        miss = _miss(group, finding, crs, places)
        tried.append((miss, finding, crs.name))
        if miss <= CLOSE_CELLS:
            return finding
    if tried:
        miss, finding, name = min(tried, key=lambda each: each[0])
        told = f"the latitudes and longitudes of the cells lie up to {miss:.2g} cells from where {name} puts them"
        if miss > MAX_DISAGREEMENT_CELLS and overrides.crs is None:
            raise SourceError(f"{told}; give --crs")
        return replace(finding, remarks=(*finding.remarks, told))
    spans = ", ".join(f"{name} {_span(values)}" for name, values in ((pair.x, x), (pair.y, y)))
    raise SourceError(f"it lies on a projected grid ({spans}) that states no coordinate reference system; give --crs")


def _span(variable: xr.Variable) -> str:
    values = np.asarray(variable[[0, -1]].values)
    units = cf.text(variable.attrs, "units")
    return f"{values[0]:g}..{values[-1]:g}{f' {units}' if units else ''}"


def _candidates(group: xr.Dataset, pair: CoordinatePair, overrides: Overrides) -> Iterator[pyproj.CRS]:
    if overrides.crs is not None:
        yield parse_crs(overrides.crs)
        return
    x_units = cf.text(group.variables[pair.x].attrs, "units")
    if pair.mapping in group.variables:
        yield from stated_crs(group.variables[pair.mapping].attrs, x_units)
    yield from stated_crs(group.attrs, x_units)


def _lonlat(group: xr.Dataset, pair: CoordinatePair) -> GridFinding:
    latitude, longitude = group.variables[pair.y], group.variables[pair.x]
    remarks: list[str] = []
    rows = _axis(
        lambda: latitude_axis(_values(latitude), f"latitude {pair.y}", _bounds(group, latitude)),
        lambda: resampled_axis(_values(latitude), f"latitude {pair.y}", rising=False, limit=90.0),
        latitude,
        remarks,
    )
    cols = _axis(
        lambda: longitude_axis(_values(longitude), f"longitude {pair.x}", _bounds(group, longitude)),
        lambda: resampled_axis(continuous_longitudes(_values(longitude)), f"longitude {pair.x}", rising=True),
        longitude,
        remarks,
    )
    if cols.dropped:
        remarks.append(f"{cols.dropped} columns that repeat the first ones 360 degrees on are left out")
    return GridFinding(Grid(GEOGRAPHIC, cols.axis, rows.axis), pair.row_dim, pair.col_dim, rows, cols, tuple(remarks))


def _axis(
    regular: Callable[[], AxisMap], resampled: Callable[[], AxisMap], stored: xr.Variable, remarks: list[str]
) -> AxisMap:
    if EXACT_AXIS in stored.attrs:
        first, step = stored.attrs[EXACT_AXIS]
        return exact_axis(first, step, stored.size, rising=stored.attrs.get("axis") == "X")
    try:
        return regular()
    except IrregularAxisError as error:
        axis = resampled()
        remarks.append(
            f"{error}; resampled to {axis.axis.length} even steps of {abs(axis.axis.cell_size):.6g}, "
            "each with the nearest source cell"
        )
        return axis


def _projected(group: xr.Dataset, pair: CoordinatePair, crs: pyproj.CRS) -> GridFinding:
    remarks: list[str] = []
    maps = []
    for name, rising in ((pair.y, False), (pair.x, True)):
        stored = group.variables[name]
        stored_values = _values(stored)
        units = cf.text(stored.attrs, "units")
        values = to_crs_units(crs, np.asarray(stored_values, np.float64), units, name)
        factor = float(np.abs(values).max(initial=0.0)) / max(1e-300, float(np.abs(stored_values).max(initial=0.0)))
        noise = factor * float(np.spacing(np.abs(stored_values).max(initial=0.0))) * 2
        bounds = _bounds(group, stored)
        if bounds is not None:
            bounds = to_crs_units(crs, np.asarray(bounds, np.float64), units, name)
        maps.append(
            _axis(
                lambda: projected_axis(values, name, bounds, rising=rising, noise=noise),  # noqa: B023 - called at once
                lambda: resampled_axis(values, name, rising=rising),  # noqa: B023
                stored,
                remarks,
            )
        )
    rows, cols = maps
    grid = Grid(crs_text(crs), cols.axis, rows.axis)
    return GridFinding(grid, pair.row_dim, pair.col_dim, rows, cols, tuple(remarks))


def _miss(group: xr.Dataset, finding: GridFinding, crs: pyproj.CRS, places: Sequence[tuple[str, str]]) -> float:
    """Return how many cells the CRS puts some cells away from where the file's own latitudes and longitudes do."""
    shape = finding.grid.shape
    for latitude, longitude in places:
        cells = [(row, col) for row in (0, shape.rows // 2, -1) for col in (0, shape.cols // 2, -1)]
        known = np.array(
            [[_at(group.variables[name], finding, cell) for name in (longitude, latitude)] for cell in cells]
        )
        there = np.isfinite(known).all(axis=1) & (np.abs(known[:, 1]) <= 90) & (np.abs(known[:, 0]) <= 720)
        if there.sum() < 2 or finding.rows.nearest or finding.cols.nearest:
            continue
        xs, ys = finding.grid.x.centres(), finding.grid.y.centres()
        xs, ys = (xs[::-1] if finding.cols.flipped else xs), (ys[::-1] if finding.rows.flipped else ys)
        to = pyproj.Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True)
        x, y = to.transform(known[there, 0], known[there, 1], errcheck=False)
        off_x = np.abs(x - np.array([xs[col] for _, col in cells])[there]) / finding.grid.x.cell_size
        off_y = np.abs(y - np.array([ys[row] for row, _ in cells])[there]) / -finding.grid.y.cell_size
        return float(np.nan_to_num(np.maximum(off_x, off_y), nan=0.0, posinf=0.0).max())
    return 0.0


def _at(variable: xr.Variable, finding: GridFinding, cell: tuple[int, int]) -> float:
    key = {finding.row_dim: cell[0], finding.col_dim: cell[1]}
    stored = variable[tuple(key.get(str(dim), 0) for dim in variable.dims)]
    return float(_values(stored)) if not _is_missing(stored) else float("nan")


def _is_missing(stored: xr.Variable) -> bool:
    packing = cf.packing_of(stored.dtype, stored.attrs, netcdf=False)
    return bool(packing.is_missing(np.atleast_1d(np.asarray(stored.values)).astype(packing.dtype)).any())


def _values(coordinate: xr.Variable) -> Any:
    return cf.decode_coordinate(coordinate.values, coordinate.attrs)


def _bounds(group: xr.Dataset, coordinate: xr.Variable) -> Any:
    name = cf.text(coordinate.attrs, "bounds")
    return np.asarray(group.variables[name].values) if name in group.variables else None
