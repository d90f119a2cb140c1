"""Legends of styles and colormap documents, made from the same colormaps as the tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.formats.gibs_writer import gibs_xml
from lazytile.colormaps.legends.layout import LegendStyle
from lazytile.pyramid.catalog.style_catalog import ORIENTATIONS
from lazytile.service.http.errors import NotFoundError
from lazytile.service.http.query import segments_of
from lazytile.service.legends.responses import PNG, SVG, file_response, legend_response
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.colormaps.core.model import Colormap
    from lazytile.pyramid.catalog.style_catalog import OfferedStyle
    from lazytile.service.protocol.context import AppContext

FORMATS = {"svg": SVG, "png": PNG}
"""Media types by extension."""

_NO_LEGEND = "there is no legend at this address; they are at /legends/LAYER/STYLE_H.svg (or _V, or .png)"
_NO_COLORMAP = "there is no colormap at this address; they are at /colormaps/NAME.xml and /colormaps/LAYER/STYLE.xml"


@dataclass(frozen=True, slots=True)
class LegendLink:
    """A legend as capabilities refer to it."""

    path: str
    """Below ``/legends/``, not percent-encoded."""
    mime: str
    size: tuple[int, int] | None
    """Width and height in pixels, where known."""


def legend_links(layer: str, style: OfferedStyle) -> list[LegendLink]:
    """Return the legends of a style.

    Args:
        layer: Name of the layer.
        style: One of its styles.

    Returns:
        The horizontal SVG first, for clients that take the first legend; then the vertical SVG and the PNG.
    """
    return [
        LegendLink(f"{layer}/{style.name}_{letter}.{extension}", FORMATS[extension], style.legend_sizes.get(letter))
        for letter, extension in (("H", "svg"), ("V", "svg"), ("H", "png"))
    ]


async def legend(request: web.Request) -> web.StreamResponse:
    """Answer with a legend: ``/legends/{layer}/{style}_{H|V}.{svg|png}`` or ``/legends/{colormap}_{H|V}.{svg|png}``."""
    context = context_of(request)
    *owner, last = segments_of(request.rel_url.raw_path, "/legends/", context.settings.max_value_length)
    stem, _, extension = last.rpartition(".")
    name, _, letter = stem.rpartition("_")
    if extension not in FORMATS or letter not in ORIENTATIONS or not name:
        raise NotFoundError("request", _NO_LEGEND)
    colormap = await _colormap(context, owner, name)
    return await legend_response(request, colormap, LegendStyle(ORIENTATIONS[letter]), FORMATS[extension])


async def colormap_document(request: web.Request) -> web.StreamResponse:
    """Answer with a GIBS colormap, version 1.3: ``/colormaps/{name}.xml`` or ``/colormaps/{layer}/{style}.xml``."""
    context = context_of(request)
    *owner, last = segments_of(request.rel_url.raw_path, "/colormaps/", context.settings.max_value_length)
    if owner[:1] == ["v1.3"]:
        owner = owner[1:]
    name, _, extension = last.rpartition(".")
    if extension != "xml" or not name:
        raise NotFoundError("request", _NO_COLORMAP)
    colormap = await _colormap(context, owner, name)
    return await context.styles.drawn(lambda: file_response(request, gibs_xml(colormap), "text/xml"))


async def _colormap(context: AppContext, owner: list[str], name: str) -> Colormap:
    """Return the colormap of a layer's style, or one of the catalog."""
    if len(owner) > 1:
        raise NotFoundError("request", _NO_LEGEND)
    if owner:
        snapshot = await context.catalogue.at(owner[0])
        layer = snapshot.layer(owner[0])
        return (await context.styles.resolved(snapshot, lambda resolver: resolver.style(layer, name))).colormap
    return await context.styles.drawn(lambda: context.snapshot.colormaps.find(name))
