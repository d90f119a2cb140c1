"""The coordinates that the user names, with ``--x`` and ``--y``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf.coordinate_units import Quantity
from lazytile.pyramid.sources.cf.crs import is_lonlat, parse_crs
from lazytile.pyramid.sources.grids.cell_coordinates import pair_of_names
from lazytile.pyramid.sources.grids.coordinate_pair import CURVILINEAR, LONLAT, PROJECTED, CoordinatePair
from lazytile.pyramid.sources.grids.crossing import Crossing
from lazytile.pyramid.sources.grids.role import Evidence

if TYPE_CHECKING:
    import xarray as xr

    from lazytile.pyramid.sources.grids.group_view import GroupView
    from lazytile.pyramid.sources.overrides import Overrides


def named_pair(view: GroupView, variable: xr.Variable, overrides: Overrides, y: str, x: str) -> CoordinatePair | None:
    """Return the coordinates that the user names, along one or two dimensions of a variable.

    Args:
        view: Of the variable's group.
        variable: With two or more dimensions.
        overrides: What the user states.
        y: Name or path of the coordinate of rows.
        x: Name or path of the coordinate of columns.

    Returns:
        The coordinates; None where the group lacks them or they do not run along the variable's dimensions.
    """
    y, x = (name.strip("/").rpartition("/")[2] for name in (y, x))
    if any(name not in view.group.variables for name in (y, x)):
        return None
    dims = {str(dim) for dim in variable.dims}
    by = ("--y", "--x")
    cells = pair_of_names(view.group, y, x)
    if cells is not None:
        mapping = view.any_mapping(variable)
        shape = view.group.sizes[cells.row_dim], view.group.sizes[cells.col_dim]
        found = CoordinatePair(
            CURVILINEAR, y, x, cells.row_dim, cells.col_dim, shape, mapping, evidence=Evidence.USER, by=by, cells=cells
        )
        return found if {cells.row_dim, cells.col_dim} <= dims else None
    coordinates = [view.group.variables[name] for name in (y, x)]
    along = [str(dim) for each in coordinates for dim in each.dims]
    if len(along) != 2 or not set(along) <= dims or along[0] == along[1]:
        return None
    crossing = Crossing(y, x, along[0], along[1], Evidence.USER, by)
    kind, mapping, crs = _kind_of_named(view, variable, overrides, (y, x))
    return replace(crossing.pair(view, kind, None), mapping=mapping, crs=crs, crs_by="a convention")


def _kind_of_named(
    view: GroupView, variable: xr.Variable, overrides: Overrides, names: tuple[str, str]
) -> tuple[str, str, str]:
    """Return the kind of coordinates that the user names, their grid mapping and their other statement of a CRS."""
    if overrides.crs is not None:
        return LONLAT if is_lonlat(parse_crs(overrides.crs)) else PROJECTED, "", ""
    roles = [view.roles.get(name) for name in names]
    if all(role is not None and not role.is_flat for role in roles):
        return LONLAT, "", ""
    mapping, (crs, _) = view.any_mapping(variable), view.conventional(variable)
    if mapping and view.is_projection(mapping):
        return PROJECTED, mapping, ""
    if crs:
        return LONLAT if is_lonlat(parse_crs(crs)) else PROJECTED, "", crs
    metres = any(role is not None and role.quantity is Quantity.LENGTH for role in roles)
    return PROJECTED if metres else LONLAT, "", ""
