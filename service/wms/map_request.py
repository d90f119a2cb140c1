"""GetMap as a tile request: a map is the only tile of a matrix made for it (OGC 06-042, 7.3; 01-068r3, 7.2).

So maps and tiles share the planner, the renderer, the caches and the queue.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.catalog.dimensions import select_steps
from lazytile.pyramid.catalog.option_names import AUTO
from lazytile.pyramid.catalog.tile_address import ResolvedTile
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.render.cost import tile_cost
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.style import Rescale
from lazytile.pyramid.render.tile_request import TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.wms.dimensions import dimension_values, names_of
from lazytile.service.wms.map_frame import MAX_STRETCH, frame_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.catalog.layer_source import LayerSource
    from lazytile.pyramid.catalog.resolver import Resolver
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query

FORMATS = {each.mime: each for each in (ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP)}
"""Formats of maps by media type."""
_NEUTRAL = frozenset({"map_resolution", "dpi", "format_options", "_", "uppercase"})
"""Parameters of other servers that clients always send, and that change no picture of a raster here."""
_COLOUR = re.compile(r"0[xX]([0-9a-fA-F]{6})|#?([0-9a-fA-F]{6})")
_NCWMS_STYLES = frozenset({"boxfill", "default-scalar", "raster"})
NAMES = frozenset({
    "service", "version", "wmtver", "request", "layers", "styles", "crs", "srs", "bbox", "width", "height", "format",
    "transparent", "bgcolor", "exceptions", "query_layers", "info_format", "feature_count", "i", "j", "x", "y", "tiled",
    "sld", "sld_body", "sld_version",
}) | _NEUTRAL  # fmt: skip
"""The parameters of WMS itself (OGC 06-042, 7.3 and 7.4; 01-068r3, 7.2 and 7.3)."""
_REFUSED = frozenset({"sld", "sld_body"})


def resolve_map(layers: LayerSource, resolver: Resolver, max_side_px: int, query: Query, version: str) -> ResolvedTile:
    """Return the map that a GetMap requests.

    Args:
        layers: The catalogue.
        resolver: Finds its styles.
        max_side_px: Most pixels of a side.
        query: The query string.
        version: The version of WMS.

    Returns:
        The map as a resolved tile.

    Raises:
        InvalidParameterError: A parameter is invalid.
        RequestError: A parameter is missing, or invalid where other modules read it.
        DatasetNotFoundError: There is no such layer.
    """
    layer = layers.layer(_one(query, "Layers"))
    styles = query.get("Styles")
    if "," in styles:
        raise InvalidParameterError("Styles", "Styles names several styles, a map has one layer in one style")
    parameters = _tile_parameters(layer, query)
    options = options_of(layer, parameters)
    style = resolver.style(layer, options.colormap or palette_of(styles), options.rescale_to)
    image_format = format_of(query)
    frame = frame_of(layer, query, version, max_side_px)
    pixels = options.pixels
    if pixels.resampling is None and frame.is_stretched:
        pixels = replace(pixels, resampling=Resampling.NEAREST)
    elif pixels.resampling is not Resampling.NEAREST and frame.is_stretched:
        raise InvalidParameterError(
            "resampling",
            f"pixels with sides that differ by more than {MAX_STRETCH:g} times can only be resampled by nearest",
        )
    background = colour_of(query)
    # Where a format has no transparency the background shows, whatever TRANSPARENT says (OGC 06-042, 7.3.3.9).
    if not is_transparent(query) or (image_format is ImageFormat.JPEG and query.get("BGColor")):
        style = opaque(style, background)
    tms = frame.tile_matrix_set()
    steps = select_steps(layer, parameter_name, parameters)
    dim_index = tuple(step.index for step in steps)
    request = TileRequest(layer, style, dim_index, tms, tms.matrices[0], 0, 0, image_format, pixels)
    own_range = (options.rescale_to or Rescale()) if options.is_own_range else None
    return ResolvedTile(request, steps, _unknown_parameters(layer, query), own_range)


def over_background(tile: ResolvedTile, query: Query) -> ResolvedTile:
    """Return a map whose style was changed after it was resolved, over its background again.

    Args:
        tile: The map.
        query: The query string that it was resolved from.

    Returns:
        The map.
    """
    request = tile.request
    if is_transparent(query) and not (request.image_format is ImageFormat.JPEG and query.get("BGColor")):
        return tile
    return replace(tile, request=replace(request, style=opaque(request.style, colour_of(query))))


def palette_of(style: str) -> str:
    """Return the colormap of a style as ncWMS names them, ``boxfill/rainbow``: what follows the slash.

    Args:
        style: The name in a request.

    Returns:
        The name here.
    """
    kind, slash, palette = style.partition("/")
    return palette if slash and kind in _NCWMS_STYLES else style


def check_cost(tile: ResolvedTile, limit_ms: float) -> None:
    """Check that a map does not take too long.

    Args:
        tile: The map.
        limit_ms: Longest estimated time, milliseconds on one processor.

    Raises:
        InvalidParameterError: It would take longer.
    """
    cost = tile_cost(tile.request)
    if cost.ms > limit_ms:
        raise InvalidParameterError(
            "Width",
            f"the map takes about {cost.ms / 1000:.1f} s for its {cost.pixels} pixels from {cost.cells} cells, "
            f"a map may take {limit_ms / 1000:g} s: request fewer pixels or a smaller area",
        )


def pixel_of(tile: ResolvedTile, i: int, j: int) -> ResolvedTile:
    """Return one pixel of a map as a tile with the same centre.

    Args:
        tile: The map.
        i: Column of the pixel.
        j: Row of the pixel.

    Returns:
        A tile of one pixel.
    """
    matrix = tile.request.matrix
    pixels = replace(
        matrix, tile_width=1, tile_height=1, matrix_width=matrix.tile_width, matrix_height=matrix.tile_height
    )
    return replace(tile, request=replace(tile.request, matrix=pixels, row=j, col=i))


def _one(query: Query, parameter: str) -> str:
    value = query.require(parameter)
    if "," in value:
        raise InvalidParameterError(parameter, f"{parameter} names several layers, a map has one (LayerLimit 1)")
    return value


def format_of(query: Query) -> ImageFormat:
    """Return the format of a map.

    Args:
        query: The query string.

    Returns:
        The format; parameters of the media type, such as ``mode=8bit``, are ignored.

    Raises:
        MissingParameterError: FORMAT is absent.
        InvalidParameterError: FORMAT is not one of ``FORMATS``.
    """
    requested = query.require("Format")
    bare = requested.partition(";")[0].strip().lower()
    if bare not in FORMATS:
        raise InvalidParameterError("Format", f"Format {requested[:60]!r} is invalid, it may be {', '.join(FORMATS)}")
    return FORMATS[bare]


def is_transparent(query: Query) -> bool:
    """Return whether areas without data are transparent.

    Args:
        query: The query string.

    Returns:
        The value of TRANSPARENT, False without it.

    Raises:
        InvalidParameterError: TRANSPARENT is neither TRUE nor FALSE.
    """
    text = query.get("Transparent").upper()
    if text not in ("", "TRUE", "FALSE"):
        raise InvalidParameterError("Transparent", f"Transparent {text[:20]!r} is invalid, it may be TRUE or FALSE")
    return text == "TRUE"


def colour_of(query: Query) -> tuple[int, int, int]:
    """Return the background colour.

    Args:
        query: The query string.

    Returns:
        Red, green and blue of BGCOLOR, white without it.

    Raises:
        InvalidParameterError: BGCOLOR is not ``0xRRGGBB``.
    """
    text = query.get("BGColor") or "0xFFFFFF"
    match = _COLOUR.fullmatch(text)
    if match is None:
        raise InvalidParameterError("BGColor", f"BGColor {text[:20]!r} is invalid, it is 0xRRGGBB")
    red, green, blue = bytes.fromhex(match[1] or match[2])
    return red, green, blue


def opaque(style: Style, background: tuple[int, int, int]) -> Style:
    """Return a style whose colours are composited over a background.

    Args:
        style: The style.
        background: Red, green and blue.

    Returns:
        A style without transparency.
    """
    palette = style.palette
    alpha = palette.rgba[:, 3:].astype(np.float64) / 255.0
    rgba = np.full_like(palette.rgba, 255)
    rgba[:, :3] = np.rint(palette.rgba[:, :3] * alpha + np.array(background, np.float64) * (1.0 - alpha))
    flat = Palette(rgba, palette.cuts, palette.slots, palette.conversion, palette.entries, palette.notes)
    return replace(style, palette=flat)


def _tile_parameters(layer: Layer, query: Query) -> Mapping[str, str]:
    """Return options and dimensions by the names that tile requests have for them."""
    options = {name: value for name, value in query.values.items() if name in OPTION_NAMES}
    if options.get("rgb"):
        raise InvalidParameterError("rgb", "rgb is not offered in maps, only in tiles")
    if options.get("scale", AUTO) != AUTO:
        raise InvalidParameterError(
            "scale", f"scale is invalid in maps, it may be {AUTO}; Width and Height give the size"
        )
    for name in _REFUSED & query.values.keys():
        if query.get(name):
            raise InvalidParameterError(name, f"{name} is not offered, styles are chosen by name")
    return {**options, **dimension_values(layer, query)}


def _unknown_parameters(layer: Layer, query: Query) -> tuple[str, ...]:
    """Return the sorted names in a query string that mean nothing here."""
    return tuple(sorted(query.values.keys() - NAMES - OPTION_NAMES - names_of(layer)))
