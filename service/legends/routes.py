"""Legends of styles and colormap documents, made from the same colormap as the tiles."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.formats.gibs_writer import gibs_xml
from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
from lazytile.colormaps.legends.png import legend_png
from lazytile.colormaps.legends.svg import legend_svg
from lazytile.pyramid.catalog.style_catalog import ORIENTATIONS
from lazytile.service.http.errors import NotFoundError
from lazytile.service.http.query import segments_of
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.colormaps.core.model import Colormap
    from lazytile.pyramid.catalog.style_catalog import OfferedStyle
    from lazytile.service.protocol.context import AppContext

FORMATS = {"svg": "image/svg+xml", "png": "image/png"}
MAX_AGE_S = 3600

_NO_LEGEND = "there is no legend at this address; they are at /legends/LAYER/STYLE_H.svg (or _V, or .png)"
_NO_COLORMAP = "there is no colormap at this address; they are at /colormaps/NAME.xml and /colormaps/LAYER/STYLE.xml"


@dataclass(frozen=True, slots=True)
class LegendLink:
    """A legend as the capabilities point to it."""

    path: str
    """Below ``/legends/``, not yet percent-encoded."""
    mime: str
    size: tuple[int, int] | None
    """Width and height in pixels, where known."""


def legend_links(layer: str, style: OfferedStyle) -> list[LegendLink]:
    """Return the legends of a style: horizontal as SVG, which clients take that take the first, vertical, then PNG."""
    return [
        LegendLink(f"{layer}/{style.name}_{letter}.{extension}", FORMATS[extension], style.legend_sizes.get(letter))
        for letter, extension in (("H", "svg"), ("V", "svg"), ("H", "png"))
    ]


async def legend(request: web.Request) -> web.StreamResponse:
    """Answer with a legend: ``/legends/{layer}/{style}_{H|V}.{svg|png}`` or ``/legends/{colormap}_{H|V}.{svg|png}``."""
    context = request.app[APP_CONTEXT]
    *owner, last = segments_of(request.rel_url.raw_path, "/legends/", context.settings.max_value_length)
    stem, _, extension = last.rpartition(".")
    name, _, letter = stem.rpartition("_")
    if extension not in FORMATS or letter not in ORIENTATIONS or not name:
        raise NotFoundError("request", _NO_LEGEND)
    colormap = _colormap(context, owner, name)
    body = await asyncio.to_thread(_draw, colormap, letter, extension)
    return _answer(request, body, FORMATS[extension])


def _draw(colormap: Colormap, letter: str, extension: str) -> bytes:
    drawing = plan_legend(colormap, LegendStyle(ORIENTATIONS[letter]))
    return legend_svg(drawing) if extension == "svg" else legend_png(drawing)


async def colormap_document(request: web.Request) -> web.StreamResponse:
    """Answer with a GIBS document, version 1.3: ``/colormaps/{name}.xml`` or ``/colormaps/{layer}/{style}.xml``."""
    context = request.app[APP_CONTEXT]
    *owner, last = segments_of(request.rel_url.raw_path, "/colormaps/", context.settings.max_value_length)
    if owner[:1] == ["v1.3"]:
        owner = owner[1:]
    name, _, extension = last.rpartition(".")
    if extension != "xml" or not name:
        raise NotFoundError("request", _NO_COLORMAP)
    body = await asyncio.to_thread(gibs_xml, _colormap(context, owner, name))
    return _answer(request, body, "text/xml")


def _colormap(context: AppContext, owner: list[str], name: str) -> Colormap:
    """Return a layer's style's colormap, or one of the catalog's."""
    if len(owner) > 1:
        raise NotFoundError("request", _NO_LEGEND)
    if owner:
        return context.resolver.style(context.store.layer(owner[0]), name).colormap
    return context.catalog.find(name)


def _answer(request: web.Request, body: bytes, mime: str) -> web.Response:
    digest = hashlib.sha256(body).hexdigest()
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
    return text_response(request, body, mime, digest=digest, headers=headers)
