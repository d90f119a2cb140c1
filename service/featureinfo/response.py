"""The answer to a request for what is under a pixel, the same for KVP and REST."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.feature_info import value_request
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.service.featureinfo.formats import SCHEMA_PATH
from lazytile.service.featureinfo.pixel_value import read_pixel
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.tile_response import tile_headers
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.service.featureinfo.address import RawPixelAddress


async def info_response(request: web.Request, address: RawPixelAddress, endpoint_url: str) -> web.Response:
    """Respond with what is under a pixel.

    Args:
        request: The HTTP request.
        address: The pixel's address, split by its protocol.
        endpoint_url: Where this client finds the schema of the GML.

    Returns:
        The response.

    Raises:
        LazytileError: The address is invalid, or the value cannot be read.
    """
    context = context_of(request)
    for attempt in generation_attempts():
        with attempt:
            snapshot = await context.catalogue.at(address.tile.layer, again=attempt.is_repeated)
            resolved = await context.styles.resolved(snapshot, lambda resolver: resolver.resolve(address.tile))
            tile = value_request(resolved)
            i, j = address.position(tile.request)
            info = await read_pixel(context, tile, i, j)
    body = address.info_format.write(info, f"{endpoint_url}/{SCHEMA_PATH}")
    digest = hashlib.sha256(body).hexdigest()
    headers = tile_headers(context, tile)
    return text_response(request, body, address.info_format.content_type, digest=digest, headers=headers)
