"""Which variables of a file lie on a grid, and on which.

cf-xarray identifies coordinates by their CF attributes. Common names are the fallback, and what the user states comes
first. Variables that cannot be placed on the Earth are returned with the reason, so that an error can name it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cf_xarray  # noqa: F401 - registers the .cf accessor

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.grids.cell_coordinates import find_cell_coordinates
from lazytile.pyramid.sources.grids.curvilinear import grid_from_cells
from lazytile.pyramid.sources.grids.source_grid import (
    CURVILINEAR,
    LONLAT,
    PROJECTED,
    CoordinatePair,
    SourceGrid,
    SourceLocation,
    find_coordinates,
    grid_from_axes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.sources.overrides import Overrides

ALLOWED = "a grid needs longitudes and latitudes, or x and y with a coordinate reference system (--x, --y, --crs)"
_NUMERIC_KINDS = "iufb"
_NAMES = {"latitude": ("lat", "latitude", "y"), "longitude": ("lon", "longitude", "long", "x")}
_X_KINDS = ("projection_x_coordinate", "grid_longitude", "projection_x_angular_coordinate")
_Y_KINDS = ("projection_y_coordinate", "grid_latitude", "projection_y_angular_coordinate")
_X_NAMES, _Y_NAMES = ("x", "xc", "rlon", "easting", "west_east"), ("y", "yc", "rlat", "northing", "south_north")


def find_grid(
    groups: Mapping[str, xr.Dataset], wanted: set[str] | None, overrides: Overrides, location: SourceLocation
) -> tuple[SourceGrid, list[tuple[str, str]], dict[str, str]]:
    """Find the grid of a file and the variables on it.

    Args:
        groups: Of the file, by path.
        wanted: Names of variables that the grid must hold; None for the grid with the most cells.
        overrides: What the user states.
        location: Of the file.

    Returns:
        The grid, the group and name of each variable on it, and why others are left out, by name.

    Raises:
        SourceError: There is no grid, or the wanted variables lie on different ones.
    """
    _check_names(groups, overrides)
    pairs: dict[tuple[str, CoordinatePair], list[tuple[str, str]]] = {}
    refusals: dict[str, str] = {}
    for path, group in groups.items():
        helpers = _helper_names(group)
        own = [str(name) for name in group.data_vars]
        for name in (name for name in own if name not in helpers):
            variable = group.variables[name]
            if variable.ndim < 2:
                continue
            reason = _unfit(variable)
            pair = _pair_of(group, variable, overrides) if reason is None else None
            if pair is None:
                refusals[name] = reason or _other_grid(group, variable)
            else:
                at = next((key for key in pairs if key[1] == pair and path.startswith(key[0])), (path, pair))
                pairs.setdefault(at, []).append((path, name))
    if not pairs:
        raise SourceError(_nothing_found(groups, refusals))
    chosen = _choose(pairs, wanted)
    for key, members in pairs.items():
        if key != chosen:
            rows, cols = key[1].shape
            refusals.update({name: f"it lies on another grid ({rows} x {cols})" for _, name in members})
    group, pair = groups[chosen[0]], chosen[1]
    if pair.kind == CURVILINEAR:
        return grid_from_cells(group, pair, overrides, replace(location, group=chosen[0])), pairs[chosen], refusals
    return grid_from_axes(group, pair, overrides, _cell_coordinates(group, pair)), pairs[chosen], refusals


def _choose(
    pairs: Mapping[tuple[str, CoordinatePair], list[tuple[str, str]]], wanted: set[str] | None
) -> tuple[str, CoordinatePair]:
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
    if variable.dtype.kind == "c":
        return f"its type {variable.dtype} is complex; extract amplitude or phase first"
    if variable.dtype.kind not in _NUMERIC_KINDS + "Mm":
        return f"its type {variable.dtype} is not a number"
    if variable.dtype.kind == "f" and variable.dtype.itemsize > 8:
        return f"its type {variable.dtype} is not portable"
    if variable.dtype.kind in "Mm" and not cf.time_attributes(variable.dtype)["units"].split(" since")[0]:
        return f"its type {variable.dtype} has units without a CF name"
    empty = [str(dim) for dim, size in variable.sizes.items() if size == 0]
    return f"its dimension {empty[0]} has no steps" if empty else None


def _helper_names(group: xr.Dataset) -> set[str]:
    """Return the variables that only serve others: coordinates, bounds and grid mappings."""
    names = {str(name) for name in group.dims} | {str(name) for name in group.coords}
    names.update(_coordinates(group, "latitude"), _coordinates(group, "longitude"))
    names.update(name for pair in find_cell_coordinates(group) for name in pair)
    for variable in group.variables.values():
        for attribute in ("bounds", "climatology", "edges", "grid_mapping", "coordinates"):
            named = cf.text(variable.attrs, attribute)
            names.update(word.rstrip(":") for word in named.split())
    return names


def _coordinates(group: xr.Dataset, kind: str) -> list[str]:
    return find_coordinates(group, kind, _NAMES)


def _pair_of(group: xr.Dataset, variable: xr.Variable, overrides: Overrides) -> CoordinatePair | None:
    """Return the coordinates of a variable: those that the user names, else longitudes and latitudes, else x and y."""
    if overrides.x is not None or overrides.y is not None:
        return _named_pair(group, variable, overrides)
    along = {kind: _along(group, variable, _coordinates(group, kind)) for kind in ("latitude", "longitude")}
    pair = _crossing(group, along["latitude"], along["longitude"], LONLAT)
    mapping = _mapping(group, variable)
    stated = _stated_kind(group, variable)
    if pair is not None and overrides.crs is None and not stated:
        return pair
    if pair is not None and overrides.crs is None:
        # By axis and name, longitudes and latitudes could be taken for x and y.
        ys, xs = _marked(group, _Y_KINDS, "", ()), _marked(group, _X_KINDS, "", ())
    else:
        ys, xs = _marked(group, _Y_KINDS, "Y", _Y_NAMES), _marked(group, _X_KINDS, "X", _X_NAMES)
    projected = _crossing(group, _along(group, variable, ys), _along(group, variable, xs), PROJECTED, mapping)
    if projected is not None and (mapping or overrides.crs or _is_projected(group, projected)):
        return projected
    if pair is None:
        return _curvilinear_pair(group, variable)
    # Along one dimension each, degrees on a rotated grid are rotated ones, whatever their units. On other projections
    # they are true longitudes and latitudes of each row and column.
    rotated = stated == "rotated_latitude_longitude"
    return replace(pair, kind=PROJECTED, mapping=mapping) if rotated or overrides.crs is not None else pair


def _stated_kind(group: xr.Dataset, variable: xr.Variable) -> str:
    """Return the projection that a variable's own grid mapping names; empty for degrees and for none."""
    mapping = _mapping(group, variable) if cf.text(variable.attrs, "grid_mapping") else ""
    kind = cf.text(group.variables[mapping].attrs, "grid_mapping_name") if mapping else ""
    return "" if kind == "latitude_longitude" else kind


