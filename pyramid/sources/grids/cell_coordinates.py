"""Which variables of a group hold the latitude and longitude of every cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes

if TYPE_CHECKING:
    import xarray as xr

_NUMERIC_KINDS = "iufb"
_LATITUDE = re.compile(r"x?lat(?:itude)?s?(?:_.*)?|nav_lat.*|gphi.|tlat|ulat", re.IGNORECASE)
_NORTH_UNITS = re.compile(r"degrees?[ _]?(?:n|north|latitude)?", re.IGNORECASE)
_LONGITUDE_TWINS = (
    ("latitude", "longitude"),
    ("Latitude", "Longitude"),
    ("LATITUDE", "LONGITUDE"),
    ("lat", "lon"),
    ("LAT", "LON"),
    ("LAT", "LONG"),
    ("lat", "long"),
    ("gphi", "glam"),
    ("Lat", "Lon"),
)


def find_cell_coordinates(group: xr.Dataset) -> list[tuple[str, str]]:
    """Return the latitudes and longitudes of every cell that a group holds.

    Args:
        group: Variables, not decoded.

    Returns:
        Names of latitude and longitude variables with two or more dimensions, identified by standard name and units or
        by name.
    """
    found = []
    for name, variable in group.variables.items():
        standard = attributes.text(variable.attrs, "standard_name")
        units = attributes.text(variable.attrs, "units")
        is_latitude = standard.startswith("latitude") or (
            not standard and _LATITUDE.fullmatch(str(name)) and _NORTH_UNITS.fullmatch(units or "degrees")
        )
        if variable.ndim < 2 or not is_latitude or variable.dtype.kind not in _NUMERIC_KINDS:
            continue
        if any(size != 1 for size in variable.shape[:-2]) and variable.ndim > 3:
            continue
        twins = [str(name).replace(*pair) for pair in _LONGITUDE_TWINS]
        twins += [
            str(other)
            for other, twin in group.variables.items()
            if standard and attributes.text(twin.attrs, "standard_name") == standard.replace("latitude", "longitude")
        ]
        for twin_name in twins:
            if twin_name != name and twin_name in group.variables and group.variables[twin_name].dims == variable.dims:
                found.append((str(name), twin_name))
                break
    return found
