"""The answer to a request for what is under a pixel, the same for KVP and REST."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.catalog.feature_info import value_request
from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.service.featureinfo.address import point_of
from lazytile.service.featureinfo.formats import SCHEMA_PATH
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.context import APP_CONTEXT
from lazytile.service.protocol.tile_response import ATTEMPTS, cache_control, time_headers, warning_headers

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.feature_info import FeatureInfo
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.featureinfo.address import RawPixelAddress
    from lazytile.service.featureinfo.probe import PixelReader

PIXEL_READER: web.AppKey[PixelReader] = web.AppKey("probe")


async def info_response(request: web.Request, address: RawPixelAddress, endpoint_url: str) -> web.Response:
    """Resolve, read the value, write it down. ``endpoint_url``: where this client finds the GML's schema."""
    tile_request, info = await _look(request, address)
    body = address.info_format.write(info, f"{endpoint_url}/{SCHEMA_PATH}")
    prepared = request.app[APP_CONTEXT].broker.prepare(tile_request)
    headers = {
        "Cache-Control": cache_control(request.app[APP_CONTEXT], prepared),
        **time_headers(prepared, address.tile),
        **warning_headers(prepared, address.tile),
    }
    digest = hashlib.sha256(body).hexdigest()
    return text_response(request, body, address.info_format.content_type, digest=digest, headers=headers)


async def _look(request: web.Request, address: RawPixelAddress) -> tuple[TileRequest, FeatureInfo]:
    """Return the request and what is there; a dataset replaced meanwhile is looked at anew."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await _look_once(request, address)
        except GenerationChangedError:
            continue
    return await _look_once(request, address)


async def _look_once(request: web.Request, address: RawPixelAddress) -> tuple[TileRequest, FeatureInfo]:
    tile_request = value_request(request.app[APP_CONTEXT].resolver.resolve(address.tile))
    i, j = point_of(address, tile_request)
    return tile_request, await request.app[PIXEL_READER].info(tile_request, i, j)
