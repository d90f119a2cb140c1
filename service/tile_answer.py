"""The answer to a request for a tile, the same for KVP, REST and XYZ."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid import times
from lazytile.pyramid.errors import GenerationChangedError
from lazytile.service.reply import server_timing
from lazytile.service.request import asked_values, labels_of, unknown_names
from lazytile.service.site import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.request import TileRequest
    from lazytile.service.site import Site
    from lazytile.service.tiles import PreparedTile, Tile
    from lazytile.service.words import TileWords

_HARMLESS = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MAX_WARNED = 8
ATTEMPTS = 2
"""A dataset may be replaced between the look at it and the work; the second look sees the new one."""


async def tile_response(request: web.Request, words: TileWords) -> web.Response:
    """Resolve, look for the tile, have it rendered; 304 without any look where the client has it."""
    site = request.app[SITE]
    began = time.perf_counter()
    prepared = site.desk.prepare(site.resolver.resolve(words))
    resolved_s = time.perf_counter() - began
    headers = {
        "ETag": prepared.etag,
        "Cache-Control": cache_control(site, prepared),
        **time_headers(prepared, words),
        **warning_headers(prepared, words),
    }
    known = prepared.known_tag(request.headers.get("If-None-Match"))
    if known is not None:
        headers["ETag"] = known
        site.metrics.tiles.labels("client").inc()
        headers["Server-Timing"] = server_timing({"resolve": resolved_s}, cache="client")
        return web.Response(status=304, headers=headers)
    prepared, tile = await fetch(site, words, prepared)
    headers["ETag"] = prepared.etag_of(tile)
    headers["Server-Timing"] = server_timing({"resolve": resolved_s, **tile.stages_s}, cache=tile.tier)
    return web.Response(body=tile.data, headers=headers, content_type=prepared.request.image_format.mime)


async def fetch(site: Site, words: TileWords, prepared: PreparedTile) -> tuple[PreparedTile, Tile]:
    """Return the tile, and what it was prepared as in the end: a dataset replaced meanwhile is looked at anew."""
    for _ in range(ATTEMPTS - 1):
        try:
            return prepared, await site.desk.tile(prepared)
        except GenerationChangedError:
            prepared = site.desk.prepare(site.resolver.resolve(words))
    return prepared, await site.desk.tile(prepared)


def cache_control(site: Site, prepared: PreparedTile) -> str:
    """Return how long clients may keep a tile: the latest time's soon has a successor, an older one stays as it is."""
    layer, settings = prepared.request.layer, site.settings
    known = settings.layer_max_age_s.get(layer.name, settings.layer_max_age_s.get(layer.dataset.name))
    if known is not None:
        return f"public, max-age={known}" if known else "no-cache"
    for dimension, at in zip(layer.variable.dimensions, prepared.request.leading, strict=True):
        if dimension.kind == "time":
            if at == times.default_index(dimension):
                return f"public, max-age={settings.latest_max_age_s}"
            return f"public, max-age={settings.old_max_age_s}, immutable"
    return f"public, max-age={settings.max_age_s}"


def warning_headers(prepared: PreparedTile, words: TileWords) -> dict[str, str]:
    """Return the header that names parameters which were ignored: they may be misspelled (RFC 7234, 5.5).

    It also says where another number than the one asked for is shown (OGC 06-042, C.4.2).
    """
    names = unknown_names(prepared.request, words)
    texts = []
    if names:
        shown = [name if _HARMLESS.fullmatch(name) else "?" for name in names[:MAX_WARNED]]
        texts.append(f"unknown parameters were ignored: {', '.join(shown)}")
    texts += [f"nearest value used: {name}={label}" for name, label in _nearest(prepared.request, words)]
    return {"Warning": ", ".join(f'299 lazytile "{text}"' for text in texts)} if texts else {}


def _nearest(request: TileRequest, words: TileWords) -> Iterator[tuple[str, str]]:
    dimensions = request.layer.variable.dimensions
    asked = asked_values(request.layer, words)
    for dimension, at, text in zip(dimensions, request.leading, asked, strict=True):
        label = dimension.labels[at]
        if dimension.kind == "time" or text in (None, "", times.DEFAULT, label) or not _HARMLESS.fullmatch(label):
            continue
        if float(str(text)) != float(label):
            yield times.parameter_of(dimension), label


def time_headers(prepared: PreparedTile, words: TileWords) -> dict[str, str]:
    """Return the headers in which GIBS tells which time was asked for and which is shown."""
    request = prepared.request
    actual = labels_of(request).get(times.TIME)
    if actual is None:
        return {}
    headers = {"Layer-Time-Actual": actual}
    dimensions = request.layer.variable.dimensions
    for dimension, asked in zip(dimensions, asked_values(request.layer, words), strict=True):
        if dimension.kind == "time" and asked and asked.isascii() and asked.isprintable():
            headers["Layer-Time-Request"] = asked
    return headers
