"""Coordinate reference systems as texts: how a user or a file names one, and what a ``Grid`` calls it.

Longitudes and latitudes on any ellipsoid are taken for EPSG:4326, as is usual: the difference moves a point by far less
than a cell.
"""

from __future__ import annotations

import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import SourceError

GEOGRAPHIC = "EPSG:4326"


def parse_crs(text: str) -> pyproj.CRS:
    """Parse the text of a coordinate reference system.

    Args:
        text: ``EPSG:n``, WKT or a PROJ string.

    Returns:
        The coordinate reference system.

    Raises:
        SourceError: The text is none of these.
    """
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise SourceError(
            f"{shown!r} is not a coordinate reference system; use EPSG:n, WKT or a PROJ string"
        ) from error


def crs_text(crs: pyproj.CRS) -> str:
    """Return the text by which a ``Grid`` names a coordinate reference system.

    Args:
        crs: Any coordinate reference system.

    Returns:
        ``EPSG:4326`` for longitudes and latitudes, ``EPSG:n`` where one matches exactly, else WKT.
    """
    return GEOGRAPHIC if is_lonlat(crs) else _text_of(str(crs.to_wkt()))


@process.memo
def _text_of(wkt: str) -> str:
    # The search for a code takes a tenth of a second.
    code = pyproj.CRS.from_wkt(wkt).to_epsg(min_confidence=100)
    return f"EPSG:{code}" if code else wkt


def crs_name(crs: pyproj.CRS) -> str:
    """Return what people call a coordinate reference system.

    Args:
        crs: Any coordinate reference system.

    Returns:
        Its code, else its projection method and its name where it has one.
    """
    text = crs_text(crs)
    if text.startswith("EPSG:"):
        return text
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else "geographic"
    return f"{method} ({crs.name})" if crs.name not in ("undefined", "unknown", "unnamed") else str(method)


def is_lonlat(crs: pyproj.CRS) -> bool:
    """Return whether x is a longitude east of Greenwich and y a latitude, both in degrees.

    Args:
        crs: Any coordinate reference system.

    Returns:
        False for a rotated pole, whose coordinates are longitudes and latitudes of its own.
    """
    if not crs.is_geographic or crs.is_derived:
        return False
    meridian = crs.prime_meridian
    return (meridian is None or meridian.longitude == 0) and crs.axis_info[0].unit_name == "degree"
