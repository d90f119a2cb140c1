"""GetLegendGraphic (OGC 05-078r4, 12) with the options of GetMap: the legend explains the colours of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.legends.layout import LARGEST, SMALLEST, LegendStyle
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.service.legends.responses import PNG, SVG
from lazytile.service.wms.map_request import FORMATS, colour_of, palette_of

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.resolver import Resolver
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query

LEGEND_FORMATS = (PNG, SVG, *(mime for mime in FORMATS if mime != PNG))
ORIENTATIONS = ("vertical", "horizontal")
_OF_PIXELS = frozenset({"scale", "rgb", "expression", "filter", "resampling"})
"""Options of maps that change no legend; in this request SCALE is that of the map (OGC 05-078r4, 12.2)."""


@dataclass(frozen=True, slots=True)
class LegendRequest:
    """What a GetLegendGraphic asks for."""

    style: Style
    look: LegendStyle
    media_type: str
    background: tuple[int, int, int]
    """Of formats without transparency: red, green and blue."""


def legend_request(layer: Layer, resolver: Resolver, query: Query) -> LegendRequest:
    """Return the legend that a request asks for.

    Args:
        layer: The layer.
        resolver: Finds its styles.
        query: The query string.

    Returns:
        The legend.

    Raises:
        InvalidParameterError: A parameter is invalid.
    """
    asked = {name: value for name, value in query.values.items() if name in OPTION_NAMES - _OF_PIXELS}
    if asked.get("colorscalerange", "").lower() == "auto":
        text = "COLORSCALERANGE auto is the range of a map, a legend has none: give MIN,MAX"
        raise InvalidParameterError("COLORSCALERANGE", text)
    options = options_of(layer, asked)
    name = query.get("Style") or query.get("Styles")
    style = resolver.style(layer, options.colormap or palette_of(name), options.rescale_to)
    orientation = query.get("Orientation") or _of_ncwms(query)
    if orientation not in ORIENTATIONS:
        raise InvalidParameterError("Orientation", f"Orientation is invalid, it may be {', '.join(ORIENTATIONS)}")
    look = LegendStyle(orientation, width=_size(query, "Width"), height=_size(query, "Height"))
    return LegendRequest(style, look, _media_type(query), colour_of(query))


def _of_ncwms(query: Query) -> str:
    return "horizontal" if query.get("Vertical").lower() == "false" else ORIENTATIONS[0]


def _media_type(query: Query) -> str:
    """Return the format, in every spelling that GetMap takes."""
    bare = (query.get("Format") or PNG).partition(";")[0].strip().lower().replace(" ", "+")
    if bare not in LEGEND_FORMATS:
        raise InvalidParameterError("Format", f"Format is invalid, it may be {', '.join(LEGEND_FORMATS)}")
    return bare


def _size(query: Query, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and SMALLEST <= int(text) <= LARGEST):
        raise InvalidParameterError(name, f"{name} {text[:20]!r} is invalid, it may be {SMALLEST} to {LARGEST}")
    return int(text)
