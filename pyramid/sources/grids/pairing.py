"""The coordinates of one variable, chosen in the order of ``role.Evidence``.

What is chosen here is what the metadata say. ``source_grid`` reads the numbers, compares them with the true places of
the cells, and takes the places where the evidence for the coordinates is weaker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.coordinate_units import Quantity
from lazytile.pyramid.sources.cf.crs import is_lonlat, parse_crs
from lazytile.pyramid.sources.grids.cell_coordinates import CellPair, pair_of_names
from lazytile.pyramid.sources.grids.coordinate_pair import CURVILINEAR, LONLAT, PROJECTED, CoordinatePair
from lazytile.pyramid.sources.grids.role import Evidence, Kind

if TYPE_CHECKING:
    import xarray as xr

    from lazytile.pyramid.sources.grids.group_view import GroupView
    from lazytile.pyramid.sources.overrides import Overrides

_ROTATED = "rotated_latitude_longitude"


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A coordinate of rows and one of columns along two dimensions of a variable."""

    y: str
    x: str
    row_dim: str
    col_dim: str
    evidence: Evidence
    by: tuple[str, str]

    def pair(self, view: GroupView, kind: str, cells: CellPair | None) -> CoordinatePair:
        shape = view.group.sizes[self.row_dim], view.group.sizes[self.col_dim]
        there = cells if cells is not None and {cells.row_dim, cells.col_dim} == {self.row_dim, self.col_dim} else None
        return CoordinatePair(
            kind, self.y, self.x, self.row_dim, self.col_dim, shape, evidence=self.evidence, by=self.by, cells=there
        )


def pair_of(view: GroupView, variable: xr.Variable, overrides: Overrides) -> CoordinatePair | None:
    """Return the coordinates of a variable.

    Args:
        view: Of the variable's group.
        variable: With two or more dimensions.
        overrides: What the user states.

    Returns:
        The coordinates; None where nothing places the variable on the Earth.

    Raises:
        SourceError: A coordinate reference system that is stated is invalid.
    """
    if overrides.x is not None and overrides.y is not None:
        return _named(view, variable, overrides, overrides.y, overrides.x)
    cells = cells_of(view, variable)
    lonlat = _crossing(view, variable, Kind.LATITUDE, Kind.LONGITUDE)
    flat = _crossing(view, variable, Kind.Y, Kind.X)
    if overrides.crs is not None:
        return _with_user_crs(view, variable, overrides.crs, (lonlat, flat), cells)
    for use in view.uses(variable):
        extended = _extended(view, variable, use.name, use.coordinates, cells) if use.coordinates else None
        if extended is not None:
            return extended
    own = next((use.name for use in view.uses(variable) if view.is_projection(use.name)), "")
    if own:
        projected = _in_projection(view, own, lonlat, flat, cells)
        if projected is not None:
            return projected
    if lonlat is not None and lonlat.evidence is Evidence.CF:
        return replace(lonlat.pair(view, LONLAT, cells), mapping=_other_meridian(view, variable))
    for found in (_in_own_degrees(view, variable, flat, cells), _by_convention(view, variable, flat, cells)):
        if found is not None:
            return found
    if lonlat is not None:
        return replace(lonlat.pair(view, LONLAT, cells), mapping=_other_meridian(view, variable))
    if cells is not None:
        return _of_cells(view, variable, cells, flat)
    if flat is not None and _claims_projection(view, flat):
        return flat.pair(view, PROJECTED, None)
    return None


def _other_meridian(view: GroupView, variable: xr.Variable) -> str:
    """Return the grid mapping by which longitudes are not counted from Greenwich; empty where they are."""
    for use in view.uses(variable):
        crs = view.crs_of(use.name)
        if crs is not None and crs.is_geographic and crs.prime_meridian is not None and crs.prime_meridian.longitude:
            return use.name
    return ""


def _claims_projection(view: GroupView, flat: _Crossing) -> bool:
    """Return whether coordinates without a coordinate reference system are projected, so that one must be given."""
    return any(
        view.roles[name].quantity is not Quantity.NONE or view.roles[name].by == "standard_name"
        for name in (flat.x, flat.y)
    )


def cells_of(view: GroupView, variable: xr.Variable) -> CellPair | None:
    """Return the true places of the cells of a variable; those that it names itself come first.

    Args:
        view: Of the variable's group.
        variable: Of the group.

    Returns:
        The places; None where there are none along two of its dimensions.
    """
    named = view.named_coordinates(variable)
    dims = {str(dim) for dim in variable.dims}
    there = [pair for pair in view.cells if {pair.row_dim, pair.col_dim} <= dims]

    def rank(pair: CellPair) -> tuple[int, bool, int]:
        return named.index(pair.latitude) if pair.latitude in named else len(named), bool(pair.moving), pair.evidence

    return min(there, key=rank, default=None)


