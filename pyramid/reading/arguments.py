"""The arguments of the Python API that errors name."""

from __future__ import annotations

from enum import StrEnum


class Argument(StrEnum):
    """An argument as Python programs spell it."""

    BINS = "bins"
    BOUNDS = "bounds"
    CRS = "crs"
    GEOMETRY = "geometry"
    LONGITUDE = "longitude"
    PERCENTILES = "percentiles"
    TIME = "time"
    WIDTH = "width"
