"""WMS 1.3.0 and 1.1.1: GetCapabilities, GetMap, GetFeatureInfo, GetLegendGraphic (OGC 06-042, 01-068r3, 05-078r4)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lazytile.pyramid.catalog.feature_info import value_request
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.render.style import DEFAULT
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.service.featureinfo.address import pixel_index
from lazytile.service.featureinfo.formats import MAP_INFO_FORMATS, SCHEMA_PATH, info_format
from lazytile.service.featureinfo.pixel_value import read_pixel
from lazytile.service.http.address_template import PLACEHOLDER, at_address
from lazytile.service.http.errors import NotOfferedError
from lazytile.service.http.json_document import JSON
from lazytile.service.http.query import Query
from lazytile.service.http.reply import matches, server_timing, text_response
from lazytile.service.legends.responses import legend_response
from lazytile.service.protocol.own_range import range_of, with_own_range
from lazytile.service.protocol.tile_response import tile_headers
from lazytile.service.protocol.views import context_of
from lazytile.service.wms.capabilities import CAPABILITIES_TYPES, CapabilitiesWriter
from lazytile.service.wms.exceptions import reported
from lazytile.service.wms.legend import legend_request
from lazytile.service.wms.map_frame import CURRENT, OLD, VERSIONS
from lazytile.service.wms.map_request import check_cost, over_background, pixel_of, resolve_map
from lazytile.service.wms.metadata import ITEMS, animation_steps, layer_details, menu, time_steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.protocol.context import AppContext

DEFAULT_INFO_FORMAT = "text/plain"


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the address, with and without a slash at its end.

    Args:
        router: The router of the application.
    """
    for path in ("/wms", "/wms/"):
        router.add_get(path, wms)


async def wms(request: web.Request) -> web.StreamResponse:
    """Respond to a WMS request."""
    raw = request.rel_url.raw_query_string
    version = _stated(raw)

    async def answer() -> web.Response:
        nonlocal version
        query = Query(raw, context_of(request).settings.max_value_length)
        version = _negotiated(query)
        if query.get("service"):
            query.require_one("service", "WMS")
        name = query.require("request")
        operation = _OPERATIONS.get(name.lower())
        if operation is None:
            allowed = "GetCapabilities, GetMap, GetFeatureInfo, GetLegendGraphic, GetMetadata"
            raise InvalidParameterError("request", f"request {name[:60]!r} is invalid, it may be {allowed}")
        if name.lower() in _NEED_VERSION and query.get("version") not in VERSIONS:
            query.require("version")
            raise InvalidParameterError("version", f"version is invalid, it may be {' or '.join(VERSIONS)}")
        return await operation(request, query, version)

    # The version is known for sure only once the query is parsed, so the report reads it late.
    return await reported(request, lambda: version, answer)


def _stated(raw: str) -> str:
    """Return the version of the report of a query that cannot be parsed."""
    match = re.search(r"(?i)(?:^|&)(?:version|wmtver)=([0-9.]{1,10})(?:&|$)", raw)
    return OLD if match is not None and match[1] < CURRENT else CURRENT


def _negotiated(query: Query) -> str:
    """Return the version of the response: the highest one not above the requested one (OGC 06-042, 6.2.4)."""
    requested = query.get("version") or query.get("wmtver")
    return OLD if requested and requested < CURRENT else CURRENT


async def _get_capabilities(request: web.Request, query: Query, version: str) -> web.Response:
    del query
    context = context_of(request)
    base_url = context.base_url(request)  # a host that is refused costs no thread
    snapshot = await context.catalogue.whole()

    def write() -> bytes:
        writer = CapabilitiesWriter(
            version,
            PLACEHOLDER,
            context.settings.capabilities_title,
            context.settings.max_map_side_px,
            snapshot.known_colormaps,
            context.settings.feature_info,
        )
        return writer.write(snapshot.layers())

    def respond() -> web.Response:
        template = process.cache("documents").get(
            (context.catalogue, "wms", version, snapshot.generation, snapshot.hidden), write
        )
        body = at_address(template, base_url)
        digest = hashlib.sha256(body).hexdigest()
        headers = {"Cache-Control": "no-cache"}
        return text_response(request, body, CAPABILITIES_TYPES[version], digest=digest, headers=headers)

    return await context.admission.document(respond)


async def _get_map(request: web.Request, query: Query, version: str) -> web.Response:
    context = context_of(request)
    for attempt in generation_attempts():
        with attempt:
            resolved = await _resolved(context, query, version, again=attempt.is_repeated)
            check_cost(resolved, context.settings.max_map_ms)
            prepared = context.broker.prepare(resolved.request)
            headers = {"ETag": prepared.etag, **tile_headers(context, resolved)}
            if matches(request.headers.get("If-None-Match"), prepared.etag):
                return web.Response(status=304, headers=headers)
            await asyncio.sleep(0)  # resolving and rendering are two pieces of work
            tile = await context.broker.tile(prepared)
    context.metrics.counts.tile(resolved.request.layer.name, tile.tier, tile.stages_s)
    headers["Server-Timing"] = server_timing(tile.stages_s, cache=tile.tier)
    return web.Response(body=tile.data, headers=headers, content_type=resolved.request.image_format.mime)


