"""The frame of a WMS map: CRS, bounding box and size (OGC 06-042, 7.3; 01-068r3, 7.2)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.tiling.crs_axes import has_y_first
from lazytile.pyramid.tiling.native_set import crs_urn
from lazytile.pyramid.tiling.tms import (
    CRS84_URN,
    PIXEL_SIZE_M,
    WEB_MERCATOR_URN,
    TileMatrix,
    TileMatrixSet,
    metres_per_unit,
)
from lazytile.service.http.parameters import parse_number

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query

CURRENT, OLD = "1.3.0", "1.1.1"
VERSIONS = (CURRENT, OLD)
CRSS = {
    "EPSG:4326": "urn:ogc:def:crs:EPSG::4326",
    "CRS:84": CRS84_URN,
    "EPSG:3857": WEB_MERCATOR_URN,
    "EPSG:3413": "urn:ogc:def:crs:EPSG::3413",
    "EPSG:3031": "urn:ogc:def:crs:EPSG::3031",
}
"""The CRSs of every layer by their names in WMS, with the URNs that define their axis order."""
MAX_COORDINATE = 1e9
"""No point on the Earth is further from an origin, in degrees or metres."""
MAX_STRETCH = 4.0
"""Ratio of the sides of a pixel up to which cells are blended; beyond it, a blend would read too many of them."""
_SIZE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MapFrame:
    """The area and the size of a map."""

    crs: str
    """As the project names it: ``EPSG:4326`` has longitude first."""
    urn: str
    bounds: Bounds
    width: int
    """Pixels."""
    height: int

    @property
    def is_stretched(self) -> bool:
        """Whether the sides of a pixel differ by more than ``MAX_STRETCH``."""
        matrix = self.tile_matrix_set().matrices[0]
        return not 1 / MAX_STRETCH <= matrix.cell_width / matrix.cell_height <= MAX_STRETCH

    def tile_matrix_set(self) -> TileMatrixSet:
        """Return a set whose only tile is the map. Longitudes may exceed 180: a map may cross the antimeridian."""
        bounds = self.bounds
        cell_width, cell_height = (bounds.east - bounds.west) / self.width, (bounds.north - bounds.south) / self.height
        scale = cell_width * metres_per_unit(self.crs) / PIXEL_SIZE_M
        matrix = TileMatrix(
            "map", cell_width, cell_height, bounds.west, bounds.north, self.width, self.height, 1, 1, scale
        )
        return TileMatrixSet(f"WMS {self.crs}", "A map", self.crs, self.urn, None, (matrix,), bounds)


def frame_of(layer: Layer, query: Query, version: str, max_side_px: int) -> MapFrame:
    """Return the frame of a GetMap. BBOX has the axis order of its CRS in 1.3.0, x first in 1.1.1.

    Args:
        layer: The layer of the map.
        query: The query string.
        version: The version of WMS.
        max_side_px: The largest width and height.

    Returns:
        The frame.

    Raises:
        MissingParameterError: A parameter is absent.
        InvalidParameterError: A parameter is invalid.
    """
    parameter = "CRS" if version == CURRENT else "SRS"
    name = query.require(parameter)
    allowed = crss_of(layer)
    if name.upper() not in allowed:
        raise InvalidParameterError(parameter, f"{parameter} {name[:60]!r} is invalid, it may be {', '.join(allowed)}")
    urn = allowed[name.upper()]
    values = _coordinates(query.require("BBOX"))
    if version == CURRENT and has_y_first(urn):
        values = [values[1], values[0], values[3], values[2]]
    bounds = Bounds(*values)
    if not (bounds.west < bounds.east and bounds.south < bounds.north):
        raise InvalidParameterError(
            "BBOX", "BBOX is minimum x, minimum y, maximum x, maximum y, each below its maximum"
        )
    # The layer's own CRS by its own text, so that its maps need no reprojection.
    crs = "EPSG:4326" if urn == CRS84_URN else name.upper() if name.upper() in CRSS else layer.dataset.grid.crs
    return MapFrame(crs, urn, bounds, _size(query, "Width", max_side_px), _size(query, "Height", max_side_px))


def crss_of(layer: Layer) -> dict[str, str]:
    """Return the CRSs in which a layer is available: those of every layer and its own.

    Args:
        layer: The layer.

    Returns:
        URNs by the names of the CRSs in WMS.
    """
    name = own_name(layer)
    return {**CRSS, name: crs_urn(layer.dataset.grid.crs)} if name and name not in CRSS else CRSS


def own_name(layer: Layer) -> str:
    """Return the name of the CRS of a layer in WMS: its authority and code (OGC 06-042, 6.7.3.2).

    Args:
        layer: The layer.

    Returns:
        Such as ``EPSG:32661``; empty for a CRS without a code.
    """
    urn = crs_urn(layer.dataset.grid.crs)
    parts = urn.split(":")
    return "" if not urn else "CRS:84" if urn == CRS84_URN else f"{parts[4]}:{parts[-1]}".upper()


def _coordinates(text: str) -> list[float]:
    values = [parse_number(part) for part in text.split(",")]
    if len(values) != 4 or any(math.isnan(value) for value in values):
        raise InvalidParameterError("BBOX", f"BBOX {text[:120]!r} is invalid, it is four numbers separated by commas")
    if not all(abs(value) <= MAX_COORDINATE for value in values):
        raise InvalidParameterError("BBOX", f"BBOX is out of range, coordinates are up to {MAX_COORDINATE:g}")
    return values


def _size(query: Query, parameter: str, largest: int) -> int:
    text = query.require(parameter)
    if not _SIZE.fullmatch(text) or not 1 <= int(text) <= largest:
        raise InvalidParameterError(parameter, f"{parameter} {text[:20]!r} is invalid, it may be 1 to {largest}")
    return int(text)
