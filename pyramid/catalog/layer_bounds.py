"""The bounds of a layer in longitude and latitude, and in the CRS of a tile matrix set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.tiling.reprojection import northing_of, transform
from lazytile.pyramid.tiling.tms import GLOBE, MERCATOR_HALF_WIDTH_M, METRES_PER_DEGREE

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet

MERCATOR_LATITUDE = 85.0511287798066
"""Where Web Mercator's square ends: degrees(atan(sinh(pi)))."""
MESH_POINTS = 129
"""Along each side of the mesh of points that stands for an area in another projection."""


def is_global(layer: Layer) -> bool:
    """Return whether a layer covers the globe.

    Args:
        layer: The layer.

    Returns:
        True if limits would exclude no tile of a set of the world.
    """
    bounds = layer.geographic_bounds()
    return bounds.east - bounds.west >= 359.0 and bounds.south <= -80.0 and bounds.north >= 80.0


def clipped_bounds(layer: Layer) -> Bounds:
    """Return the bounds of a layer in longitude and latitude, within the globe.

    Args:
        layer: The layer.

    Returns:
        Bounds in degrees, as wide as the globe for data across 180 degrees: a box with west above east is allowed
        (OGC 06-121r3, 10.2.2), but few clients understand one.
    """
    bounds = layer.geographic_bounds()
    if bounds.east > GLOBE.east or bounds.west < GLOBE.west:
        return Bounds(GLOBE.west, bounds.south, GLOBE.east, bounds.north)
    return bounds


def bounds_in(layer: Layer, tms: TileMatrixSet) -> Bounds:
    """Return the bounds of a layer in the CRS of a set.

    Args:
        layer: The layer.
        tms: The set.

    Returns:
        Bounds within the set, x first.
    """
    grid = layer.dataset.grid
    if tms.is_native:
        return tms.bounds
    if grid.crs == tms.crs and not grid.is_geographic:
        return grid.bounds
    bounds = clipped_bounds(layer)
    if tms.crs == "EPSG:4326":
        return bounds
    if tms.crs == "EPSG:3857":
        latitudes = np.clip([bounds.south, bounds.north], -MERCATOR_LATITUDE, MERCATOR_LATITUDE)
        south, north = np.clip(northing_of(latitudes), -MERCATOR_HALF_WIDTH_M, MERCATOR_HALF_WIDTH_M).tolist()
        return Bounds(bounds.west * METRES_PER_DEGREE, south, bounds.east * METRES_PER_DEGREE, north)
    key = ("bounds in a CRS", bounds, tms.crs, tms.bounds)
    projected: Bounds = process.computed("layers", key, lambda: _projected(bounds, tms.crs, tms.bounds))
    return projected


def _projected(bounds: Bounds, crs: str, limit: Bounds) -> Bounds:
    """Return the bounds of a geographic area in any CRS: those of a mesh of its points, enlarged by one mesh cell."""
    longitudes, latitudes = np.meshgrid(
        np.linspace(bounds.west, bounds.east, MESH_POINTS), np.linspace(bounds.south, bounds.north, MESH_POINTS)
    )
    x, y = transform("EPSG:4326", crs, longitudes, latitudes)
    inside = (x >= limit.west) & (x <= limit.east) & (y >= limit.south) & (y <= limit.north)
    if not inside.any():
        return limit
    x, y = x[inside], y[inside]
    wide, high = np.ptp(x) / MESH_POINTS, np.ptp(y) / MESH_POINTS
    return Bounds(
        max(float(x.min() - wide), limit.west),
        max(float(y.min() - high), limit.south),
        min(float(x.max() + wide), limit.east),
        min(float(y.max() + high), limit.north),
    )
