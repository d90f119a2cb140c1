"""The request parameters of numbers. Every number is bounded."""

from __future__ import annotations

from lazytile.pyramid.numbers.geojson import MAX_LONGITUDE
from lazytile.service.http.parameters import NumberParameter, NumbersParameter

MAX_MAGNITUDE = 1e300

BBOX = NumbersParameter(
    "bbox",
    "WEST,SOUTH,EAST,NORTH in degrees; west above east across 180 degrees",
    is_required=True,
    fewest=4,
    most=4,
    minimum=-MAX_LONGITUDE,
    maximum=MAX_LONGITUDE,
)
LONGITUDE = NumberParameter("lon", "degrees", is_required=True, minimum=-MAX_LONGITUDE, maximum=MAX_LONGITUDE)
LATITUDE = NumberParameter("lat", "degrees", is_required=True, minimum=-90.0, maximum=90.0)
PERCENTILES = NumbersParameter("percentiles", "percentages", most=20, minimum=0.0, maximum=100.0)
HISTOGRAM = NumberParameter("histogram", "number of bins, 0 for no histogram", minimum=0, maximum=1000, is_whole=True)
RANGE = NumbersParameter(
    "range", "MIN,MAX of the histogram", fewest=2, most=2, minimum=-MAX_MAGNITUDE, maximum=MAX_MAGNITUDE
)
BUDGET = NumberParameter(
    "budget",
    "cells to read at most; the level is chosen by it",
    minimum=1,
    maximum=lambda settings: settings.max_number_cells,
    is_whole=True,
)
STATISTICS = (PERCENTILES, HISTOGRAM, RANGE, BUDGET)
"""What is computed of a region."""
POINT = (LONGITUDE, LATITUDE)