def _curvilinear_pair(group: xr.Dataset, variable: xr.Variable) -> CoordinatePair | None:
    """Return the latitudes and longitudes of every cell of a variable; those that it names itself come first."""
    named = cf.text(variable.attrs, "coordinates").replace("/", " ").split()
    dims = [str(dim) for dim in variable.dims]
    pairs = find_cell_coordinates(group)
    ranked = sorted(pairs, key=lambda pair: named.index(pair[0]) if pair[0] in named else len(named))
    for latitude, longitude in ranked:
        row_dim, col_dim = (str(dim) for dim in group.variables[latitude].dims[-2:])
        if {row_dim, col_dim} <= set(dims):
            shape = (group.sizes[row_dim], group.sizes[col_dim])
            return CoordinatePair(CURVILINEAR, latitude, longitude, row_dim, col_dim, shape, _mapping(group, variable))
    return None


def _check_names(groups: Mapping[str, xr.Dataset], overrides: Overrides) -> None:
    """Raise ``SourceError`` where the user names one coordinate only, or one that no group has."""
    names = [name for name in (overrides.y, overrides.x) if name is not None]
    if len(names) == 1:
        raise SourceError("--x and --y name coordinates together; give both or neither")
    for name in names:
        if not any(name in group.variables for group in groups.values()):
            there = sorted({str(each) for group in groups.values() for each in group.variables})
            raise SourceError(f"there is no variable {name!r} for --x or --y; the file has {', '.join(there[:30])}")


def _named_pair(group: xr.Dataset, variable: xr.Variable, overrides: Overrides) -> CoordinatePair | None:
    names = [name for name in (overrides.y, overrides.x) if name is not None]
    if any(name not in group.variables for name in names):
        return None
    ys, xs = (_along(group, variable, [name]) for name in names)
    kind = PROJECTED if overrides.crs or _mapping(group, variable) else LONLAT
    return _crossing(group, ys, xs, kind, _mapping(group, variable))


