"""WMS 1.3.0 and 1.1.1: GetCapabilities, GetMap, GetFeatureInfo, GetLegendGraphic (OGC 06-042, 01-068r3, 05-078r4)."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
from lazytile.colormaps.legends.png import legend_png
from lazytile.colormaps.legends.svg import legend_svg
from lazytile.pyramid.catalog.feature_info import value_request
from lazytile.pyramid.catalog.resolver import integer_of
from lazytile.pyramid.core.errors import GenerationChangedError, InvalidParameterError
from lazytile.service.featureinfo.formats import SCHEMA_PATH, info_format
from lazytile.service.featureinfo.response import PIXEL_READER
from lazytile.service.http.errors import NotOfferedError, PointOutOfRangeError
from lazytile.service.http.query import Query
from lazytile.service.http.reply import matches, server_timing, text_response
from lazytile.service.legends.routes import MAX_AGE_S
from lazytile.service.protocol.context import APP_CONTEXT
from lazytile.service.protocol.tile_response import ATTEMPTS, cache_control, time_headers
from lazytile.service.wms.capabilities import CAPABILITIES_TYPES, LEGEND_FORMATS, CapabilitiesWriter
from lazytile.service.wms.exceptions import reported
from lazytile.service.wms.map_request import CURRENT, OLD, VERSIONS, MapRequest, map_request, pixel_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lazytile.service.tiles.broker import PreparedTile, Tile

DEFAULT_INFO_FORMAT = "text/plain"
ORIENTATIONS = ("vertical", "horizontal")


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the address."""
    router.add_get("/wms", wms)


async def wms(request: web.Request) -> web.StreamResponse:
    """Answer a WMS request."""
    version = CURRENT

    async def answer() -> web.Response:
        nonlocal version
        query = Query(request.rel_url.raw_query_string, request.app[APP_CONTEXT].settings.max_value_length)
        version = _negotiated(query)
        if query.get("service"):
            query.require_one("service", "WMS")
        name = query.require("request")
        operation = _OPERATIONS.get(name.lower())
        if operation is None:
            allowed = "GetCapabilities, GetMap, GetFeatureInfo, GetLegendGraphic"
            raise InvalidParameterError("request", f"request {name[:60]!r} is invalid, it may be {allowed}")
        if name.lower() in _NEED_VERSION and query.get("version") not in VERSIONS:
            query.require("version")
            raise InvalidParameterError("version", f"version is invalid, it may be {' or '.join(VERSIONS)}")
        return await operation(request, query, version)

    # The version is found while the answer is made, so the report asks for it late.
    return await reported(request, lambda: version, answer)


def _negotiated(query: Query) -> str:
    """Return the version of the answer: the highest one not above what is asked for (OGC 06-042, 6.2.4)."""
    asked = query.get("version") or query.get("wmtver")
    return OLD if asked and asked < CURRENT else CURRENT


async def _get_capabilities(request: web.Request, query: Query, version: str) -> web.Response:
    del query
    context = request.app[APP_CONTEXT]

    def write() -> bytes:
        writer = CapabilitiesWriter(
            version,
            context.base_url(request),
            context.settings.capabilities_title,
            context.settings.max_map_side_px,
            context.style_catalog.known(),
            context.settings.feature_info,
        )
        return writer.write(context.store.layers())

    body = await asyncio.to_thread(write)
    digest = hashlib.sha256(body).hexdigest()
    headers = {"Cache-Control": "no-cache"}
    return text_response(request, body, CAPABILITIES_TYPES[version], digest=digest, headers=headers)


async def _get_map(request: web.Request, query: Query, version: str) -> web.Response:
    context = request.app[APP_CONTEXT]
    asked = map_request(context, query, version)
    prepared = context.broker.prepare(asked.tile)
    headers = {
        "ETag": prepared.etag,
        "Cache-Control": cache_control(context, prepared),
        **time_headers(prepared, asked.words),
    }
    if matches(request.headers.get("If-None-Match"), prepared.etag):
        return web.Response(status=304, headers=headers)
    prepared, tile = await _rendered(request, query, version, prepared)
    headers["ETag"] = prepared.etag
    headers["Server-Timing"] = server_timing(tile.stages_s, cache=tile.tier)
    return web.Response(body=tile.data, headers=headers, content_type=prepared.request.image_format.mime)