async def _resolved(context: AppContext, query: Query, version: str, *, again: bool) -> ResolvedTile:
    snapshot = await context.catalogue.at(query.get("Layers"), again=again)
    side_px = context.settings.max_map_side_px
    resolved = await context.styles.resolved(
        snapshot, lambda resolver: resolve_map(snapshot, resolver, side_px, query, version)
    )
    if resolved.own_range is not None:
        check_cost(resolved, context.settings.max_map_ms)
    spread = await with_own_range(context, snapshot, resolved)
    return resolved if spread is resolved else over_background(spread, query)


async def _get_feature_info(request: web.Request, query: Query, version: str) -> web.Response:
    context = context_of(request)
    if not context.settings.feature_info:
        raise NotOfferedError("request", "GetFeatureInfo is not offered")
    form = info_format(query.get("Info_Format") or DEFAULT_INFO_FORMAT, MAP_INFO_FORMATS)
    layer = query.require("Query_Layers")
    if layer != query.require("Layers"):
        raise InvalidParameterError("Query_Layers", f"Query_Layers {layer[:60]!r} is not the layer of the map")
    query.values.setdefault("format", "image/png")  # the format of the map decides nothing here
    column, row = ("I", "J") if version == CURRENT else ("X", "Y")
    for attempt in generation_attempts():
        with attempt:
            resolved = await _resolved(context, query, version, again=attempt.is_repeated)
            matrix = resolved.request.matrix
            i = pixel_index(column, query.require(column), matrix.tile_width)
            j = pixel_index(row, query.require(row), matrix.tile_height)
            info = await read_pixel(context, pixel_of(value_request(resolved), i, j), 0, 0)
    body = form.write(info, f"{context.base_url(request)}/wmts/{SCHEMA_PATH}")
    headers = tile_headers(context, resolved)
    return text_response(request, body, form.content_type, digest=hashlib.sha256(body).hexdigest(), headers=headers)


async def _get_legend_graphic(request: web.Request, query: Query, version: str) -> web.Response:
    del version
    context = context_of(request)
    name = query.get("Layer") or query.get("Layers") or query.require("Layer")
    snapshot = await context.catalogue.at(name)
    layer = snapshot.layer(name)
    asked = await context.styles.resolved(snapshot, lambda resolver: legend_request(layer, resolver, query))
    return await legend_response(request, asked.style.colormap, asked.look, asked.media_type, asked.background)


async def _get_metadata(request: web.Request, query: Query, version: str) -> web.Response:
    """Respond with JSON about the layers (ncWMS2, "GetMetadata")."""
    context = context_of(request)
    by_name = {each.lower(): each for each in ITEMS}
    item = by_name.get(query.require("item").lower())
    if item is None:
        raise InvalidParameterError("item", f"item is invalid, it may be {', '.join(ITEMS)}")
    if item == "menu":
        snapshot = await context.catalogue.whole()
        title = context.settings.capabilities_title
        return await context.admission.document(lambda: _json(request, menu(title, snapshot.layers())))
    name = query.get("layerName") or query.get("layers") or query.require("layerName")
    snapshot = await context.catalogue.at(name)
    layer = snapshot.layer(name)
    if item in _DESCRIPTIONS:
        describe = _DESCRIPTIONS[item]
        return await context.admission.document(lambda: _json(request, describe(snapshot, layer, query)))
    query.values.setdefault("layers", name)
    query.values.setdefault("format", "image/png")
    resolved = await _resolved(context, query, version, again=False)
    check_cost(resolved, context.settings.max_map_ms)
    found = await range_of(context, resolved)
    return _json(request, {"min": None, "max": None} if found is None else {"min": found[0], "max": found[1]})


def _json(request: web.Request, document: object) -> web.Response:
    body = json.dumps(document, allow_nan=False).encode()
    headers = {"Cache-Control": "no-cache"}
    return text_response(request, body, JSON, digest=hashlib.sha256(body).hexdigest(), headers=headers)


def _layer_details(snapshot: Snapshot, layer: Layer, query: Query) -> dict[str, Any]:
    del query
    palettes = [DEFAULT, *(each.style.name for each in snapshot.known_colormaps)]
    return layer_details(layer, snapshot.known_colormaps, palettes)


_DESCRIPTIONS: dict[str, Callable[[Snapshot, Layer, Query], dict[str, Any]]] = {
    "layerDetails": _layer_details,
    "timesteps": lambda _, layer, query: time_steps(layer, query.require("day")),
    "animationTimesteps": lambda _, layer, query: animation_steps(layer, query.require("start"), query.require("end")),
}
"""What GetMetadata says of a layer, by item."""
_OPERATIONS: dict[str, Callable[[web.Request, Query, str], Awaitable[web.Response]]] = {
    "getcapabilities": _get_capabilities,
    "capabilities": _get_capabilities,
    "getmap": _get_map,
    "getfeatureinfo": _get_feature_info,
    "getlegendgraphic": _get_legend_graphic,
    "getmetadata": _get_metadata,
}
_NEED_VERSION = frozenset({"getmap", "getfeatureinfo"})