def _along(group: xr.Dataset, variable: xr.Variable, names: list[str]) -> list[tuple[str, str]]:
    """Return the one-dimensional coordinates along dimensions of a variable, each with its dimension."""
    dims = {str(dim) for dim in variable.dims}
    found = ((name, group.variables[name]) for name in names)
    return [
        (name, str(coordinate.dims[0]))
        for name, coordinate in found
        if coordinate.ndim == 1 and str(coordinate.dims[0]) in dims and coordinate.dtype.kind in _NUMERIC_KINDS
    ]


def _crossing(
    group: xr.Dataset, ys: list[tuple[str, str]], xs: list[tuple[str, str]], kind: str, mapping: str = ""
) -> CoordinatePair | None:
    for y, row_dim in ys:
        for x, col_dim in xs:
            if row_dim != col_dim:
                return CoordinatePair(
                    kind, y, x, row_dim, col_dim, (group.sizes[row_dim], group.sizes[col_dim]), mapping
                )
    return None


def _marked(group: xr.Dataset, kinds: tuple[str, ...], axis: str, names: tuple[str, ...]) -> list[str]:
    """Return the one-dimensional variables that are projected coordinates: by standard name, axis or usual name."""
    flat = [(str(name), variable) for name, variable in group.variables.items() if variable.ndim == 1]
    standard = [name for name, variable in flat if cf.text(variable.attrs, "standard_name") in kinds]
    if standard:
        return standard
    return [
        name
        for name, variable in flat
        if cf.text(variable.attrs, "axis") == axis or (name.lower() in names and not cf.text(variable.attrs, "axis"))
    ]


def _is_projected(group: xr.Dataset, pair: CoordinatePair) -> bool:
    """Return whether coordinates without a coordinate reference system are projected, so that one must be given."""
    attributes = group.variables[pair.x].attrs
    return cf.text(attributes, "standard_name") in _X_KINDS or cf.text(attributes, "units").lower() in ("m", "km")


def _mapping(group: xr.Dataset, variable: xr.Variable) -> str:
    """Return the grid mapping variable of a variable, or the only one there is; empty where there is none."""
    words = cf.text(variable.attrs, "grid_mapping").replace(":", " ").split()
    named = [word.rpartition("/")[2] for word in words]
    for name in named:
        if name in group.variables:
            return name
    stated = [
        str(name)
        for name, other in group.variables.items()
        if any(cf.text(other.attrs, key) for key in ("grid_mapping_name", "crs_wkt", "spatial_ref"))
    ]
    return stated[0] if len(stated) == 1 and not named else ""


def _cell_coordinates(group: xr.Dataset, pair: CoordinatePair) -> list[tuple[str, str]]:
    """Return the latitudes and longitudes of every cell that accompany projected coordinates."""
    both = [
        [
            name
            for name in _coordinates(group, kind)
            if {pair.row_dim, pair.col_dim} <= {str(dim) for dim in group.variables[name].dims}
        ]
        for kind in ("latitude", "longitude")
    ]
    return list(zip(*both, strict=False))


def _other_grid(group: xr.Dataset, variable: xr.Variable) -> str:
    """Return why a variable lies on no grid that can be placed."""
    dims = set(variable.dims)
    for name in _marked(group, _X_KINDS, "", ()):
        mapping = _mapping(group, variable)
        if set(group.variables[name].dims) <= dims and mapping:
            kind = cf.text(group.variables[mapping].attrs, "grid_mapping_name")
            return f"it lies on a projected grid{f' ({kind})' if kind else ''} and lacks x or y along its dimensions"
    return "it has no longitude and latitude coordinates"


def _nothing_found(groups: Mapping[str, xr.Dataset], refusals: Mapping[str, str]) -> str:
    if not refusals:
        count = sum(len(group.variables) for group in groups.values())
        return f"none of its {count} variables lies on a grid; {ALLOWED}"
    name, reason = next(
        (item for item in refusals.items() if "not a number" not in item[1]), next(iter(refusals.items()))
    )
    others = f" (and {len(refusals) - 1} more variables)" if len(refusals) > 1 else ""
    return f"nothing to convert: {name}: {reason}{others}; {ALLOWED}"