async def _rendered(
    request: web.Request, query: Query, version: str, prepared: PreparedTile
) -> tuple[PreparedTile, Tile]:
    """Return the map; a dataset replaced meanwhile is looked at anew."""
    context = request.app[APP_CONTEXT]
    for _ in range(ATTEMPTS - 1):
        try:
            return prepared, await context.broker.tile(prepared)
        except GenerationChangedError:
            prepared = context.broker.prepare(map_request(context, query, version).tile)
    return prepared, await context.broker.tile(prepared)


async def _get_feature_info(request: web.Request, query: Query, version: str) -> web.Response:
    context = request.app[APP_CONTEXT]
    if not context.settings.feature_info:
        raise NotOfferedError("request", "GetFeatureInfo is not offered")
    form = info_format(query.get("Info_Format") or DEFAULT_INFO_FORMAT)
    layer = query.require("Query_Layers")
    if layer != query.require("Layers"):
        raise InvalidParameterError("Query_Layers", f"Query_Layers {layer[:60]!r} is not the layer of the map")
    asked = _with_format(request, query, version)
    matrix = asked.tile.matrix
    names = ("I", "J") if version == CURRENT else ("X", "Y")
    i, j = (
        _inside(name, query.require(name), size)
        for name, size in zip(names, (matrix.tile_width, matrix.tile_height), strict=True)
    )
    pixel = pixel_request(value_request(asked.tile), i, j)
    info = await request.app[PIXEL_READER].info(pixel, 0, 0)
    body = form.write(info, f"{context.base_url(request)}/wmts/{SCHEMA_PATH}")
    headers = {"Cache-Control": cache_control(context, context.broker.prepare(asked.tile))}
    return text_response(request, body, form.content_type, digest=hashlib.sha256(body).hexdigest(), headers=headers)


def _with_format(request: web.Request, query: Query, version: str) -> MapRequest:
    """Return the map under the point; its format is of no account and may be left out."""
    query.values.setdefault("format", "image/png")
    return map_request(request.app[APP_CONTEXT], query, version)


def _inside(name: str, text: str, size: int) -> int:
    try:
        return integer_of(name, text, size)
    except InvalidParameterError:
        raise
    except Exception as error:
        raise PointOutOfRangeError(name, str(error)) from error


async def _get_legend_graphic(request: web.Request, query: Query, version: str) -> web.Response:
    del version
    context = request.app[APP_CONTEXT]
    layer = context.store.layer(query.require("Layer"))
    style = context.resolver.style(layer, query.get("Style"))
    media_type = query.get("Format") or LEGEND_FORMATS[0]
    if media_type not in LEGEND_FORMATS:
        raise InvalidParameterError("Format", f"Format is invalid, it may be {', '.join(LEGEND_FORMATS)}")
    orientation = query.get("Orientation") or ORIENTATIONS[0]
    if orientation not in ORIENTATIONS:
        raise InvalidParameterError("Orientation", f"Orientation is invalid, it may be {', '.join(ORIENTATIONS)}")

    def draw() -> bytes:
        drawing = plan_legend(style.colormap, LegendStyle(orientation))
        return legend_png(drawing) if media_type == LEGEND_FORMATS[0] else legend_svg(drawing)

    body = await asyncio.to_thread(draw)
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
    return text_response(request, body, media_type, digest=hashlib.sha256(body).hexdigest(), headers=headers)


_OPERATIONS: dict[str, Callable[[web.Request, Query, str], Awaitable[web.Response]]] = {
    "getcapabilities": _get_capabilities,
    "capabilities": _get_capabilities,
    "getmap": _get_map,
    "getfeatureinfo": _get_feature_info,
    "getlegendgraphic": _get_legend_graphic,
}
_NEED_VERSION = frozenset({"getmap", "getfeatureinfo"})
