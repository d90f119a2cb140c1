"""Which variables of a group hold the latitude and longitude of every cell, and along which dimensions they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.sources.cf import attributes
from lazytile.pyramid.sources.grids.role import Evidence, Kind
from lazytile.pyramid.sources.grids.stored_coordinate import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.sources.grids.role import Role

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
    ("LATI", "LONG"),
    ("y", "x"),
    ("Y", "X"),
)
_TIMES = frozenset({"time", "times", "t", "date", "record", "step"})
_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class CellPair:
    """The latitude and longitude of every cell."""

    latitude: str
    longitude: str
    row_dim: str
    col_dim: str
    moving: tuple[str, ...] = ()
    """Dimensions besides rows and columns from step to step of which places differ."""
    evidence: Evidence = Evidence.CF
    """Of the weaker one of the two."""


def find_cell_coordinates(group: xr.Dataset, roles: Mapping[str, Role]) -> list[CellPair]:
    """Return the latitudes and longitudes of every cell that a group holds.

    Args:
        group: Variables, not decoded.
        roles: What they say that they are.

    Returns:
        Pairs of which at least one variable runs along two or more dimensions.
    """
    latitudes = [name for name, role in roles.items() if role.kind is Kind.LATITUDE and not role.problem]
    longitudes = [name for name, role in roles.items() if role.kind is Kind.LONGITUDE and not role.problem]
    found = []
    for latitude in latitudes:
        for longitude in _twins(group, latitude, longitudes):
            pair = _pair(group, latitude, longitude, max(roles[latitude].evidence, roles[longitude].evidence))
            if pair is not None:
                found.append(pair)
                break
    return found


def pair_of_names(group: xr.Dataset, latitude: str, longitude: str) -> CellPair | None:
    """Return the latitudes and longitudes of every cell that the user names.

    Args:
        group: Variables, not decoded.
        latitude: Name of a variable.
        longitude: Name of a variable.

    Returns:
        The pair; None where both run along one dimension each, or the same one.
    """
    return _pair(group, latitude, longitude, Evidence.USER)


def _twins(group: xr.Dataset, latitude: str, longitudes: list[str]) -> list[str]:
    """Return the longitudes that may belong to a latitude: of the twin name first, then of the same standard name."""
    variables = group.variables
    standard = attributes.text(variables[latitude].attrs, "standard_name").replace("latitude", "longitude")
    names = [latitude.replace(*pair) for pair in _LONGITUDE_TWINS]
    fitting = [
        name
        for name in longitudes
        if set(variables[name].dims) == set(variables[latitude].dims)
        or (name in names and _nested(group, latitude, name))
    ]
    twins = [name for name in fitting if name in names]
    same = [
        name
        for name in fitting
        if standard and attributes.text(variables[name].attrs, "standard_name") == standard and name not in twins
    ]
    rest = [name for name in fitting if name not in twins and name not in same]
    # Any other longitude belongs to it only if there is no doubt.
    return [*twins, *same, *(rest if len(rest) == 1 and not twins and not same else [])]


def _nested(group: xr.Dataset, latitude: str, longitude: str) -> bool:
    """Return whether one of them runs along one of the dimensions of the other only."""
    few, many = sorted((set(group.variables[name].dims) for name in (latitude, longitude)), key=len)
    return len(few) == 1 < len(many) and few < many


def _pair(group: xr.Dataset, latitude: str, longitude: str, evidence: Evidence) -> CellPair | None:
    lat, lon = group.variables[latitude], group.variables[longitude]
    if max(lat.ndim, lon.ndim) < 2:
        return None
    dims = list(dict.fromkeys([*map(str, lat.dims), *map(str, lon.dims)]))
    if lat.ndim < lon.ndim:
        dims = [str(dim) for dim in lon.dims if dim not in lat.dims or lon.ndim > 1]
        dims += [str(dim) for dim in lat.dims if dim not in dims]
    long = [dim for dim in dims if group.sizes[dim] > 1]
    moving: list[str] = []
    if len(long) > 2:
        varying = [dim for dim in long if any(_varies(variable, dim) for variable in (lat, lon))]
        if len(varying) > 2:
            # Steps are rather those of time than those of a dimension that happens to come first.
            varying.sort(key=lambda dim: not _is_of_time(group, dim))
            moving = varying[:-2]
        long = varying[-2:] if len(varying) >= 2 else long[-2:]
    if len(long) < 2:
        long = dims[-2:]
    if len(long) < 2:
        return None
    return CellPair(latitude, longitude, long[0], long[1], tuple(moving), evidence)


def _is_of_time(group: xr.Dataset, dim: str) -> bool:
    units = attributes.text(group.variables[dim].attrs, "units") if dim in group.variables else ""
    return " since " in units or dim.lower() in _TIMES


def _varies(variable: xr.Variable, dim: str) -> bool:
    """Return whether a coordinate differs along a dimension, by some of its numbers."""
    if dim not in variable.dims:
        return False
    size = variable.sizes[dim]
    steps = sorted({0, size // 2, size - 1})
    others = {
        str(other): slice(None, None, max(1, -(-variable.sizes[other] // _SAMPLES)))
        for other in variable.dims
        if other != dim
    }
    planes = [decoded(variable.isel({**others, dim: step}).values, variable.attrs, defaults=True) for step in steps]
    known = [np.isfinite(plane) & np.isfinite(planes[0]) for plane in planes]
    return any(bool((plane != planes[0])[both].any()) for plane, both in zip(planes, known, strict=True))
