"""The order of the axes of a CRS, by its definition (ISO 19111; OGC 06-042, 6.7.2; OGC 07-057r7, 6.1).

Everywhere in this project x comes first, as PROJ has it for visualization: a CRS whose definition has it the other way
is written and read in the order of its definition only where a standard says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyproj

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLES = (["north", "north"], ["south", "south"])
"""Directions of both axes of a projection about a pole, where they tell nothing about the order."""
_NORTHINGS = frozenset({"y", "n", "north", "northing", "lat", "latitude"})
_EASTINGS = frozenset({"x", "e", "east", "easting", "lon", "long", "longitude"})


def is_y_first(crs: pyproj.CRS) -> bool:
    """Return whether a CRS is defined with northing or latitude before easting or longitude.

    The rule is that of PROJ (``proj_normalize_for_visualization``) and GDAL (traditional GIS order): axes north and
    east are exchanged; about a pole, where both axes point the same way, those named northing and easting. Axes to the
    west or the south are left as they are, so their first one is x.

    Args:
        crs: The CRS.

    Returns:
        True where x is the second axis.
    """
    axes = crs.axis_info or (crs.source_crs.axis_info if crs.is_bound and crs.source_crs is not None else [])
    if len(axes) < 2:
        return False
    directions = [axis.direction.lower() for axis in axes[:2]]
    first, second = (axis.name.lower() for axis in axes[:2])
    if directions in _POLES:
        return first.startswith("northing") and second.startswith("easting")
    return directions == ["north", "east"]


@process.memo
def has_y_first(name: str) -> bool:
    """Return whether a CRS writes y before x.

    Args:
        name: The URN of the CRS (OGC 07-092r3), or any text that defines one.

    Returns:
        True where x is the second axis; ``urn:ogc:def:crs:OGC:1.3:CRS84`` and its kin exist to put x first.
    """
    parts = name.split(":")
    if name.lower().startswith("urn:ogc:def:crs:") and len(parts) >= 6:
        return is_y_first(pyproj.CRS.from_authority(parts[4], parts[-1]))
    return is_y_first(pyproj.CRS.from_user_input(name))


def is_ordered_y_first(crs: pyproj.CRS, ordered_axes: Sequence[str] | None) -> bool:
    """Return whether a tile matrix set writes y before x (OGC 17-083r4, ``orderedAxes``).

    Args:
        crs: The CRS of the set.
        ordered_axes: The names of its axes in the order in which the set has them; None for that of the CRS.

    Returns:
        True where x is second. Names that fit neither the axes of the CRS nor a northing or an easting leave the order
        of the CRS.
    """
    by_definition = is_y_first(crs)
    if not ordered_axes or len(crs.axis_info) < 2:
        return by_definition
    first = ordered_axes[0].lower()
    own = [{axis.abbrev.lower(), axis.name.lower()} for axis in crs.axis_info[:2]]
    if first in own[0] ^ own[1]:
        return by_definition if first in own[0] else not by_definition
    if first in _NORTHINGS | _EASTINGS:
        return first in _NORTHINGS
    return by_definition
