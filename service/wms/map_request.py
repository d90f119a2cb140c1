"""From the parameters of a WMS GetMap to a tile: a map is the one tile of a matrix made on the fly.

So maps and tiles share plan, renderer, caches and queue (OGC 06-042 for 1.3.0, 01-068r3 for 1.1.1).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.catalog.dimensions import select_steps
from lazytile.pyramid.catalog.tile_address import ResolvedTile
from lazytile.pyramid.catalog.tile_limits import has_y_first
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.resampling import Resampling
from lazytile.pyramid.render.tile_request import TileRequest
from lazytile.pyramid.tiling.tms import (
    CRS84_URN,
    PIXEL_SIZE_M,
    WEB_MERCATOR_URN,
    TileMatrix,
    TileMatrixSet,
    metres_per_unit,
)
from lazytile.service.http.parameter_names import parameter_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query
    from lazytile.service.protocol.context import AppContext

CURRENT, OLD = "1.3.0", "1.1.1"
VERSIONS = (CURRENT, OLD)
CRSS = {
    "EPSG:4326": "urn:ogc:def:crs:EPSG::4326",
    "CRS:84": CRS84_URN,
    "EPSG:3857": WEB_MERCATOR_URN,
    "EPSG:3413": "urn:ogc:def:crs:EPSG::3413",
    "EPSG:3031": "urn:ogc:def:crs:EPSG::3031",
}
"""CRSs of maps by the name that WMS has for them, with the URN that says their axis order."""
FORMATS = {each.mime: each for each in (ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP)}
MAX_COORDINATE = 1e9
"""No place on the Earth is further from an origin, in degrees or metres."""
MAX_STRETCH = 4.0
"""Pixels this much longer than wide, or the other way round, are shown by their nearest cell only: a blend would
read as many cells more."""
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_COLOUR = re.compile(r"0[xX]([0-9a-fA-F]{6})|#?([0-9a-fA-F]{6})")
_SIZE = re.compile(r"[0-9]{1,9}", re.ASCII)
_NOT_IN_MAPS = frozenset({"rgb", "scale"})


@dataclass(frozen=True, slots=True)
class MapFrame:
    """Where a map lies."""

    crs: str
    """As the project names it: ``EPSG:4326`` has longitude first."""
    urn: str
    bounds: Bounds
    width: int
    height: int

    @property
    def is_stretched(self) -> bool:
        """Whether a pixel is so much longer than wide, or wider than long, that it covers too many cells to mix."""
        matrix = self.tile_matrix_set().matrices[0]
        return not 1 / MAX_STRETCH <= matrix.cell_width / matrix.cell_height <= MAX_STRETCH

    def tile_matrix_set(self) -> TileMatrixSet:
        """Return a set whose one tile is the map. Longitudes go round the circle: a map may cross 180 degrees."""
        bounds = self.bounds
        cell_width, cell_height = (bounds.east - bounds.west) / self.width, (bounds.north - bounds.south) / self.height
        scale = cell_width * metres_per_unit(self.crs) / PIXEL_SIZE_M
        matrix = TileMatrix(
            "map", cell_width, cell_height, bounds.west, bounds.north, self.width, self.height, 1, 1, scale
        )
        return TileMatrixSet(f"WMS {self.crs}", "A map", self.crs, self.urn, None, (matrix,), bounds)


def resolve_map(context: AppContext, query: Query, version: str) -> ResolvedTile:
    """Return the map that a GetMap requests.

    Args:
        context: The running service.
        query: The query string.
        version: The version of WMS.

    Raises:
        RequestError: A parameter is invalid.
        DatasetNotFoundError: There is no such layer.
    """
    layer = context.store.layer(_one(query, "Layers"))
    styles = query.get("Styles")
    if "," in styles:
        raise InvalidParameterError("Styles", "there is one layer, and one style of it")
    parameters = _tile_parameters(layer, query)
    options = options_of(layer, parameters)
    style = context.resolver.style(layer, options.colormap or styles, options.rescale_to)
    image_format = format_of(query)
    frame = frame_of(layer, query, version, context.settings.max_map_side_px)
    pixels = options.pixels
    if pixels.resampling is None and frame.is_stretched:
        pixels = replace(pixels, resampling=Resampling.NEAREST)
    elif pixels.resampling is not Resampling.NEAREST and frame.is_stretched:
        raise InvalidParameterError(
            "resampling", f"pixels over {MAX_STRETCH:g} times as long as wide can only be resampled by nearest"
        )
    if not is_transparent(query):
        style = opaque(style, colour_of(query))
    tms = frame.tile_matrix_set()
    steps = select_steps(layer, parameter_name, parameters)
    dim_index = tuple(step.index for step in steps)
    request = TileRequest(layer, style, dim_index, tms, tms.matrices[0], 0, 0, image_format, pixels)
    return ResolvedTile(request, steps)


def pixel_of(tile: ResolvedTile, i: int, j: int) -> ResolvedTile:
    """Return one pixel of a map as a tile of its own, with the very same centre.

    Args:
        tile: The map.
        i: Column of the pixel.
        j: Row of the pixel.
    """
    matrix = tile.request.matrix
    pixels = replace(
        matrix, tile_width=1, tile_height=1, matrix_width=matrix.tile_width, matrix_height=matrix.tile_height
    )
    return replace(tile, request=replace(tile.request, matrix=pixels, row=j, col=i))


def _one(query: Query, parameter: str) -> str:
    value = query.require(parameter)
    if "," in value:
        raise InvalidParameterError(parameter, f"{parameter} names several layers, a map shows one (LayerLimit 1)")
    return value


def format_of(query: Query) -> ImageFormat:
    """Return the format of a map; what a client adds to the type, such as ``mode=8bit``, changes nothing."""
    asked = query.require("Format")
    bare = asked.partition(";")[0].strip().lower()
    if bare not in FORMATS:
        raise InvalidParameterError("Format", f"Format {asked[:60]!r} is invalid, it may be {', '.join(FORMATS)}")
    return FORMATS[bare]


def frame_of(layer: Layer, query: Query, version: str, max_side_px: int) -> MapFrame:
    """Return where the map lies. In 1.3.0 BBOX has the axis order of its CRS, in 1.1.1 x is always first."""
    parameter = "CRS" if version == CURRENT else "SRS"
    name = query.require(parameter)
    allowed = crss_of(layer)
    if name.upper() not in allowed:
        raise InvalidParameterError(parameter, f"{parameter} {name[:60]!r} is invalid, it may be {', '.join(allowed)}")
    urn = allowed[name.upper()]
    values = _numbers(query.require("BBOX"))
    if version == CURRENT and has_y_first(urn):
        values = [values[1], values[0], values[3], values[2]]
    bounds = Bounds(*values)
    if not (bounds.west < bounds.east and bounds.south < bounds.north):
        raise InvalidParameterError(
            "BBOX", "BBOX is minimum x, minimum y, maximum x, maximum y, each below its maximum"
        )
    crs = "EPSG:4326" if name.upper() == "CRS:84" else name.upper()
    return MapFrame(crs, urn, bounds, _size(query, "Width", max_side_px), _size(query, "Height", max_side_px))


def crss_of(layer: Layer) -> dict[str, str]:
    """Return the CRSs in which a layer may be asked for, with their URNs: the common ones and its own."""
    own = layer.dataset.grid.crs
    known = dict(CRSS)
    if re.fullmatch(r"EPSG:[0-9]{1,6}", own):
        known.setdefault(own, f"urn:ogc:def:crs:EPSG::{own[5:]}")
    return known


def _numbers(text: str) -> list[float]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise InvalidParameterError("BBOX", f"BBOX {text[:120]!r} is invalid, it is four numbers with commas between")
    values = [float(part) for part in parts]
    if not all(math.isfinite(value) and abs(value) <= MAX_COORDINATE for value in values):
        raise InvalidParameterError("BBOX", f"BBOX is out of range, coordinates are up to {MAX_COORDINATE:g}")
    return values


def _size(query: Query, parameter: str, largest: int) -> int:
    text = query.require(parameter)
    if not _SIZE.fullmatch(text) or not 1 <= int(text) <= largest:
        raise InvalidParameterError(parameter, f"{parameter} {text[:20]!r} is invalid, it may be 1 to {largest}")
    return int(text)


def is_transparent(query: Query) -> bool:
    """Return whether no data is to be seen through."""
    text = query.get("Transparent").upper()
    if text not in ("", "TRUE", "FALSE"):
        raise InvalidParameterError("Transparent", f"Transparent {text[:20]!r} is invalid, it may be TRUE or FALSE")
    return text == "TRUE"


def colour_of(query: Query) -> tuple[int, int, int]:
    """Return the background: BGCOLOR as ``0xRRGGBB``, white without it."""
    text = query.get("BGColor") or "0xFFFFFF"
    match = _COLOUR.fullmatch(text)
    if match is None:
        raise InvalidParameterError("BGColor", f"BGColor {text[:20]!r} is invalid, it is 0xRRGGBB")
    red, green, blue = bytes.fromhex(match[1] or match[2])
    return red, green, blue


def opaque(style: Style, background: tuple[int, int, int]) -> Style:
    """Return the style with every colour laid over a background."""
    palette = style.palette
    alpha = palette.rgba[:, 3:].astype(np.float64) / 255.0
    rgba = np.full_like(palette.rgba, 255)
    rgba[:, :3] = np.rint(palette.rgba[:, :3] * alpha + np.array(background, np.float64) * (1.0 - alpha))
    flat = Palette(rgba, palette.cuts, palette.slots, palette.conversion, palette.entries, palette.notes)
    return replace(style, palette=flat)


def dimension_name(dimension: Dimension) -> str:
    """Return the name of a dimension in capabilities: ``time``, ``elevation``, or its own (OGC 06-042, annex C)."""
    name = parameter_name(dimension)
    return name.lower() if name.lower() in ("time", "elevation") else name


def dimension_parameter(dimension: Dimension) -> str:
    """Return the parameter of a dimension: all but time and elevation begin with ``dim_``."""
    name = dimension_name(dimension)
    return name if name in ("time", "elevation") or name.startswith("dim_") else f"dim_{name}"


def _tile_parameters(layer: Layer, query: Query) -> Mapping[str, str]:
    """Return options and dimensions by the names that tile requests have for them."""
    parameters = {name: value for name, value in query.values.items() if name in OPTION_NAMES - _NOT_IN_MAPS}
    for dimension in layer.variable.dimensions:
        value = query.get(dimension_parameter(dimension))
        if value:
            parameters[parameter_name(dimension).lower()] = value
    return parameters
