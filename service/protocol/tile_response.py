"""The answer to a request for a tile, the same for KVP, REST and XYZ."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.catalog.resolver import asked_values, labels_of, unknown_names
from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.times import lookup
from lazytile.service.http.reply import server_timing
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.catalog.tile_address import RawTileAddress
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.protocol.context import AppContext
    from lazytile.service.tiles.broker import PreparedTile, Tile

_HARMLESS = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MAX_WARNED = 8
ATTEMPTS = 2
"""A dataset may be replaced between the look at it and the work; the second look sees the new one."""


async def tile_response(request: web.Request, address: RawTileAddress) -> web.Response:
    """Resolve, look for the tile, have it rendered; 304 without any look where the client has it."""
    context = request.app[APP_CONTEXT]
    began = time.perf_counter()
    prepared = context.broker.prepare(context.resolver.resolve(address))
    resolved_s = time.perf_counter() - began
    headers = {
        "ETag": prepared.etag,
        "Cache-Control": cache_control(context, prepared),
        **time_headers(prepared, address),
        **warning_headers(prepared, address),
    }
    known = prepared.matching_etag(request.headers.get("If-None-Match"))
    if known is not None:
        headers["ETag"] = known
        context.metrics.tiles.labels("client").inc()
        headers["Server-Timing"] = server_timing({"resolve": resolved_s}, cache="client")
        return web.Response(status=304, headers=headers)
    prepared, tile = await fetch(context, address, prepared)
    headers["ETag"] = prepared.etag_of(tile)
    headers["Server-Timing"] = server_timing({"resolve": resolved_s, **tile.stages_s}, cache=tile.tier)
    return web.Response(body=tile.data, headers=headers, content_type=prepared.request.image_format.mime)


async def fetch(context: AppContext, address: RawTileAddress, prepared: PreparedTile) -> tuple[PreparedTile, Tile]:
    """Return the tile, and what it was prepared as in the end: a dataset replaced meanwhile is looked at anew."""
    for _ in range(ATTEMPTS - 1):
        try:
            return prepared, await context.broker.tile(prepared)
        except GenerationChangedError:
            prepared = context.broker.prepare(context.resolver.resolve(address))
    return prepared, await context.broker.tile(prepared)


def cache_control(context: AppContext, prepared: PreparedTile) -> str:
    """Return how long clients may keep a tile: the latest time's soon has a successor, an older one stays as it is."""
    layer, settings = prepared.request.layer, context.settings
    known = settings.layer_max_age_s.get(layer.name, settings.layer_max_age_s.get(layer.dataset.name))
    if known is not None:
        return f"public, max-age={known}" if known else "no-cache"
    for dimension, at in zip(layer.variable.dimensions, prepared.request.dim_index, strict=True):
        if dimension.kind == "time":
            if at == lookup.default_index(dimension):
                return f"public, max-age={settings.latest_max_age_s}"
            return f"public, max-age={settings.old_max_age_s}, immutable"
    return f"public, max-age={settings.max_age_s}"


def warning_headers(prepared: PreparedTile, address: RawTileAddress) -> dict[str, str]:
    """Return the header that names parameters which were ignored: they may be misspelled (RFC 7234, 5.5).

    It also says where another number than the one asked for is shown (OGC 06-042, C.4.2).
    """
    names = unknown_names(prepared.request, address)
    texts = []
    if names:
        shown = [name if _HARMLESS.fullmatch(name) else "?" for name in names[:MAX_WARNED]]
        texts.append(f"unknown parameters were ignored: {', '.join(shown)}")
    texts += [f"nearest value used: {name}={label}" for name, label in _nearest(prepared.request, address)]
    return {"Warning": ", ".join(f'299 lazytile "{text}"' for text in texts)} if texts else {}


def _nearest(request: TileRequest, address: RawTileAddress) -> Iterator[tuple[str, str]]:
    dimensions = request.layer.variable.dimensions
    asked = asked_values(request.layer, address)
    for dimension, at, text in zip(dimensions, request.dim_index, asked, strict=True):
        label = dimension.labels[at]
        if dimension.kind == "time" or text in (None, "", lookup.DEFAULT, label) or not _HARMLESS.fullmatch(label):
            continue
        if float(str(text)) != float(label):
            yield lookup.parameter_name(dimension), label


def time_headers(prepared: PreparedTile, address: RawTileAddress) -> dict[str, str]:
    """Return the headers in which GIBS tells which time was asked for and which is shown."""
    request = prepared.request
    actual = labels_of(request).get(lookup.TIME)
    if actual is None:
        return {}
    headers = {"Layer-Time-Actual": actual}
    dimensions = request.layer.variable.dimensions
    for dimension, asked in zip(dimensions, asked_values(request.layer, address), strict=True):
        if dimension.kind == "time" and asked and asked.isascii() and asked.isprintable():
            headers["Layer-Time-Request"] = asked
    return headers
