"""The order in which a CRS writes the coordinates of a position (OGC 07-057r7, 6.1; EPSG's axis order)."""

from __future__ import annotations

import pyproj

from lazytile.pyramid.core import process


@process.memo
def has_y_first(supported_crs: str) -> bool:
    """Return whether a CRS writes y before x.

    Args:
        supported_crs: The URN of the CRS; empty for one without a code, whose positions are written x first.

    Returns:
        True for a CRS of EPSG with north, then east.
    """
    if not supported_crs:
        return False
    _, _, _, kind, authority, *_, code = supported_crs.split(":")
    if kind != "crs" or authority != "EPSG":
        return False  # CRS84 and its kin exist to put x first
    axes = pyproj.CRS.from_authority(authority, code).axis_info
    return [axis.direction for axis in axes[:2]] == ["north", "east"]


def position(supported_crs: str, x: float, y: float) -> tuple[float, float]:
    """Return a position in the axis order of its CRS.

    Args:
        supported_crs: The URN of the CRS.
        x: Easting or longitude.
        y: Northing or latitude.

    Returns:
        The two coordinates, in order.
    """
    return (y, x) if has_y_first(supported_crs) else (x, y)
