"""The fill value that nobody stated: that of Zarr 2's metadata and of kerchunk's references, mostly 0.

Zarr 2 gives every array one, and xarray takes it for what marks no data. Coordinates and their bounds have a value
everywhere (CF 1.11, 2.5.1 and 7.1), and 0 among them is the equator, the prime meridian or the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.coordinate_units import coordinate_unit

if TYPE_CHECKING:
    import xarray as xr

_ASSUMED = ("0", "0.0")
_NAMING = ("coordinates", "bounds", "edges", "climatology")
"""Attributes that name coordinates and bounds of a variable."""
_PLACES = frozenset({"latitude", "longitude", "grid_latitude", "grid_longitude"})


def without_assumed_fill(group: xr.Dataset) -> xr.Dataset:
    """Take the fill value 0 from the coordinates of a group of Zarr and from their bounds.

    Args:
        group: Variables, not decoded; their attributes are changed.

    Returns:
        The same group.
    """
    named = {name for each in group.variables.values() for key in _NAMING for name in cf.text(each.attrs, key).split()}
    for name, variable in group.variables.items():
        if str(variable.attrs.get("_FillValue")) in _ASSUMED and (name in named or _is_coordinate(variable)):
            del variable.attrs["_FillValue"]
    return group


def _is_coordinate(variable: xr.Variable) -> bool:
    """Return whether a variable is one of an axis, or says that it holds latitudes or longitudes."""
    if variable.ndim <= 1:
        return True
    standard = cf.text(variable.attrs, "standard_name").lower()
    return standard in _PLACES or bool(coordinate_unit(cf.text(variable.attrs, "units")).direction)
