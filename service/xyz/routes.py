"""XYZ tiles: ``/xyz/{layer}/{z}/{x}/{y}.{ext}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.service.http.query import Query, segments_of
from lazytile.service.protocol.tile_address import address_of_xyz
from lazytile.service.protocol.tile_response import tile_response
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web


async def xyz(request: web.Request) -> web.StreamResponse:
    """Respond to ``/xyz/{layer}/{z}/{x}/{y}.{ext}`` with a tile of WebMercatorQuad."""
    limit = context_of(request).settings.max_value_length
    segments = segments_of(request.rel_url.raw_path, "/xyz/", limit)
    return await tile_response(request, address_of_xyz(segments, Query(request.rel_url.raw_query_string, limit)))
