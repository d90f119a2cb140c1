"""The grid of variables whose coordinates run along one dimension each.

They are longitudes and latitudes, or projected coordinates with a coordinate reference system. Coordinates that are not
evenly spaced get a regular grid of matching resolution, each cell of which has the nearest source cell. Where the file
has the true places of the cells too, both are compared.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.core.grid import Grid
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.axes import EXACT_AXIS
from lazytile.pyramid.sources.cf.coordinate_units import Quantity, to_crs_units
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, crs_name, crs_text, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import stated_crs
from lazytile.pyramid.sources.grids.agreement import distance_cells, sampled_places
from lazytile.pyramid.sources.grids.axis_bounds import axis_bounds
from lazytile.pyramid.sources.grids.axis_placement import Coordinate, PlacedAxis, place_axis
from lazytile.pyramid.sources.grids.coordinate_pair import LONLAT, SourceGrid
from lazytile.pyramid.sources.grids.role import Evidence
from lazytile.pyramid.sources.grids.stored_coordinate import decoded, raw
from lazytile.pyramid.sources.grids.units_of_places import (
    ambiguous,
    are_radians,
    numbers_fit,
    unit_of_angle,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyproj
    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.sources.grids.axis_bounds import AxisBounds
    from lazytile.pyramid.sources.grids.coordinate_pair import CoordinatePair
    from lazytile.pyramid.sources.overrides import Overrides

CLOSE_CELLS = 0.1
"""A grid that agrees this well with the true places of its cells is believed without a remark."""
MAX_DISAGREEMENT_CELLS = 1.0
"""How far a grid may put a cell from the longitude and latitude that the file has for it."""


_FARTHEST_LON = 1080.0
"""No longitude is given more than three times round the Earth."""


class PlacesDisagreeError(SourceError):
    """The true places of the cells lie elsewhere than coordinates of weaker evidence say."""


def grid_from_axes(group: xr.Dataset, pair: CoordinatePair, overrides: Overrides) -> SourceGrid:
    """Return the grid of a pair of one-dimensional coordinates.

    Args:
        group: Of the coordinates.
        pair: Their names and dimensions.
        overrides: What the user states.

    Returns:
        The grid.

    Raises:
        PlacesDisagreeError: The true places of the cells are better evidence, and differ.
        SourceError: The coordinates do not make a grid, or their coordinate reference system is unknown or wrong.
    """
    places = sampled_places(group, pair)
    tried: list[tuple[float, SourceGrid, str]] = []
    for name, placed in _candidates(group, pair, overrides):
        distance = 0.0
        if places is not None:
            distance = distance_cells(placed.grid, placed.centres, places)
        tried.append((distance, placed.found, name))
        if distance <= CLOSE_CELLS:
            break
    if not tried:
        spans = ", ".join(_span(group, name) for name in (pair.x, pair.y))
        raise SourceError(f"the file has a projected grid ({spans}) without a coordinate reference system; give --crs")
    distance, found, name = min(tried, key=lambda each: each[0])
    found = replace(found, remarks=(*pair.notes, *found.remarks))
    if distance <= CLOSE_CELLS or pair.cells is None:
        return found
    at = f"{pair.cells.latitude} and {pair.cells.longitude}"
    remark = f"the true places of the cells ({at}) lie up to {distance:.2g} cells from where {name} puts them"
    if pair.evidence > Evidence.PLACES:
        raise PlacesDisagreeError(remark)
    if distance > MAX_DISAGREEMENT_CELLS and pair.evidence is not Evidence.USER:
        raise SourceError(f"{remark}; give --crs, or name the right coordinates with --x and --y")
    return replace(found, remarks=(*found.remarks, remark))


class _Placed:
    """A grid, and the centres of the source's rows and columns in its coordinate reference system."""

    def __init__(self, found: SourceGrid, rows: PlacedAxis, cols: PlacedAxis) -> None:
        self.found = found
        self.grid = found.grid
        self.centres = rows.centres, cols.centres


def _span(group: xr.Dataset, name: str) -> str:
    variable = group.variables[name]
    values = np.asarray(variable[[0, -1]].values)
    units = cf.text(variable.attrs, "units")
    return f"{name} {values[0]:g}..{values[-1]:g}{f' {units}' if units else ''}"


