"""The grid of variables whose coordinates run along one dimension each.

They are longitudes and latitudes, or projected coordinates with a coordinate reference system. Coordinates that are not
evenly spaced get a regular grid of matching resolution, each cell of which has the nearest source cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Grid
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.axes import (
    EXACT_AXIS,
    AxisMap,
    IrregularAxisError,
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

    from lazytile.pyramid.core.finding import Finding
    from lazytile.pyramid.sources.grids.regrid import Resampling
    from lazytile.pyramid.sources.overrides import Overrides

LONLAT, PROJECTED, CURVILINEAR = "lonlat", "projected", "curvilinear"
_BARE_UNITS = re.compile(r"(?:deg|degs|degrees?|decimal[ _]degrees?|°)?", re.IGNORECASE)
"""Units of angles that do not tell latitude from longitude; the name then does."""
_AXIS_LETTERS = frozenset({"x", "y"})
CLOSE_CELLS = 0.1
"""A coordinate reference system that agrees this well with the cells' own coordinates is used without trying others."""
MAX_DISAGREEMENT_CELLS = 1.0
"""How far a coordinate reference system may put a cell from the longitude and latitude that the file has for it."""


@dataclass(frozen=True, slots=True)
class CoordinatePair:
    """The coordinates that some variables share: names in their group, and the dimensions along which they run."""

    kind: str
    y: str
    x: str
    row_dim: str
    col_dim: str
    shape: tuple[int, int]
    mapping: str = ""
    """Name of the grid mapping variable; empty where there is none."""


@dataclass(frozen=True, slots=True)
class SourceGrid:
    """The grid of a file, and how its rows and columns lie in the file."""

    grid: Grid
    row_dim: str
    col_dim: str
    rows: AxisMap
    cols: AxisMap
    remarks: tuple[str, ...]
    resampling: Resampling | None = None
    """The source cell of each cell of the grid, where the source has no regular rows and columns."""
    findings: tuple[Finding, ...] = ()
    """How coordinates and coordinate reference system were understood."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where any process finds the variables of a grid."""

    path: str
    engine: str
    group: str
    attributes: dict[str, Any]
    """Of the file."""


def find_coordinates(group: xr.Dataset, kind: str, names: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the latitudes or longitudes of a group: by CF attributes, then by usual names.

    Args:
        group: Variables, not decoded.
        kind: ``latitude`` or ``longitude``.
        names: Usual names in lower case, by kind.

    Returns:
        Names of variables.
    """
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


def grid_from_axes(
    group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, cells: Sequence[tuple[str, str]]
) -> SourceGrid:
    """Return the grid of a pair of one-dimensional coordinates.

    Args:
        group: Of the coordinates.
        pair: Their names and dimensions.
        overrides: What the user states.
        cells: Pairs of latitude and longitude variables of every cell, by which a projection is checked.

    Returns:
        The grid.

    Raises:
        SourceError: The coordinates do not make a grid, or their coordinate reference system is unknown or wrong.
    """
    if pair.kind == LONLAT:
        return _lonlat(group, pair)
    x, y = group.variables[pair.x], group.variables[pair.y]
    tried: list[tuple[float, SourceGrid, str]] = []
    for crs in _candidates(group, pair, overrides):
        grid = _projected(group, pair, crs)
        distance = _distance_cells(group, grid, crs, cells)
        tried.append((distance, grid, crs.name))
        if distance <= CLOSE_CELLS:
            return grid
    if tried:
        distance, grid, name = min(tried, key=lambda each: each[0])
        remark = f"the latitudes and longitudes of the cells lie up to {distance:.2g} cells from where {name} puts them"
        if distance > MAX_DISAGREEMENT_CELLS and overrides.crs is None:
            raise SourceError(f"{remark}; give --crs")
        return replace(grid, remarks=(*grid.remarks, remark))
    spans = ", ".join(f"{name} {_span(values)}" for name, values in ((pair.x, x), (pair.y, y)))
    raise SourceError(f"the file has a projected grid ({spans}) without a coordinate reference system; give --crs")


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


def _lonlat(group: xr.Dataset, pair: CoordinatePair) -> SourceGrid:
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
        lambda: resampled_axis(
            np.unwrap(np.asarray(_values(longitude), np.float64), period=FULL_CIRCLE),
            f"longitude {pair.x}",
            rising=True,
        ),
        longitude,
        remarks,
    )
    if cols.dropped:
        remarks.append(f"{cols.dropped} columns that repeat the first ones 360 degrees further on are left out")
    return SourceGrid(Grid(GEOGRAPHIC, cols.axis, rows.axis), pair.row_dim, pair.col_dim, rows, cols, tuple(remarks))


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


def _projected(group: xr.Dataset, pair: CoordinatePair, crs: pyproj.CRS) -> SourceGrid:
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
    return SourceGrid(grid, pair.row_dim, pair.col_dim, rows, cols, tuple(remarks))


def _distance_cells(group: xr.Dataset, found: SourceGrid, crs: pyproj.CRS, pairs: Sequence[tuple[str, str]]) -> float:
    """Return how many cells the grid puts some cells away from their own latitudes and longitudes in the file."""
    shape = found.grid.shape
    for latitude, longitude in pairs:
        cells = [(row, col) for row in (0, shape.rows // 2, -1) for col in (0, shape.cols // 2, -1)]
        known = np.array(
            [[_at(group.variables[name], found, cell) for name in (longitude, latitude)] for cell in cells]
        )
        there = np.isfinite(known).all(axis=1) & (np.abs(known[:, 1]) <= 90) & (np.abs(known[:, 0]) <= 720)
        if there.sum() < 2 or found.rows.nearest or found.cols.nearest:
            continue
        xs, ys = found.grid.x.centres(), found.grid.y.centres()
        xs, ys = (xs[::-1] if found.cols.flipped else xs), (ys[::-1] if found.rows.flipped else ys)
        to = pyproj.Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True)
        x, y = to.transform(known[there, 0], known[there, 1], errcheck=False)
        off_x = np.abs(x - np.array([xs[col] for _, col in cells])[there]) / found.grid.x.cell_size
        off_y = np.abs(y - np.array([ys[row] for row, _ in cells])[there]) / -found.grid.y.cell_size
        return float(np.nan_to_num(np.maximum(off_x, off_y), nan=0.0, posinf=0.0).max())
    return 0.0


def _at(variable: xr.Variable, found: SourceGrid, cell: tuple[int, int]) -> float:
    key = {found.row_dim: cell[0], found.col_dim: cell[1]}
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
