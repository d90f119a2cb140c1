"""The answer to a request for what is under a pixel, the same for KVP and REST."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.errors import GenerationChangedError
from lazytile.service.feature_info import Probe, value_request
from lazytile.service.feature_info_formats import SCHEMA_PATH
from lazytile.service.reply import text_response
from lazytile.service.request import point_of
from lazytile.service.site import SITE
from lazytile.service.tile_answer import ATTEMPTS, cache_control, time_headers, warning_headers

if TYPE_CHECKING:
    from lazytile.pyramid.request import TileRequest
    from lazytile.service.feature_info import FeatureInfo
    from lazytile.service.words import InfoWords

PROBE: web.AppKey[Probe] = web.AppKey("probe")


async def info_response(request: web.Request, words: InfoWords, endpoint_url: str) -> web.Response:
    """Resolve, read the value, write it down. ``endpoint_url``: where this client finds the GML's schema."""
    tile_request, info = await _look(request, words)
    body = words.info_format.write(info, f"{endpoint_url}/{SCHEMA_PATH}")
    prepared = request.app[SITE].desk.prepare(tile_request)
    headers = {
        "Cache-Control": cache_control(request.app[SITE], prepared),
        **time_headers(prepared, words.tile),
        **warning_headers(prepared, words.tile),
    }
    digest = hashlib.sha256(body).hexdigest()
    return text_response(request, body, words.info_format.content_type, digest=digest, headers=headers)


async def _look(request: web.Request, words: InfoWords) -> tuple[TileRequest, FeatureInfo]:
    """Return the request and what is there; a dataset replaced meanwhile is looked at anew."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await _look_once(request, words)
        except GenerationChangedError:
            continue
    return await _look_once(request, words)


async def _look_once(request: web.Request, words: InfoWords) -> tuple[TileRequest, FeatureInfo]:
    tile_request = value_request(request.app[SITE].resolver.resolve(words.tile))
    i, j = point_of(words, tile_request)
    return tile_request, await request.app[PROBE].info(tile_request, i, j)