def _candidates(group: xr.Dataset, pair: CoordinatePair, overrides: Overrides) -> Iterator[tuple[str, _Placed]]:
    """Yield what puts the cells somewhere, by name, and where it puts them."""
    if pair.kind == LONLAT:
        yield f"{pair.y} and {pair.x}", _lonlat(group, pair)
        return
    for crs, by in stated_crss(group, pair, overrides):
        yield f"the {crs_name(crs)} of {by}", _projected(group, pair, crs, by)


def stated_crss(group: xr.Dataset, pair: CoordinatePair, overrides: Overrides) -> Iterator[tuple[pyproj.CRS, str]]:
    """Yield the coordinate reference systems that are stated for a pair of coordinates, the most trusted first.

    Args:
        group: Of the coordinates.
        pair: The coordinates.
        overrides: What the user states.

    Yields:
        Each of them, and what states it.

    Raises:
        SourceError: A text that states one is invalid.
    """
    if overrides.crs is not None:
        yield parse_crs(overrides.crs), "--crs"
        return
    units = cf.text(group.variables[pair.x].attrs, "units")
    if pair.mapping in group.variables:
        for crs in stated_crs(group.variables[pair.mapping].attrs, units):
            yield crs, f"grid mapping {pair.mapping}"
    if pair.crs:
        yield parse_crs(pair.crs), pair.crs_by
    for crs in stated_crs(group.attrs, units):
        yield crs, "attributes of the file"


def _bounds_in_degrees(group: xr.Dataset, name: str, factor: float, shift: float) -> AxisBounds | None:
    bounds = axis_bounds(group, name)
    if bounds is None or (factor == 1.0 and not shift):
        return bounds
    return replace(bounds, pairs=bounds.pairs * factor + shift)


def _numbers(variable: xr.Variable) -> tuple[NDArray[np.float64] | None, NDArray[Any]]:
    """Return numbers with NaN where they are missing, None where none is; and the numbers as they are stored."""
    stored = np.atleast_1d(np.asarray(variable.values))
    values = raw(stored, variable.attrs)
    missing = ~np.isfinite(decoded(stored, variable.attrs))
    if not missing.any() or _is_even(values) or _is_default_fill(values, missing):
        # A fill code or an end of the valid range among even steps is a coordinate all the same.
        return None, values
    return np.where(missing, np.nan, np.asarray(values, np.float64)), values


def _is_even(values: NDArray[Any]) -> bool:
    steps = np.diff(np.asarray(values, np.float64))
    return bool(steps.size > 1 and np.isfinite(steps).all() and np.ptp(steps) <= 1e-3 * np.abs(steps).min())


def _is_default_fill(values: NDArray[Any], missing: NDArray[np.bool_]) -> bool:
    """Return whether one number is missing because it is 0, the fill value of Zarr 2 unless told otherwise."""
    steps = np.diff(np.asarray(values, np.float64))
    follows = bool((steps > 0).all() or (steps < 0).all())
    return follows and missing.sum() == 1 and not values[missing][0]


def _lonlat(group: xr.Dataset, pair: CoordinatePair) -> _Placed:
    latitude, longitude = group.variables[pair.y], group.variables[pair.x]
    units = unit_of_angle(latitude, pair.y), unit_of_angle(longitude, pair.x)
    factors = [unit.factor for unit in units]
    guess = ""
    if all(unit.quantity is Quantity.NONE for unit in units) and EXACT_AXIS not in latitude.attrs:
        lat, lon = (decoded(np.atleast_1d(each.values), each.attrs) for each in (latitude, longitude))
        problem = numbers_fit(lat, lon)
        if problem:
            raise SourceError(f"{pair.y} and {pair.x} have no units: {problem}; give --crs")
        radians = are_radians(lat, lon)
        if radians is None:
            raise ambiguous(f"{pair.y} and {pair.x}")
        factors = [math.degrees(1.0)] * 2 if radians else factors
        guess = " in radians, without units" if radians else " in degrees, without units"
    shift = _prime_meridian(group, pair)
    placed = []
    for name, variable, factor, kind in (
        (pair.y, latitude, factors[0], "latitude"),
        (pair.x, longitude, factors[1], "longitude"),
    ):
        missing, values = _numbers(variable)
        rising = kind == "longitude"
        turned = shift if rising else 0.0
        numbers = values if missing is None else missing
        noise = None
        if factor != 1.0 or turned:
            noise = _noise(numbers) * abs(factor)
            numbers = np.asarray(numbers, np.float64) * factor + turned
        if rising and np.abs(numbers[np.isfinite(numbers)]).max(initial=0) > _FARTHEST_LON:
            raise SourceError(
                f"longitude {name} reaches {np.nanmax(np.abs(numbers)):g} degrees, which no longitude does"
            )
        coordinate = Coordinate(
            f"{kind} {name}",
            numbers,
            noise,
            _bounds_in_degrees(group, name, factor, turned),
            rising,
            angular=True,
            circle=rising,
            exact=variable.attrs.get(EXACT_AXIS),
        )
        placed.append(place_axis(coordinate))
    rows, cols = placed
    remarks = [*rows.remarks, *cols.remarks]
    if cols.map.dropped:
        remarks.append(f"{cols.map.dropped} columns that repeat the first ones 360 degrees further on are left out")
    if shift:
        remarks.append(f"longitudes are counted from a prime meridian at {shift:g} degrees")
    findings = (
        *_findings(pair, ("latitude", "longitude"), (rows, cols), guess),
        Finding("crs", "longitudes and latitudes in degrees (EPSG:4326)", f"{pair.y} and {pair.x}"),
    )
    grid = Grid(GEOGRAPHIC, cols.map.axis, rows.map.axis)
    return _Placed(
        SourceGrid(grid, pair.row_dim, pair.col_dim, rows.map, cols.map, tuple(remarks), findings=findings), rows, cols
    )


