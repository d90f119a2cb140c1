"""Which variables of a file lie on a regular longitude/latitude grid, and on which.

cf-xarray tells coordinates by their CF attributes; common names are the fall-back. Other kinds of grid are told
apart, so that the refusal can say what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cf_xarray  # noqa: F401 - registers the .cf accessor
import numpy as np

from lazytile.pyramid import cf
from lazytile.pyramid.axes import AxisMap, latitude_axis, longitude_axis
from lazytile.pyramid.errors import SourceError
from lazytile.pyramid.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

CRS = "EPSG:4326"
ALLOWED = "variables on one-dimensional, evenly spaced longitudes and latitudes are converted"
_NUMERIC_KINDS = "iufb"
_NAMES = {"latitude": ("lat", "latitude", "y"), "longitude": ("lon", "longitude", "long", "x")}
_PROJECTED = {"projection_x_coordinate": "projected", "grid_longitude": "rotated-pole"}


@dataclass(frozen=True, slots=True)
class GridFinding:
    """The grid of a file, and how its rows and columns lie in it."""

    grid: Grid
    row_dim: str
    col_dim: str
    rows: AxisMap
    cols: AxisMap
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    """The one-dimensional coordinates of some variables: group, names, and the dimensions they run along."""

    latitude: str
    longitude: str
    row_dim: str
    col_dim: str
    shape: tuple[int, int]


def find_grid(
    groups: Mapping[str, xr.Dataset], wanted: set[str] | None
) -> tuple[GridFinding, list[tuple[str, str]], dict[str, str]]:
    """Return the grid, the variables on it as (group, name), and why others were left out.

    The grid is the one with the most cells, or the one of the wanted variables. Raises ``SourceError`` where no
    grid will do.
    """
    pairs: dict[tuple[str, _Pair], list[tuple[str, str]]] = {}
    refusals: dict[str, str] = {}
    for path, group in groups.items():
        helpers = _helper_names(group)
        own = [str(name) for name in group.data_vars]
        for name in (name for name in own if name not in helpers):
            variable = group.variables[name]
            if variable.ndim < 2:
                continue
            reason = _unfit(variable)
            pair = _pair_of(group, variable) if reason is None else None
            if pair is None:
                refusals[name] = reason or _other_grid(group, variable)
            else:
                home = next((key for key in pairs if key[1] == pair and path.startswith(key[0])), (path, pair))
                pairs.setdefault(home, []).append((path, name))
    if not pairs:
        raise SourceError(_nothing_found(groups, refusals))
    chosen = _choose(pairs, wanted)
    for key, members in pairs.items():
        if key != chosen:
            rows, cols = key[1].shape
            refusals.update({name: f"it lies on another grid ({rows} x {cols})" for _, name in members})
    return _finding(groups[chosen[0]], chosen[1]), pairs[chosen], refusals


def _choose(pairs: Mapping[tuple[str, _Pair], list[tuple[str, str]]], wanted: set[str] | None) -> tuple[str, _Pair]:
    if wanted:
        holding = [
            key
            for key, members in pairs.items()
            if any(name in wanted or f"{path.rstrip('/')}/{name}" in wanted for path, name in members)
        ]
        if len(holding) > 1:
            raise SourceError(
                f"the variables {', '.join(sorted(wanted))} lie on different grids; convert them one at a time"
            )
        if holding:
            return holding[0]
    return max(pairs, key=lambda key: (key[1].shape[0] * key[1].shape[1], len(pairs[key])))


def _unfit(variable: xr.Variable) -> str | None:
    if variable.dtype.kind not in _NUMERIC_KINDS:
        return f"its type {variable.dtype} is not a number"
    if variable.dtype.kind == "f" and variable.dtype.itemsize > 8:
        return f"its type {variable.dtype} has no portable form"
    empty = [str(dim) for dim, size in variable.sizes.items() if size == 0]
    return f"its dimension {empty[0]} has no steps" if empty else None


def _helper_names(group: xr.Dataset) -> set[str]:
    """Return the variables that only serve others: coordinates, bounds and grid mappings."""
    names = {str(name) for name in group.dims} | {str(name) for name in group.coords}
    names.update(_coordinates(group, "latitude"), _coordinates(group, "longitude"))
    for variable in group.variables.values():
        for attribute in ("bounds", "climatology", "edges", "grid_mapping", "coordinates"):
            named = cf.text(variable.attrs, attribute)
            names.update(word.rstrip(":") for word in named.split())
    return names


def _coordinates(group: xr.Dataset, kind: str) -> list[str]:
    """Return the names of all latitudes or longitudes of a group."""
    # Files seldom mark two-dimensional or oddly named coordinates; by attributes any variable may be one.
    found = [str(name) for name in group.set_coords(list(group.data_vars)).cf.coordinates.get(kind, [])]
    if found:
        return found
    return [
        str(name)
        for name, variable in group.variables.items()
        if str(name).lower() in _NAMES[kind]
        and variable.ndim in (1, 2)
        and not cf.text(variable.attrs, "standard_name")
        and not cf.text(variable.attrs, "units")
    ]


def _pair_of(group: xr.Dataset, variable: xr.Variable) -> _Pair | None:
    dims = {str(dim) for dim in variable.dims}
    along: dict[str, list[tuple[str, str]]] = {}
    for kind in ("latitude", "longitude"):
        for name in _coordinates(group, kind):
            coordinate = group.variables[name]
            if coordinate.ndim == 1 and str(coordinate.dims[0]) in dims and coordinate.dtype.kind in _NUMERIC_KINDS:
                along.setdefault(kind, []).append((name, str(coordinate.dims[0])))
    for latitude, row_dim in along.get("latitude", []):
        for longitude, col_dim in along.get("longitude", []):
            if row_dim != col_dim:
                shape = (group.sizes[row_dim], group.sizes[col_dim])
                return _Pair(latitude, longitude, row_dim, col_dim, shape)
    return None


def _other_grid(group: xr.Dataset, variable: xr.Variable) -> str:
    """Say on which other kind of grid a variable lies."""
    dims = set(variable.dims)
    for other in group.variables.values():
        kind = _PROJECTED.get(cf.text(other.attrs, "standard_name"))
        if kind and other.ndim == 1 and set(other.dims) <= dims:
            mapping = cf.text(variable.attrs, "grid_mapping").split(":")[0].strip()
            name = cf.text(group.variables[mapping].attrs, "grid_mapping_name") if mapping in group.variables else ""
            return f"it lies on a {kind} grid{f' ({name})' if name else ''}"
    curved = [
        name
        for name in _coordinates(group, "latitude")
        if set(group.variables[name].dims) <= dims and group.variables[name].ndim == 2
    ]
    if curved:
        return f"its latitudes {curved[0]} are two-dimensional (a curvilinear grid or a swath)"
    return "it has no longitude and latitude coordinates"


def _nothing_found(groups: Mapping[str, xr.Dataset], refusals: Mapping[str, str]) -> str:
    if not refusals:
        count = sum(len(group.variables) for group in groups.values())
        return f"no gridded variable among its {count} variables; {ALLOWED}"
    name, reason = next(
        (item for item in refusals.items() if "not a number" not in item[1]), next(iter(refusals.items()))
    )
    others = f" (and {len(refusals) - 1} more variables)" if len(refusals) > 1 else ""
    return f"nothing to convert: {name}: {reason}{others}; {ALLOWED}"


def _finding(group: xr.Dataset, pair: _Pair) -> GridFinding:
    latitude, longitude = group.variables[pair.latitude], group.variables[pair.longitude]
    rows = latitude_axis(_values(latitude), f"latitude {pair.latitude}", _bounds(group, latitude))
    cols = longitude_axis(_values(longitude), f"longitude {pair.longitude}", _bounds(group, longitude))
    remarks = []
    if cols.dropped:
        remarks.append(f"{cols.dropped} columns that repeat the first ones 360 degrees on are left out")
    return GridFinding(Grid(CRS, cols.axis, rows.axis), pair.row_dim, pair.col_dim, rows, cols, tuple(remarks))


def _values(coordinate: xr.Variable) -> Any:
    return cf.decode_coordinate(coordinate.values, coordinate.attrs)


def _bounds(group: xr.Dataset, coordinate: xr.Variable) -> Any:
    name = cf.text(coordinate.attrs, "bounds")
    return np.asarray(group.variables[name].values) if name in group.variables else None
