"""A layer: one variable of a dataset as map protocols show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.grid import Bounds
from lazytile.pyramid.plan import can_map, latitude_of
from lazytile.pyramid.tms import GLOBE, METRES_PER_DEGREE, REGISTERED, TileMatrixSet, native_set

if TYPE_CHECKING:
    from lazytile.pyramid.dataset import Dataset, Variable

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
        """Every set in which tiles of this layer can be made, the native one last."""
        registered = [tms for tms in REGISTERED.values() if can_map(self.dataset.grid.crs, tms)]
        return [*registered, self.native_set]

    def tile_matrix_set(self, identifier: str) -> TileMatrixSet:
        """Return a set by identifier or raise ``InvalidParameterError``. ``native`` is this layer's own."""
        tms = REGISTERED.get(identifier)
        if tms is not None and can_map(self.dataset.grid.crs, tms):
            return tms
        native = self.native_set
        if identifier in (NATIVE, native.identifier):
            return native
        allowed = ", ".join(tms.identifier for tms in self.tile_matrix_sets())
        raise InvalidParameterError(
            "TileMatrixSet", f"TileMatrixSet {identifier!r} is invalid for {self.name}, it may be {allowed}"
        )

    def geographic_bounds(self) -> Bounds:
        """Bounds in longitude and latitude, within the globe; the whole circle is -180 to 180.

        Data that crosses 180 degrees keeps an east above 180.
        """
        grid = self.dataset.grid
        bounds = grid.bounds
        if grid.crs == "EPSG:3857":
            south, north = latitude_of(np.array([bounds.south, bounds.north])).tolist()
            return Bounds(bounds.west / METRES_PER_DEGREE, south, bounds.east / METRES_PER_DEGREE, north)
        south, north = max(bounds.south, GLOBE.south), min(bounds.north, GLOBE.north)
        if grid.is_full_circle:
            return Bounds(GLOBE.west, south, GLOBE.east, north)
        shift = -360.0 if bounds.west >= GLOBE.east else 0.0
        return Bounds(bounds.west + shift, south, bounds.east + shift, north)