def _noise(values: NDArray[Any]) -> float:
    """Return the rounding of stored numbers, some of which may be missing."""
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    return float(np.spacing(np.abs(values[np.isfinite(values)]).max(initial=0).astype(kind))) * 2


def _prime_meridian(group: xr.Dataset, pair: CoordinatePair) -> float:
    """Return the longitude of the meridian from which longitudes are counted."""
    if pair.mapping not in group.variables:
        return 0.0
    crs = next(stated_crs(group.variables[pair.mapping].attrs), None)
    meridian = crs.prime_meridian if crs is not None and crs.is_geographic else None
    return math.degrees(float(meridian.longitude) * float(meridian.unit_conversion_factor)) if meridian else 0.0


def _findings(
    pair: CoordinatePair, kinds: tuple[str, str], axes: tuple[PlacedAxis, PlacedAxis], guess: str
) -> tuple[Finding, ...]:
    found = []
    for topic, kind, name, by, axis in zip(("rows", "columns"), kinds, (pair.y, pair.x), pair.by, axes, strict=True):
        evidence = by + (f", its cells by {axis.edges_by}" if axis.edges_by else "")
        guessed = bool(guess) or pair.evidence is Evidence.NAME or "order of dimensions" in by
        found.append(Finding(topic, f"{kind} {name}{guess}", evidence, guessed))
    return tuple(found)


def _projected(group: xr.Dataset, pair: CoordinatePair, crs: pyproj.CRS, by: str) -> _Placed:
    placed = []
    text = crs_text(crs)
    for name, rising in ((pair.y, False), (pair.x, True)):
        stored = group.variables[name]
        missing, stored_values = _numbers(stored)
        units = cf.text(stored.attrs, "units")
        values = to_crs_units(crs, np.asarray(stored_values, np.float64), units, name)
        known = slice(None) if missing is None else np.isfinite(missing)
        largest = np.abs(stored_values[known]).max(initial=0.0)
        factor = float(np.abs(values[known]).max(initial=0.0)) / max(1e-300, float(largest))
        bounds = axis_bounds(group, name)
        if bounds is not None:
            bounds = replace(bounds, pairs=to_crs_units(crs, bounds.pairs, units, name))
        coordinate = Coordinate(
            name,
            values if missing is None else np.where(np.isfinite(missing), values, np.nan),
            factor * float(np.spacing(largest)) * 2,
            bounds,
            rising,
            angular=False,
            circle=rising and crs.is_geographic,
            exact=stored.attrs.get(EXACT_AXIS),
        )
        placed.append(place_axis(coordinate))
    rows, cols = placed
    findings = (
        *_findings(pair, ("y", "x"), (rows, cols), ""),
        Finding("crs", crs_name(crs), by),
    )
    grid = Grid(text, cols.map.axis, rows.map.axis)
    remarks = (*rows.remarks, *cols.remarks)
    return _Placed(
        SourceGrid(grid, pair.row_dim, pair.col_dim, rows.map, cols.map, remarks, findings=findings), rows, cols
    )
