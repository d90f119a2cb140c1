"""The parameters of a request for numbers, parsed and checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.dimensions import select_steps
from lazytile.pyramid.core.errors import InvalidParameterError, MissingParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds
from lazytile.pyramid.numbers.geojson import region_of
from lazytile.pyramid.numbers.region import Region
from lazytile.pyramid.numbers.statistics import StatisticsOptions
from lazytile.service.http.parameter_names import TIME, parameter_name
from lazytile.service.numbers.parameters import (
    BBOX,
    BUDGET,
    HISTOGRAM,
    LATITUDE,
    LONGITUDE,
    PERCENTILES,
    RANGE,
)

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.dimensions import SelectedStep
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query
    from lazytile.service.http.settings import Settings

DEFAULT_PERCENTILES = "5,25,50,75,95"


def point_of(query: Query, settings: Settings) -> tuple[float, float]:
    """Return the longitude and latitude of a point.

    Args:
        query: The query string.
        settings: Limits of the parameters.

    Returns:
        Degrees.

    Raises:
        RequestError: A parameter is missing or invalid.
    """
    return LONGITUDE.read(query, settings), LATITUDE.read(query, settings)


def options_of(query: Query, settings: Settings) -> StatisticsOptions:
    """Return which statistics a request wants.

    Args:
        query: The query string. Its budget of cells may be smaller than the operator's.
        settings: Limits of the parameters.

    Returns:
        The options.

    Raises:
        InvalidParameterError: A parameter is invalid.
    """
    percentiles = PERCENTILES.read(query, DEFAULT_PERCENTILES)
    bins = int(HISTOGRAM.read(query, settings, "0"))
    limits = None
    if RANGE.text(query):
        ends = RANGE.read(query)
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise InvalidParameterError("range", "range is MIN,MAX of the histogram, MIN below MAX")
        limits = (ends[0], ends[1])
    budget = int(BUDGET.read(query, settings, str(settings.max_number_cells)))
    return StatisticsOptions(budget, tuple(percentiles), bins, limits)


def box_of(query: Query) -> Region:
    """Return the box ``bbox=WEST,SOUTH,EAST,NORTH``. One whose west is above its east crosses 180 degrees.

    Args:
        query: The query string.

    Returns:
        The region.

    Raises:
        MissingParameterError: There is no box.
        InvalidParameterError: The box is invalid.
    """
    if not query.get("bbox"):
        raise MissingParameterError("bbox", "parameter bbox is missing; or POST a GeoJSON polygon")
    values = BBOX.read(query)
    if len(values) != 4:
        raise InvalidParameterError("bbox", "bbox is WEST,SOUTH,EAST,NORTH in degrees")
    west, south, east, north = values
    if east < west:
        east += FULL_CIRCLE
    if not (-90 <= south < north <= 90 and 0 < east - west <= FULL_CIRCLE):
        raise InvalidParameterError("bbox", "bbox is WEST,SOUTH,EAST,NORTH in degrees, at most 360 degrees wide")
    return Region.of_bounds(Bounds(west, south, east, north))


def polygon_of(body: bytes) -> Region:
    """Return the polygon of a GeoJSON Polygon, MultiPolygon, or Feature of one (RFC 7946).

    Args:
        body: The body of a request.

    Returns:
        The region.

    Raises:
        InvalidParameterError: The body is not such a document, or its polygon is invalid.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidParameterError("body", "the body is not JSON") from error
    return region_of(document)


def steps_of(query: Query, layer: Layer, time: str) -> tuple[SelectedStep, ...]:
    """Return the step along each dimension of a layer.

    Args:
        query: The query string.
        layer: The layer.
        time: Label of the time; empty for the latest.

    Returns:
        A step for each dimension.

    Raises:
        InvalidParameterError: A value names no step.
    """
    return select_steps(layer, parameter_name, query.values | ({TIME.lower(): time} if time else {}))