def _crossing(view: GroupView, variable: xr.Variable, y_kind: Kind, x_kind: Kind) -> _Crossing | None:
    """Return the coordinates of two kinds with the strongest evidence along different dimensions."""
    best: _Crossing | None = None
    for y, row_dim in view.along(variable, y_kind):
        for x, col_dim in view.along(variable, x_kind):
            if row_dim == col_dim:
                continue
            roles = view.roles[y], view.roles[x]
            evidence = max(role.evidence for role in roles)
            if best is None or evidence < best.evidence:
                best = _Crossing(y, x, row_dim, col_dim, evidence, (roles[0].by, roles[1].by))
    return best


def _named(view: GroupView, variable: xr.Variable, overrides: Overrides, y: str, x: str) -> CoordinatePair | None:
    """Return the coordinates that the user names, along one or two dimensions of a variable."""
    y, x = (name.strip("/").rpartition("/")[2] for name in (y, x))
    if any(name not in view.group.variables for name in (y, x)):
        return None
    dims = {str(dim) for dim in variable.dims}
    cells = pair_of_names(view.group, y, x)
    by = ("--y", "--x")
    if cells is not None:
        if not {cells.row_dim, cells.col_dim} <= dims:
            return None
        shape = view.group.sizes[cells.row_dim], view.group.sizes[cells.col_dim]
        mapping = _any_mapping(view, variable)
        return CoordinatePair(
            CURVILINEAR, y, x, cells.row_dim, cells.col_dim, shape, mapping, "", Evidence.USER, by, cells
        )
    coordinates = [view.group.variables[name] for name in (y, x)]
    if any(each.ndim != 1 or str(each.dims[0]) not in dims for each in coordinates):
        return None
    row_dim, col_dim = (str(each.dims[0]) for each in coordinates)
    if row_dim == col_dim:
        return None
    crossing = _Crossing(y, x, row_dim, col_dim, Evidence.USER, by)
    if overrides.crs is not None:
        return crossing.pair(view, LONLAT if is_lonlat(parse_crs(overrides.crs)) else PROJECTED, None)
    mapping = _any_mapping(view, variable)
    roles = [view.roles.get(name) for name in (y, x)]
    angular = all(role is not None and not role.is_flat for role in roles)
    if mapping and view.is_projection(mapping) and not angular:
        return replace(crossing.pair(view, PROJECTED, None), mapping=mapping)
    metres = any(role is not None and role.is_flat and role.quantity is Quantity.LENGTH for role in roles)
    crs = view.conventional(variable)
    if crs and not angular:
        return replace(crossing.pair(view, LONLAT if is_lonlat(parse_crs(crs)) else PROJECTED, None), crs=crs)
    return crossing.pair(view, PROJECTED if metres else LONLAT, None)


def _any_mapping(view: GroupView, variable: xr.Variable) -> str:
    return next((use.name for use in view.uses(variable)), view.only_mapping(variable))


def _with_user_crs(
    view: GroupView,
    variable: xr.Variable,
    text: str,
    crossings: tuple[_Crossing | None, _Crossing | None],
    cells: CellPair | None,
) -> CoordinatePair | None:
    lonlat, flat = crossings
    degrees = is_lonlat(parse_crs(text))
    chosen = (lonlat or flat) if degrees else (flat or lonlat)
    if chosen is not None:
        found = chosen.pair(view, LONLAT if degrees else PROJECTED, cells)
        return replace(found, evidence=Evidence.USER)
    return None if cells is None else _of_cells(view, variable, cells, None)


def _extended(
    view: GroupView, variable: xr.Variable, mapping: str, names: tuple[str, ...], cells: CellPair | None
) -> CoordinatePair | None:
    """Return the coordinates that a grid mapping in the extended form names, in whatever order it names them."""
    dims = [str(dim) for dim in variable.dims]
    flat = [
        name
        for name in names
        if name in view.group.variables
        and view.group.variables[name].ndim == 1
        and str(view.group.variables[name].dims[0]) in dims
    ]
    if len(flat) != 2:
        return None
    roles = {name: view.roles.get(name) for name in flat}
    rows = [name for name, role in roles.items() if role is not None and role.kind in (Kind.Y, Kind.LATITUDE)]
    cols = [name for name, role in roles.items() if role is not None and role.kind in (Kind.X, Kind.LONGITUDE)]
    by = f"grid mapping {mapping}"
    if len(rows) == 1 or len(cols) == 1:
        y = rows[0] if len(rows) == 1 else next(name for name in flat if name != cols[0])
        x = next(name for name in flat if name != y)
    else:
        # Nothing tells rows from columns but the order of the dimensions.
        y, x = sorted(flat, key=lambda name: dims.index(str(view.group.variables[name].dims[0])))
        by += " and the order of dimensions"
    row_dim, col_dim = (str(view.group.variables[name].dims[0]) for name in (y, x))
    if row_dim == col_dim:
        return None
    crossing = _Crossing(y, x, row_dim, col_dim, Evidence.CF, (by, by))
    kind = PROJECTED if view.is_projection(mapping) else LONLAT
    return replace(crossing.pair(view, kind, cells), mapping=mapping)


