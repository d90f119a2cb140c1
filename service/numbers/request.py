"""From the words of a request for numbers to what the kernels take. Every number is bounded."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.catalog.dimensions import select_steps
from lazytile.pyramid.core.errors import InvalidParameterError, MissingParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds
from lazytile.pyramid.numbers.region import Region
from lazytile.pyramid.numbers.statistics import StatisticsOptions
from lazytile.pyramid.times.lookup import TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.catalog.dimensions import SelectedStep
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query

MAX_VERTICES = 2000
MAX_LONGITUDE = 540.0
"""A region may be given past 180 degrees, so that it can cross them."""
MAX_PERCENTILES = 20
MAX_BINS = 1000
DEFAULT_PERCENTILES = "5,25,50,75,95"
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", re.ASCII)


def number(parameter: str, text: str, low: float, high: float) -> float:
    """Read a number. Raises ``InvalidParameterError`` unless it is between ``low`` and ``high``."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not low <= value <= high:
        raise InvalidParameterError(
            parameter, f"{parameter} {text[:40]!r} is invalid, it may be a number from {low:g} to {high:g}"
        )
    return value


def numbers(parameter: str, text: str, count: int, low: float, high: float) -> list[float]:
    """Read up to ``count`` numbers with commas between."""
    parts = text.split(",")
    if len(parts) > count:
        raise InvalidParameterError(parameter, f"{parameter} has {len(parts)} numbers, it may have {count}")
    return [number(parameter, part, low, high) for part in parts]


def point_of(query: Query) -> tuple[float, float]:
    """Return longitude and latitude of a point."""
    longitude = number("lon", query.require("lon"), -MAX_LONGITUDE, MAX_LONGITUDE)
    return longitude, number("lat", query.require("lat"), -90.0, 90.0)


def options_of(query: Query, most_cells: int) -> StatisticsOptions:
    """Return what is asked of a region. ``most_cells`` is the operator's budget; a request may have a smaller one."""
    text = query.get("percentiles") or DEFAULT_PERCENTILES
    bins = int(number("histogram", query.get("histogram") or "0", 0, MAX_BINS))
    limits = None
    if query.get("range"):
        ends = numbers("range", query.get("range"), 2, -1e300, 1e300)
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise InvalidParameterError("range", "range is MIN,MAX of the histogram, MIN below MAX")
        limits = (ends[0], ends[1])
    budget = int(number("budget", query.get("budget") or str(most_cells), 1, most_cells))
    return StatisticsOptions(budget, tuple(numbers("percentiles", text, MAX_PERCENTILES, 0.0, 100.0)), bins, limits)


def box_of(query: Query) -> Region:
    """Return the box ``bbox=WEST,SOUTH,EAST,NORTH``. One whose west is above its east crosses 180 degrees."""
    text = query.get("bbox")
    if not text:
        raise MissingParameterError("bbox", "parameter bbox is missing; or POST a GeoJSON polygon")
    values = numbers("bbox", text, 4, -MAX_LONGITUDE, MAX_LONGITUDE)
    if len(values) != 4:
        raise InvalidParameterError("bbox", "bbox is WEST,SOUTH,EAST,NORTH in degrees")
    west, south, east, north = values
    if east < west:
        east += FULL_CIRCLE
    if not (-90 <= south < north <= 90 and 0 < east - west <= FULL_CIRCLE):
        raise InvalidParameterError("bbox", "bbox is WEST,SOUTH,EAST,NORTH in degrees, 360 degrees wide at most")
    return Region.of_bounds(Bounds(west, south, east, north))


def polygon_of(body: bytes) -> Region:
    """Return the polygon of a GeoJSON Polygon, MultiPolygon, or Feature of one (RFC 7946)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidParameterError("body", "the body is no JSON") from error
    geometry = (
        document.get("geometry") if isinstance(document, dict) and document.get("type") == "Feature" else document
    )
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list):
        raise InvalidParameterError("body", "the body is a GeoJSON Polygon, MultiPolygon, or Feature of one")
    rings: list[Any] = []
    for polygon in [coordinates] if kind == "Polygon" else coordinates:
        rings.extend(polygon if isinstance(polygon, list) else [None])
    if not rings or sum(len(ring) for ring in rings if isinstance(ring, list)) > MAX_VERTICES:
        raise InvalidParameterError("body", f"a polygon has rings, and {MAX_VERTICES} positions at most")
    region = Region(tuple(_ring(ring) for ring in rings))
    longitudes = np.concatenate([ring[:, 0] for ring in region.rings])
    if np.ptp(longitudes) > FULL_CIRCLE:
        raise InvalidParameterError("body", "a polygon is 360 degrees wide at most")
    return region


def _ring(ring: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not isinstance(ring, list) or len(ring) < 4:
        raise InvalidParameterError(
            "body", "a ring of a polygon has four positions at least, the last equal to the first"
        )
    points = np.array(list(_positions(ring)), np.float64)
    within = (np.abs(points[:, 0]) <= MAX_LONGITUDE) & (np.abs(points[:, 1]) <= 90.0)
    if not within.all() or not np.array_equal(points[0], points[-1]):
        raise InvalidParameterError(
            "body", "positions are longitude and latitude in degrees, and a ring ends where it begins"
        )
    return points[:-1]


def _positions(ring: list[Any]) -> Iterator[tuple[float, float]]:
    for position in ring:
        numeric = isinstance(position, list) and len(position) >= 2 and all(
            isinstance(part, int | float) and not isinstance(part, bool) and abs(part) < 1e300 for part in position[:2]
        )  # fmt: skip
        if not numeric:
            raise InvalidParameterError("body", "positions are longitude and latitude in degrees")
        yield float(position[0]), float(position[1])


def steps_of(query: Query, layer: Layer, time: str) -> tuple[SelectedStep, ...]:
    """Return the step along each dimension of a layer.

    Args:
        query: The query string.
        layer: The layer.
        time: Label of the time; empty for the latest.

    Raises:
        InvalidParameterError: A value names no step.
    """
    return select_steps(layer, query.values | ({TIME.lower(): time} if time else {}))
