"""A layer: one variable of a dataset as map protocols show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.tiling.native_set import native_set
from lazytile.pyramid.tiling.registry import custom_sets, find_tms
from lazytile.pyramid.tiling.reprojection import latitude_of, transform
from lazytile.pyramid.tiling.tms import GLOBE, METRES_PER_DEGREE, REGISTERED, TileMatrixSet

if TYPE_CHECKING:
    from lazytile.pyramid.store.dataset import Dataset, Variable

POLAR_LATITUDE = 50.0
"""Polar sets are not offered for data nearer to the equator."""
NATIVE = "native"
"""Alias of a layer's own native set, whose identifier carries the dataset's name."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A variable of a dataset."""

    dataset: Dataset
    variable: Variable

    @property
    def name(self) -> str:
        """Identifier of the layer."""
        return self.dataset.layer_name(self.variable)

    @property
    def title(self) -> str:
        """Title for people."""
        return self.variable.title or self.variable.name

    @property
    def native_set(self) -> TileMatrixSet:
        """The set of the dataset's own grid, no resampling."""
        dataset = self.dataset
        return native_set(dataset.name, dataset.grid, dataset.levels, dataset.chunk)

    def tile_matrix_sets(self) -> list[TileMatrixSet]:
        """Return every set that capabilities list for this layer, the native one last. Others are found by name."""
        bounds = self.geographic_bounds()
        sets = [*REGISTERED.values(), *custom_sets()]
        return [*(tms for tms in sets if _reaches(tms, bounds)), self.native_set]

    def tile_matrix_set(self, identifier: str) -> TileMatrixSet:
        """Return a set by identifier, of those that every layer has or this layer's own.

        Args:
            identifier: Of the set, or ``native``.

        Returns:
            The set.

        Raises:
            InvalidParameterError: There is no such set.
        """
        tms = find_tms(identifier)
        if tms is not None:
            return tms
        native = self.native_set
        if identifier in (NATIVE, native.identifier):
            return native
        allowed = ", ".join(tms.identifier for tms in self.tile_matrix_sets())
        raise InvalidParameterError(
            RequestField.TILE_MATRIX_SET,
            f"tile matrix set {identifier!r} is invalid for {self.name}, it may be {allowed}",
        )

    def geographic_bounds(self) -> Bounds:
        """Return the bounds in longitude and latitude, within the globe; a full circle is -180 to 180.

        Data that crosses 180 degrees keeps an east above 180.
        """
        grid = self.dataset.grid
        bounds = grid.bounds
        if not grid.is_geographic:
            return _projected_bounds(grid.crs, bounds)
        south, north = max(bounds.south, GLOBE.south), min(bounds.north, GLOBE.north)
        if grid.is_full_circle:
            return Bounds(GLOBE.west, south, GLOBE.east, north)
        shift = -360.0 if bounds.west >= GLOBE.east else 0.0
        return Bounds(bounds.west + shift, south, bounds.east + shift, north)


def _reaches(tms: TileMatrixSet, bounds: Bounds) -> bool:
    """Return whether a set is listed for data in these bounds: polar ones for polar data, others that intersect."""
    if tms.crs == "EPSG:3413":
        return bounds.north > POLAR_LATITUDE
    if tms.crs == "EPSG:3031":
        return bounds.south < -POLAR_LATITUDE
    # The registered sets in degrees cover the globe; Web Mercator ends at 85 degrees.
    is_globe = tms.identifier in REGISTERED and tms.crs != "EPSG:3857"
    covered = GLOBE if is_globe else _set_bounds(tms.crs, tms.bounds)
    meets = any(
        covered.west + turn < bounds.east and bounds.west < covered.east + turn
        for turn in (-FULL_CIRCLE, 0.0, FULL_CIRCLE)
    )
    return meets and covered.south < bounds.north and bounds.south < covered.north


def _set_bounds(crs: str, bounds: Bounds) -> Bounds:
    return bounds if crs == "EPSG:4326" else _projected_bounds(crs, bounds)


def _projected_bounds(crs: str, bounds: Bounds) -> Bounds:
    """Return the geographic bounds of a projected area, computed once."""
    key = ("geographic bounds", crs, bounds)
    found: Bounds = process.computed("layers", key, lambda: _compute_bounds(crs, bounds))
    return found


def _compute_bounds(crs: str, bounds: Bounds) -> Bounds:
    """Geographic bounds of a projected area, from a mesh of points in it; east is above 180 across the seam."""
    if crs == "EPSG:3857":
        south, north = latitude_of(np.array([bounds.south, bounds.north])).tolist()
        return Bounds(bounds.west / METRES_PER_DEGREE, south, bounds.east / METRES_PER_DEGREE, north)
    x, y = np.meshgrid(np.linspace(bounds.west, bounds.east, 65), np.linspace(bounds.south, bounds.north, 65))
    longitudes, latitudes = transform(crs, "EPSG:4326", x, y)
    seen = np.isfinite(longitudes) & np.isfinite(latitudes)
    if not seen.any():
        return GLOBE
    south, north = float(latitudes[seen].min()), float(latitudes[seen].max())
    for sign in (1.0, -1.0):
        pole_x, pole_y = transform("EPSG:4326", crs, np.zeros(1), np.full(1, sign * 90.0))
        if bounds.west <= pole_x[0] <= bounds.east and bounds.south <= pole_y[0] <= bounds.north:
            return Bounds(GLOBE.west, min(south, sign * 90.0), GLOBE.east, max(north, sign * 90.0))
    around = np.sort(np.mod(longitudes[seen], FULL_CIRCLE))
    gaps = np.diff(around, append=around[0] + FULL_CIRCLE)
    widest = int(gaps.argmax())
    west, east = float(around[(widest + 1) % around.size]), float(around[widest])
    if east < west:
        east += FULL_CIRCLE
    if west >= GLOBE.east:
        west, east = west - FULL_CIRCLE, east - FULL_CIRCLE
    return Bounds(west, south, east, north)
