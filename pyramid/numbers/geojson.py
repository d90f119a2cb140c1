"""Regions written as GeoJSON (RFC 7946)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.numbers.region import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_VERTICES = 2000
"""Most positions of a polygon."""
MAX_LONGITUDE = 540.0
"""A region may be given past 180 degrees, so that it can cross them."""


def region_of(document: Any, field: str = "body") -> Region:
    """Return the region of a GeoJSON Polygon, MultiPolygon, or Feature of one (RFC 7946).

    Args:
        document: The GeoJSON, as JSON values; tuples may stand for lists.
        field: What errors call it.

    Returns:
        The region.

    Raises:
        InvalidParameterError: It is not such a document, or its polygon is invalid.
    """
    geometry = (
        document.get("geometry") if isinstance(document, dict) and document.get("type") == "Feature" else document
    )
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list | tuple):
        raise InvalidParameterError(field, f"the {field} is a GeoJSON Polygon, MultiPolygon, or Feature of one")
    rings: list[Any] = []
    for polygon in [coordinates] if kind == "Polygon" else coordinates:
        rings.extend(polygon if isinstance(polygon, list | tuple) else [None])
    if not rings or sum(len(ring) for ring in rings if isinstance(ring, list | tuple)) > MAX_VERTICES:
        raise InvalidParameterError(field, f"a polygon has rings, and at most {MAX_VERTICES} positions")
    region = Region(tuple(_ring(ring, field) for ring in rings))
    longitudes = np.concatenate([ring[:, 0] for ring in region.rings])
    if np.ptp(longitudes) > FULL_CIRCLE:
        raise InvalidParameterError(field, "a polygon is at most 360 degrees wide")
    return region


def _ring(ring: Any, field: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not isinstance(ring, list | tuple) or len(ring) < 4:
        raise InvalidParameterError(
            field, "a ring of a polygon has at least four positions, the last equal to the first"
        )
    points = np.array(list(_positions(ring, field)), np.float64)
    within = (np.abs(points[:, 0]) <= MAX_LONGITUDE) & (np.abs(points[:, 1]) <= 90.0)
    if not within.all() or not np.array_equal(points[0], points[-1]):
        raise InvalidParameterError(
            field, "positions are longitude and latitude in degrees, and the last of a ring equals the first"
        )
    return points[:-1]


def _positions(ring: list[Any] | tuple[Any, ...], field: str) -> Iterator[tuple[float, float]]:
    for position in ring:
        numeric = isinstance(position, list | tuple) and len(position) >= 2 and all(
            isinstance(part, int | float) and not isinstance(part, bool) and abs(part) < 1e300 for part in position[:2]
        )  # fmt: skip
        if not numeric:
            raise InvalidParameterError(field, "positions are longitude and latitude in degrees")
        yield float(position[0]), float(position[1])
