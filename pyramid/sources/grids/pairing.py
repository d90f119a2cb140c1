"""The coordinates of one variable, chosen in the order of ``role.Evidence``.

What is chosen here is what the metadata say. ``source_grid`` reads the numbers, compares them with the true places of
the cells, and takes the places where the evidence for the coordinates is weaker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.coordinate_units import Quantity
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, crs_name, crs_text, is_lonlat, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import has_other_meridian
from lazytile.pyramid.sources.grids.coordinate_pair import CURVILINEAR, LONLAT, PROJECTED, CoordinatePair
from lazytile.pyramid.sources.grids.crossing import Crossing, crossing_of
from lazytile.pyramid.sources.grids.named_pair import named_pair
from lazytile.pyramid.sources.grids.role import Evidence, Kind, is_plain_latitude

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from lazytile.pyramid.sources.grids.cell_coordinates import CellPair
    from lazytile.pyramid.sources.grids.group_view import GroupView
    from lazytile.pyramid.sources.overrides import Overrides

_ROTATED = "rotated_latitude_longitude"


@dataclass(frozen=True, slots=True)
class _Evident:
    """A variable and what there is along its dimensions."""

    view: GroupView
    variable: xr.Variable
    cells: CellPair | None
    """What places the cells where nothing else does."""
    places: CellPair | None
    """The same, if it surely is the place of each cell, so that coordinates must agree with it."""
    lonlat: Crossing | None
    flat: Crossing | None


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
        return named_pair(view, variable, overrides, overrides.y, overrides.x)
    lonlat = crossing_of(view, variable, Kind.LATITUDE, Kind.LONGITUDE)
    flat = crossing_of(view, variable, Kind.Y, Kind.X)
    if lonlat is not None and lonlat.evidence is Evidence.NAME and view.misfit(lonlat.y, lonlat.x):
        flat, lonlat = flat or lonlat, None
    cells = cells_of(view, variable)
    sure = cells is not None and (
        cells.latitude in view.named_coordinates(variable) or is_plain_latitude(cells.latitude)
    )
    evident = _Evident(view, variable, cells, cells if sure else None, lonlat, flat)
    if overrides.crs is not None:
        return _with_user_crs(evident, overrides.crs)
    found = next((pair for rule in _RULES if (pair := rule(evident)) is not None), None)
    return None if found is None else _with_contradictions(view, variable, found)


def _with_contradictions(view: GroupView, variable: xr.Variable, pair: CoordinatePair) -> CoordinatePair:
    """Return a pair that says which coordinate reference system of a convention is overruled."""
    text, by = view.conventional(variable)
    if not text or pair.crs or pair.kind == CURVILINEAR:
        return pair
    stated = view.crs_of(pair.mapping) if pair.mapping else None
    used = crs_text(stated) if stated is not None else GEOGRAPHIC if pair.kind == LONLAT else ""
    other = parse_crs(text)
    if not used or crs_text(other) == used:
        return pair
    better = f"the grid mapping {pair.mapping}" if pair.mapping else f"{pair.y} and {pair.x} in degrees"
    return replace(pair, notes=(*pair.notes, f"{by} ({crs_name(other)}) is not used: {better} is better evidence"))


def _by_extended_mapping(evident: _Evident) -> CoordinatePair | None:
    view, variable = evident.view, evident.variable
    found = (_extended(view, variable, use.name, use.coordinates, evident.places) for use in view.uses(variable))
    return next((pair for pair in found if pair is not None), None)


def _by_own_projection(evident: _Evident) -> CoordinatePair | None:
    uses = evident.view.uses(evident.variable)
    own = next((use.name for use in uses if evident.view.is_projection(use.name)), "")
    return _in_projection(evident.view, own, evident.lonlat, evident.flat, evident.places) if own else None


def _by_stated_degrees(evident: _Evident) -> CoordinatePair | None:
    stated = evident.lonlat is not None and evident.lonlat.evidence is Evidence.CF
    return _in_degrees(evident) if stated else None


def _in_degrees(evident: _Evident) -> CoordinatePair | None:
    if evident.lonlat is None:
        return None
    found = evident.lonlat.pair(evident.view, LONLAT, evident.places)
    return replace(found, mapping=_other_meridian(evident.view, evident.variable))


def _by_places(evident: _Evident) -> CoordinatePair | None:
    if evident.cells is None:
        return None
    return _of_cells(evident.view, evident.variable, evident.cells, evident.flat)


def _without_crs(evident: _Evident) -> CoordinatePair | None:
    """Return coordinates without a coordinate reference system that are projected, so that one must be given."""
    view, flat = evident.view, evident.flat
    if flat is None:
        return None
    roles = [view.roles[name] for name in (flat.x, flat.y)]
    claimed = any(role.quantity is not Quantity.NONE or role.by == "standard_name" for role in roles)
    return flat.pair(view, PROJECTED, None) if claimed else None


def _other_meridian(view: GroupView, variable: xr.Variable) -> str:
    """Return the grid mapping by which longitudes are not counted from Greenwich; empty where they are."""
    uses = (use.name for use in view.uses(variable))
    return next((name for name in uses if has_other_meridian(view.group.variables[name].attrs)), "")


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

    def rank(pair: CellPair) -> tuple[int, bool, bool, int]:
        at = named.index(pair.latitude) if pair.latitude in named else len(named)
        return at, not is_plain_latitude(pair.latitude), bool(pair.moving), pair.evidence

    return min(there, key=rank, default=None)


def _with_user_crs(evident: _Evident, text: str) -> CoordinatePair | None:
    degrees = is_lonlat(parse_crs(text))
    flat, lonlat = evident.flat, evident.lonlat
    chosen = (lonlat or flat) if degrees else (flat or lonlat)
    if chosen is None:
        return _by_places(evident)
    found = chosen.pair(evident.view, LONLAT if degrees else PROJECTED, evident.places)
    return replace(found, evidence=Evidence.USER)


def _extended(
    view: GroupView, variable: xr.Variable, mapping: str, names: tuple[str, ...], cells: CellPair | None
) -> CoordinatePair | None:
    """Return the coordinates that a grid mapping in the extended form names, in whatever order it names them."""
    dims = [str(dim) for dim in variable.dims]
    flat = [
        name
        for name in dict.fromkeys(names)
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
    crossing = Crossing(y, x, row_dim, col_dim, Evidence.CF, (by, by))
    kind = PROJECTED if view.is_projection(mapping) else LONLAT
    return replace(crossing.pair(view, kind, cells), mapping=mapping)


def _in_projection(
    view: GroupView, mapping: str, lonlat: Crossing | None, flat: Crossing | None, cells: CellPair | None
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


def _marked_as_projected(view: GroupView, flat: Crossing) -> bool:
    return all(
        view.roles[name].by == "standard_name" or view.roles[name].quantity is Quantity.LENGTH
        for name in (flat.x, flat.y)
    )


def _in_own_degrees(evident: _Evident) -> CoordinatePair | None:
    """Return x and y of a variable whose own grid mapping states true longitudes and latitudes."""
    view, variable, flat, cells = evident.view, evident.variable, evident.flat, evident.places
    uses = view.uses(variable)
    if flat is None or not uses or not view.states_crs(uses[0].name) or view.is_projection(uses[0].name):
        return None
    if any(view.roles[name].quantity is Quantity.LENGTH for name in (flat.x, flat.y)):
        return None
    found = flat.pair(view, LONLAT, cells)
    return replace(found, mapping=uses[0].name, by=(f"grid mapping {uses[0].name}",) * 2)


def _by_convention(evident: _Evident) -> CoordinatePair | None:
    """Return x and y of a variable whose coordinate reference system a convention states."""
    view, variable, flat, cells = evident.view, evident.variable, evident.flat, evident.places
    if flat is None:
        return None
    evidence = max(flat.evidence, Evidence.CONVENTION)
    mapping = view.only_mapping(variable)
    if mapping and view.states_crs(mapping):
        kind = PROJECTED if view.is_projection(mapping) else LONLAT
        return replace(flat.pair(view, kind, cells), mapping=mapping, evidence=evidence)
    crs, crs_by = view.conventional(variable)
    if not crs:
        return None
    kind = LONLAT if is_lonlat(parse_crs(crs)) else PROJECTED
    return replace(flat.pair(view, kind, cells), crs=crs, crs_by=crs_by, evidence=evidence)


def _of_cells(view: GroupView, variable: xr.Variable, cells: CellPair, flat: Crossing | None) -> CoordinatePair:
    shape = view.group.sizes[cells.row_dim], view.group.sizes[cells.col_dim]
    notes: tuple[str, ...] = ()
    if flat is not None:
        notes = (f"{flat.y} and {flat.x} are not used: nothing states their coordinate reference system",)
    by = tuple(view.roles[name].by if name in view.roles else "" for name in (cells.latitude, cells.longitude))
    crs, crs_by = view.conventional(variable)
    return CoordinatePair(
        CURVILINEAR,
        cells.latitude,
        cells.longitude,
        cells.row_dim,
        cells.col_dim,
        shape,
        view.any_mapping(variable),
        crs,
        crs_by=crs_by,
        evidence=max(Evidence.PLACES, cells.evidence),
        by=(by[0], by[1]),
        cells=cells,
        notes=notes,
    )


_RULES: tuple[Callable[[_Evident], CoordinatePair | None], ...] = (
    _by_extended_mapping,
    _by_own_projection,
    _by_stated_degrees,
    _in_own_degrees,
    _by_convention,
    _in_degrees,
    _by_places,
    _without_crs,
)
"""Each finds the coordinates by one kind of evidence. Those by a convention or a name are checked with the places."""
