"""OGC API - Tiles 1.0 (OGC 20-057) below ``/ogc``: every layer is a collection, every set that suits it a tileset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.times.lookup import TIME
from lazytile.service.http.documents import DOCUMENT_TYPES, document_response, with_problem_responses
from lazytile.service.http.negotiation import negotiate_format
from lazytile.service.http.query import Query
from lazytile.service.ogcapi.collections import OPENAPI_TYPE, CollectionWriter
from lazytile.service.ogcapi.openapi import definition
from lazytile.service.ogcapi.tile_matrix_sets import TILE_FORMATS, SetWriter, described_sets, find_set
from lazytile.service.protocol.context import APP_CONTEXT
from lazytile.service.protocol.datetime_parameter import label_of
from lazytile.service.protocol.tile_response import tile_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.documents import Document, Handler
    from lazytile.service.protocol.context import AppContext

_COLLECTION = "/ogc/collections/{collection}"
_STYLED = f"{_COLLECTION}/styles/{{style}}"


def add_routes(router: web.UrlDispatcher) -> None:
    """Add every address of the API."""
    routes: dict[str, Handler] = {
        "/ogc": _document(_landing),
        "/ogc/": _document(_landing),
        "/ogc/api": _document(_definition),
        "/ogc/conformance": _document(lambda writer, *_: writer.conformance()),
        "/ogc/tileMatrixSets": _document(_matrix_sets),
        "/ogc/tileMatrixSets/{tms}": _document(_matrix_set),
        "/ogc/collections": _document(_collections),
        _COLLECTION: _document(lambda writer, context, names: writer.collection(_layer(context, names))),
        f"{_COLLECTION}/styles": _document(_styles),
    }
    for start in (_COLLECTION, _STYLED):
        routes[f"{start}/map/tiles"] = _document(_tilesets)
        routes[f"{start}/map/tiles/{{tms}}"] = _document(_tileset)
        routes[f"{start}/map/tiles/{{tms}}/{{matrix}}/{{row}}/{{col}}"] = with_problem_responses(_tile)
    for path, handler in routes.items():
        router.add_get(path, handler)


def _document(make: Callable[[CollectionWriter, AppContext, dict[str, str]], Document]) -> Handler:
    """Return the handler that answers with what ``make`` makes of the names in the path, as JSON or HTML."""

    async def handler(request: web.Request) -> web.StreamResponse:
        context = request.app[APP_CONTEXT]
        query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
        names = {"compat": query.get("compat"), **request.match_info}
        wanted = negotiate_format(request, query, _definition_types() if request.path == "/ogc/api" else DOCUMENT_TYPES)
        writer = CollectionWriter(context.base_url(request))
        document = await asyncio.to_thread(make, writer, context, names)
        title = str(document.get("title") or document.get("id") or request.path.rpartition("/")[2])
        response = document_response(request, document, wanted, title)
        if request.path == "/ogc/api" and wanted != "html":
            response.content_type = OPENAPI_TYPE.partition(";")[0]
        return response

    return with_problem_responses(handler)


def _definition_types() -> dict[str, str]:
    return {"json": OPENAPI_TYPE.partition(";")[0], "application/json": "application/json", "html": "text/html"}


def _landing(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    del names
    return writer.landing(context.settings.capabilities_title)


def _definition(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    del names
    return definition(writer.base_url, context.settings.capabilities_title)


def _collections(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    del names
    return writer.listing(context.store.layers())


def _styles(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    layer = _layer(context, names)
    return writer.styles(layer, offered_styles(layer, context.style_catalog.known()))


def _matrix_sets(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    del names
    return SetWriter(writer.root).listing(described_sets(context.store))


def _matrix_set(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    return SetWriter(writer.root).definition(find_set(context.store, names["tms"]), names["compat"])


def _tilesets(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    layer = _layer(context, names)
    return SetWriter(writer.root).tilesets(layer, _tiles_address(writer, context, layer, names))


def _tileset(writer: CollectionWriter, context: AppContext, names: dict[str, str]) -> Document:
    layer = _layer(context, names)
    tms = layer.tile_matrix_set(names["tms"])
    find_set(context.store, tms.identifier)  # one that no document can describe is told so
    return SetWriter(writer.root).tileset(layer, tms, _tiles_address(writer, context, layer, names))


def _tiles_address(writer: CollectionWriter, context: AppContext, layer: Layer, names: dict[str, str]) -> str:
    """Return where the tilesets of a layer, in the style that the path names, are listed."""
    style = names.get("style")
    if style is None:
        return f"{writer.address(layer)}/map/tiles"
    context.resolver.style(layer, style)
    return f"{writer.address(layer)}/styles/{quote(style, safe='')}/map/tiles"


def _layer(context: AppContext, names: dict[str, str]) -> Layer:
    return context.store.layer(names["collection"])


async def _tile(request: web.Request) -> web.StreamResponse:
    """Answer with a tile: the same bytes as WMTS gives for it."""
    context = request.app[APP_CONTEXT]
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    image_format = ImageFormat.from_mime(TILE_FORMATS[negotiate_format(request, query, TILE_FORMATS)])
    names = request.match_info
    time = label_of(context.store.layer(names["collection"]), query.get("datetime"))
    words = RawTileAddress(
        layer=names["collection"],
        style=names.get("style", ""),
        tms=names["tms"],
        matrix=names["matrix"],
        row=names["row"],
        col=names["col"],
        image_format=image_format,
        parameters=query.values | ({TIME.lower(): time} if time else {}),
        protocol_parameters=frozenset({"f", "datetime"}),
    )
    response = await tile_response(request, words)
    vary = response.headers.get("Vary")
    response.headers["Vary"] = f"{vary}, Accept" if vary else "Accept"
    return response
