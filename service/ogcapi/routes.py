"""OGC API - Tiles 1.0 (OGC 20-057) below ``/ogc``: each layer is a collection with a tileset per matrix set."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from lazytile.pyramid.catalog.described_sets import described_sets, find_set
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.core.errors import RequestError, StoreError
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.admission.first_use import computed
from lazytile.service.http.documents import DOCUMENT_TYPES, HTML, document_response, with_problem_responses
from lazytile.service.http.json_document import JSON
from lazytile.service.http.negotiation import negotiate_format
from lazytile.service.http.parameter_names import TIME
from lazytile.service.http.query import Query
from lazytile.service.ogcapi.collections import DEFINITION_TYPE, CollectionWriter
from lazytile.service.ogcapi.openapi import definition
from lazytile.service.ogcapi.tile_matrix_sets import COMPAT, TILE_FORMATS, SetWriter
from lazytile.service.protocol.datetime_parameter import label_of
from lazytile.service.protocol.parameters import DATETIME
from lazytile.service.protocol.tile_response import tile_response
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.documents import Handler
    from lazytile.service.http.json_document import JsonDocument
    from lazytile.service.ogcapi.collection_models import LandingPage, StylesList
    from lazytile.service.ogcapi.tile_models import TileMatrixSetDocument, TileMatrixSetsList, Tileset, TilesetsList
    from lazytile.service.protocol.context import AppContext

_COLLECTION = "/ogc/collections/{collectionId}"
_STYLED = f"{_COLLECTION}/styles/{{styleId}}"
_DEFINITION_TYPES = {"json": DEFINITION_TYPE, JSON: JSON, "html": HTML}


@dataclass(frozen=True, slots=True)
class _DocumentSource:
    """The request that a document answers, and the writers for its base URL."""

    context: AppContext
    snapshot: Snapshot
    collections: CollectionWriter
    sets: SetWriter
    path: Mapping[str, str]
    """The variable parts of the path."""
    query: Query

    @property
    def layer(self) -> Layer:
        return self.snapshot.layer(self.path["collectionId"])

    def tilesets_address(self, layer: Layer) -> str:
        """Return the address of the list of tilesets of a layer, in the style that the path names."""
        style = self.path.get("styleId")
        if style is None:
            return f"{self.collections.address(layer)}/map/tiles"
        Resolver(self.snapshot, self.snapshot.styles, self.snapshot.name_of).style(layer, style)
        return f"{self.collections.address(layer)}/styles/{quote(style, safe='')}/map/tiles"


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the routes of the API.

    Args:
        router: The router of the application.
    """
    routes: dict[str, Handler] = {
        "/ogc": _document(_landing_page),
        "/ogc/": _document(_landing_page),
        "/ogc/api": with_problem_responses(_definition),
        "/ogc/conformance": _document(lambda source: source.collections.conformance()),
        "/ogc/tileMatrixSets": _document(_matrix_sets),
        "/ogc/tileMatrixSets/{tileMatrixSetId}": _document(_matrix_set),
        "/ogc/collections": _document(lambda source: source.collections.listing(source.snapshot.layers())),
        _COLLECTION: _document(lambda source: source.collections.collection(source.layer)),
        f"{_COLLECTION}/styles": _document(_styles),
    }
    for start in (_COLLECTION, _STYLED):
        tiles = f"{start}/map/tiles"
        routes[tiles] = _document(_tilesets)
        routes[f"{tiles}/{{tileMatrixSetId}}"] = _document(_tileset)
        routes[f"{tiles}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"] = with_problem_responses(_tile)
    for path, handler in routes.items():
        router.add_get(path, handler)


def _document(make: Callable[[_DocumentSource], JsonDocument]) -> Handler:
    """Return the handler that answers with a document, as JSON or HTML."""

    async def handler(request: web.Request) -> web.StreamResponse:
        context = context_of(request)
        query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
        chosen_format = negotiate_format(request, query, DOCUMENT_TYPES)
        collections = CollectionWriter(context.base_url(request))
        snapshot = await _snapshot_for(context, request.match_info)
        source = _DocumentSource(context, snapshot, collections, SetWriter(collections.root), request.match_info, query)
        return await context.admission.document(lambda: document_response(request, make(source), chosen_format))

    return with_problem_responses(handler)


async def _snapshot_for(context: AppContext, path: Mapping[str, str]) -> Snapshot:
    """Return the catalogue for a document, in which the style that its path names is compiled if there is one."""
    name, style = path.get("collectionId"), path.get("styleId")
    if name is None:
        return await context.catalogue.whole()
    snapshot = await context.catalogue.at(name)
    if style is not None:
        with suppress(RequestError, StoreError):  # the document reports them, in its own order
            layer = snapshot.layer(name)
            await context.styles.resolved(snapshot, lambda resolver: resolver.style(layer, style))
    return snapshot


async def _definition(request: web.Request) -> web.StreamResponse:
    """Answer with the OpenAPI definition."""
    context = context_of(request)
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    chosen_format = negotiate_format(request, query, _DEFINITION_TYPES)
    base_url, routes = context.base_url(request), request.app.router.routes()
    response = await context.admission.document(
        lambda: document_response(request, definition(base_url, context.settings, routes), chosen_format)
    )
    if chosen_format != "html":
        response.content_type = DEFINITION_TYPE
    return response


def _landing_page(source: _DocumentSource) -> LandingPage:
    return source.collections.landing(source.context.settings.capabilities_title)


def _styles(source: _DocumentSource) -> StylesList:
    layer = source.layer
    return source.collections.styles(layer, offered_styles(layer, source.snapshot.known_colormaps))


def _matrix_sets(source: _DocumentSource) -> TileMatrixSetsList:
    return source.sets.listing(described_sets(source.snapshot))


def _matrix_set(source: _DocumentSource) -> TileMatrixSetDocument:
    tms = find_set(source.snapshot, source.path["tileMatrixSetId"])
    return source.sets.definition(tms, with_version_1=bool(COMPAT.read(source.query)))


def _tilesets(source: _DocumentSource) -> TilesetsList:
    layer = source.layer
    return source.sets.tilesets(layer, source.tilesets_address(layer))


def _tileset(source: _DocumentSource) -> Tileset:
    layer = source.layer
    tms = layer.tile_matrix_set(source.path["tileMatrixSetId"])
    find_set(source.snapshot, tms.identifier)  # raises if its pixels are not square
    return source.sets.tileset(layer, tms, source.tilesets_address(layer))


async def _tile(request: web.Request) -> web.StreamResponse:
    """Answer with a tile, byte for byte that of WMTS."""
    context = context_of(request)
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    image_format = ImageFormat.from_mime(TILE_FORMATS[negotiate_format(request, query, TILE_FORMATS)])
    path = request.match_info
    snapshot = await context.catalogue.at(path["collectionId"])
    layer, wanted = snapshot.layer(path["collectionId"]), DATETIME.text(query)
    time = await computed(context.admission, lambda: label_of(layer, wanted))
    address = RawTileAddress(
        layer=path["collectionId"],
        style=path.get("styleId", ""),
        tms=path["tileMatrixSetId"],
        matrix=path["tileMatrix"],
        row=path["tileRow"],
        col=path["tileCol"],
        image_format=image_format,
        parameters=query.values | ({TIME.lower(): time} if time else {}),
        protocol_parameters=frozenset({"f", "datetime"}),
    )
    response = await tile_response(request, address)
    vary = response.headers.get("Vary")
    response.headers["Vary"] = f"{vary}, Accept" if vary else "Accept"
    return response