def _in_projection(
    view: GroupView, mapping: str, lonlat: _Crossing | None, flat: _Crossing | None, cells: CellPair | None
) -> CoordinatePair | None:
    """Return the coordinates of a variable whose grid mapping states a projection."""
    if flat is not None and (lonlat is None or _marked_as_projected(view, flat)):
        return replace(flat.pair(view, PROJECTED, cells), mapping=mapping)
    if lonlat is None:
        return None
    # Along one dimension each, degrees on a rotated grid are rotated ones, whatever their units. On other projections
    # they are true longitudes and latitudes of each row and column.
    if cf.text(view.group.variables[mapping].attrs, "grid_mapping_name") == _ROTATED:
        return replace(lonlat.pair(view, PROJECTED, cells), mapping=mapping)
    crs = view.crs_of(mapping)
    if crs is not None and crs.is_geographic and crs.is_derived:
        return replace(lonlat.pair(view, PROJECTED, cells), mapping=mapping)
    note = f"the grid mapping {mapping} is not used: {lonlat.y} and {lonlat.x} are degrees"
    return replace(lonlat.pair(view, LONLAT, cells), notes=(note,))


def _marked_as_projected(view: GroupView, flat: _Crossing) -> bool:
    return all(
        view.roles[name].by == "standard_name" or view.roles[name].quantity is Quantity.LENGTH
        for name in (flat.x, flat.y)
    )


def _in_own_degrees(
    view: GroupView, variable: xr.Variable, flat: _Crossing | None, cells: CellPair | None
) -> CoordinatePair | None:
    """Return x and y of a variable whose own grid mapping states true longitudes and latitudes."""
    uses = view.uses(variable)
    if flat is None or not uses or view.crs_of(uses[0].name) is None or view.is_projection(uses[0].name):
        return None
    if any(view.roles[name].quantity is Quantity.LENGTH for name in (flat.x, flat.y)):
        return None
    found = flat.pair(view, LONLAT, cells)
    return replace(found, mapping=uses[0].name, by=(f"grid mapping {uses[0].name}",) * 2)


def _by_convention(
    view: GroupView, variable: xr.Variable, flat: _Crossing | None, cells: CellPair | None
) -> CoordinatePair | None:
    """Return x and y of a variable whose coordinate reference system a convention states."""
    if flat is None:
        return None
    evidence = max(flat.evidence, Evidence.CONVENTION)
    mapping = view.only_mapping(variable)
    if mapping and view.crs_of(mapping) is not None:
        kind = PROJECTED if view.is_projection(mapping) else LONLAT
        return replace(flat.pair(view, kind, cells), mapping=mapping, evidence=evidence)
    crs = view.conventional(variable)
    if not crs:
        return None
    kind = LONLAT if is_lonlat(parse_crs(crs)) else PROJECTED
    return replace(flat.pair(view, kind, cells), crs=crs, evidence=evidence)


def _of_cells(view: GroupView, variable: xr.Variable, cells: CellPair, flat: _Crossing | None) -> CoordinatePair:
    shape = view.group.sizes[cells.row_dim], view.group.sizes[cells.col_dim]
    notes: tuple[str, ...] = ()
    if flat is not None:
        notes = (f"{flat.y} and {flat.x} are not used: nothing states their coordinate reference system",)
    by = tuple(view.roles[name].by if name in view.roles else "" for name in (cells.latitude, cells.longitude))
    return CoordinatePair(
        CURVILINEAR,
        cells.latitude,
        cells.longitude,
        cells.row_dim,
        cells.col_dim,
        shape,
        _any_mapping(view, variable),
        view.conventional(variable),
        max(Evidence.PLACES, cells.evidence) if cells.evidence is not Evidence.USER else Evidence.USER,
        (by[0], by[1]),
        cells,
        notes,
    )
