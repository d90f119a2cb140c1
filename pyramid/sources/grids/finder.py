"""Which variables of a file lie on a grid, and on which.

``pairing`` chooses the coordinates of each variable by the order of evidence. Variables that cannot be placed on the
Earth are returned with the reason, so that an error can name it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.grids.axis_bounds import USUAL_SUFFIXES
from lazytile.pyramid.sources.grids.coordinate_pair import (
    CURVILINEAR,
    EQUALLY_NEAR,
    CoordinatePair,
    SourceGrid,
    SourceLocation,
)
from lazytile.pyramid.sources.grids.crossing import crossing_of
from lazytile.pyramid.sources.grids.curvilinear import grid_from_cells
from lazytile.pyramid.sources.grids.group_view import GroupView
from lazytile.pyramid.sources.grids.pairing import cells_of, pair_of
from lazytile.pyramid.sources.grids.role import Evidence, Kind
from lazytile.pyramid.sources.grids.source_grid import PlacesDisagreeError, grid_from_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from lazytile.pyramid.sources.overrides import Overrides

ALLOWED = "a grid needs longitudes and latitudes, or x and y with a coordinate reference system (--x, --y, --crs)"
_NUMERIC_KINDS = "iufb"


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
    views: dict[str, GroupView] = {}
    for path, group in groups.items():
        views[path] = view = GroupView.of(group)
        helpers = _helper_names(view)
        own = [str(name) for name in group.data_vars]
        for name in (name for name in own if name not in helpers):
            variable = group.variables[name]
            if variable.ndim < 2:
                continue
            reason = _unfit(variable)
            pair = pair_of(view, variable, overrides) if reason is None else None
            if pair is not None and pair.kind == CURVILINEAR and pair.cells is not None and pair.cells.moving:
                reason, pair = _moving(pair), None
            if pair is None:
                refusals[name] = reason or _not_placed(view, variable)
            else:
                at = next((key for key in pairs if key[1] == pair and path.startswith(key[0])), (path, pair))
                pairs.setdefault(at, []).append((path, name))
    if not pairs:
        raise SourceError(_nothing_found(groups, refusals))
    chosen = _choose(pairs, wanted)
    refusals.update(_on_other_grids(pairs, chosen))
    found = _grid_of(views[chosen[0]].group, chosen[1], overrides, replace(location, group=chosen[0]))
    return found, pairs[chosen], refusals


def _on_other_grids(
    pairs: Mapping[tuple[str, CoordinatePair], Sequence[tuple[str, str]]], chosen: tuple[str, CoordinatePair]
) -> dict[str, str]:
    """Return why variables on other grids than the chosen one are left out."""
    shown = {name for _, name in pairs[chosen]}
    halved = _halved(chosen[1].shape)  # overviews of what is shown are not left out: they are made again
    found: dict[str, str] = {}
    for key, members in pairs.items():
        rows, cols = key[1].shape
        for path, name in members if key != chosen else ():
            if name not in shown:
                found[name] = f"it lies on another grid ({rows} x {cols})"
            elif key[1].shape not in halved:
                # The name is shown: what is left out is the variable of that name in another group.
                found[f"{path}/{name}".lstrip("/")] = f"it lies on another grid ({rows} x {cols})"
    return found


def _halved(shape: tuple[int, int]) -> set[tuple[int, int]]:
    """Return the shapes of overviews, each half the one before, rounded up or down."""
    rows, cols = {shape[0]}, {shape[1]}
    found: set[tuple[int, int]] = set()
    while max(rows | cols) > 1:
        rows, cols = ({max(1, (each + more) // 2) for each in side for more in (0, 1)} for side in (rows, cols))
        found |= {(row, col) for row in rows for col in cols}
    return found


def _grid_of(group: xr.Dataset, pair: CoordinatePair, overrides: Overrides, location: SourceLocation) -> SourceGrid:
    if pair.kind == CURVILINEAR:
        return grid_from_cells(group, pair, overrides, location)
    try:
        return grid_from_axes(group, pair, overrides)
    except PlacesDisagreeError as error:
        cells = pair.cells
        if cells is None:
            raise
        note = f"{pair.y} and {pair.x} are not used: {error}"
        by = tuple(_role_text(GroupView.of(group), name) for name in (cells.latitude, cells.longitude))
        places = replace(pair, kind=CURVILINEAR, by=(by[0], by[1]), notes=(*pair.notes, note))
        return grid_from_cells(group, places, overrides, location)


def _role_text(view: GroupView, name: str) -> str:
    return view.roles[name].by if name in view.roles else "its name"


def _moving(pair: CoordinatePair) -> str:
    cells = pair.cells
    dims = ", ".join(cells.moving) if cells is not None else ""
    return f"its places {pair.y} and {pair.x} differ from step to step of {dims}; convert one step at a time"


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


def _helper_names(view: GroupView) -> set[str]:
    """Return the variables that only serve others: coordinates, bounds and grid mappings."""
    group = view.group
    names = {str(name) for name in group.dims} | {str(name) for name in group.coords}
    names.update(
        name
        for name, role in view.roles.items()
        if not role.is_flat and (role.evidence is not Evidence.NAME or group.variables[name].ndim == 1)
    )
    names.update(f"{name}{suffix}" for name in view.roles for suffix in USUAL_SUFFIXES)
    names.update(name for pair in view.cells for name in (pair.latitude, pair.longitude))
    for variable in group.variables.values():
        for attribute in ("bounds", "climatology", "edges", "grid_mapping", "coordinates"):
            named = cf.text(variable.attrs, attribute)
            names.update(word.rstrip(":").rpartition("/")[2] for word in named.split())
    return names


def _check_names(groups: Mapping[str, xr.Dataset], overrides: Overrides) -> None:
    """Raise ``SourceError`` where the user names one coordinate only, or one that no group has."""
    names = [name for name in (overrides.y, overrides.x) if name is not None]
    if len(names) == 1:
        raise SourceError("--x and --y name coordinates together; give both or neither")
    for name in names:
        if not any(name.strip("/").rpartition("/")[2] in group.variables for group in groups.values()):
            there = sorted({str(each) for group in groups.values() for each in group.variables})
            raise SourceError(f"there is no variable {name!r} for --x or --y; the file has {', '.join(there[:30])}")


def _not_placed(view: GroupView, variable: xr.Variable) -> str:
    """Return why a variable lies on no grid that can be placed."""
    dims = {str(dim) for dim in variable.dims}
    along = {
        name: role for name, role in view.roles.items() if {str(dim) for dim in view.group.variables[name].dims} <= dims
    }
    problem = next((role.problem for role in along.values() if role.problem), "")
    if problem:
        return problem
    flat = [name for name, role in along.items() if role.is_flat]
    for use in view.uses(variable):
        if flat and view.is_projection(use.name):
            kind = cf.text(view.group.variables[use.name].attrs, "grid_mapping_name")
            return f"it lies on a projected grid{f' ({kind})' if kind else ''} and lacks x or y along its dimensions"
    named = crossing_of(view, variable, Kind.LATITUDE, Kind.LONGITUDE)
    misfit = view.misfit(named.y, named.x) if named is not None else ""
    if named is not None and misfit:
        return f"{named.y} and {named.x} have no units, and {misfit}; give --crs"
    if len(flat) > 1 and cells_of(view, variable) is None:
        return (
            f"{' and '.join(flat)} have no units: they may be degrees, metres or indices; give --crs "
            "(EPSG:4326 if they are degrees)"
        )
    near = view.group.encoding.get(EQUALLY_NEAR, ())
    if near:
        return f"the groups {' and '.join(near)} are equally near and hold places; name the right ones with --x and --y"
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
