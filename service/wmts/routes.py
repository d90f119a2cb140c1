"""WMTS 1.0.0: the KVP and RESTful operations (OGC 07-057r7, 7, 8 and 10)."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.service.featureinfo.address import pixel_address_of_kvp, pixel_address_of_rest
from lazytile.service.featureinfo.formats import SAMPLE_SCHEMA, SCHEMA_PATH
from lazytile.service.featureinfo.response import info_response
from lazytile.service.http.endpoint import GIBS_SCRIPT, MAIN, split_endpoint
from lazytile.service.http.errors import (
    NotAcceptableError,
    NotFoundError,
    NotOfferedError,
    UpdateSequenceError,
    VersionNegotiationError,
)
from lazytile.service.http.query import Query, segments_of
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.tile_address import address_of_kvp, address_of_rest
from lazytile.service.protocol.tile_response import tile_response
from lazytile.service.protocol.views import context_of
from lazytile.service.wmts.capabilities import ALL_SECTIONS, NO_SECTIONS, SECTIONS, Capabilities
from lazytile.service.wmts.domains import domains_request_of_kvp, domains_request_of_rest, domains_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lazytile.service.featureinfo.address import RawPixelAddress
    from lazytile.service.http.endpoint import Endpoint

CAPABILITIES: web.AppKey[Capabilities] = web.AppKey("wmts capabilities")
VERSION = "1.0.0"
CAPABILITIES_PATH = "1.0.0/WMTSCapabilities.xml"
REST_MARGIN = 1
"""Tiles outside the limits that are empty, not errors: Leaflet and MapLibre, which know the bounds of a layer and no
limits, ask for the row beyond an edge on the border of a tile."""
_XML_TYPES = ("application/xml", "text/xml")


async def kvp(request: web.Request) -> web.StreamResponse:
    """Respond to a KVP request at the main endpoint."""
    return await _kvp(request, MAIN)


async def _kvp(request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
    query = Query(request.rel_url.raw_query_string, context_of(request).settings.max_value_length)
    query.require_one("service", "WMTS")
    name = query.require("request")
    operation = OPERATIONS.get(name)
    if operation is None:
        raise InvalidParameterError("request", f"request {name!r} is invalid, it may be {', '.join(OPERATIONS)}")
    return await operation(request, query, endpoint)


async def _get_tile(request: web.Request, query: Query, endpoint: Endpoint) -> web.StreamResponse:
    address = address_of_kvp(query, requires_style=endpoint.requires_style)
    return await tile_response(request, replace(address, is_limited=endpoint.is_limited))


async def _get_feature_info(request: web.Request, query: Query, endpoint: Endpoint) -> web.StreamResponse:
    _check_queryable(request)
    address = pixel_address_of_kvp(query, requires_style=endpoint.requires_style)
    return await _info(request, address, endpoint)


async def _info(request: web.Request, address: RawPixelAddress, endpoint: Endpoint) -> web.StreamResponse:
    address = replace(address, tile=replace(address.tile, is_limited=endpoint.is_limited))
    return await info_response(request, address, f"{context_of(request).base_url(request)}{endpoint.path}")


def _check_queryable(request: web.Request) -> None:
    if not context_of(request).settings.feature_info:
        raise NotOfferedError("GetFeatureInfo", "GetFeatureInfo is not offered: no layer here can be queried")


async def _get_capabilities(request: web.Request, query: Query, endpoint: Endpoint) -> web.StreamResponse:
    _negotiate(query)
    sections = _sections(query)
    accepted = [each.strip() for each in query.get("AcceptFormats").split(",")]
    content_type = next((mime for mime in accepted if mime in _XML_TYPES), _XML_TYPES[0])
    if query.get("updateSequence"):
        snapshot = await context_of(request).catalogue.whole()
        current = await context_of(request).admission.document(
            partial(request.app[CAPABILITIES].update_sequence, snapshot)
        )
        if _is_current(query.get("updateSequence"), current):
            sections = NO_SECTIONS
    return await _capabilities(request, sections, content_type, endpoint)


async def _describe_domains(request: web.Request, query: Query, endpoint: Endpoint) -> web.StreamResponse:
    return await domains_response(request, domains_request_of_kvp(query), endpoint)


OPERATIONS: dict[str, Callable[[web.Request, Query, Endpoint], Awaitable[web.StreamResponse]]] = {
    "GetCapabilities": _get_capabilities,
    "GetTile": _get_tile,
    "GetFeatureInfo": _get_feature_info,
    "DescribeDomains": _describe_domains,
}


def _is_current(known: str, current: int) -> bool:
    """Return whether the client knows the current state (OGC 06-121r3, 7.3.4). Raises ``RequestError``."""
    if not re.fullmatch(r"[0-9]{1,18}", known):
        raise InvalidParameterError("updateSequence", f"updateSequence {known!r} is invalid, it is a whole number")
    if int(known) > current:
        raise UpdateSequenceError("updateSequence", f"updateSequence {known} is above the current one, {current}")
    return int(known) == current


def _negotiate(query: Query) -> None:
    """Raise ``VersionNegotiationError`` unless the client accepts version 1.0.0 (OGC 06-121r3, 7.3.2)."""
    if "acceptversions" not in query.values:
        return
    accepted = [each.strip() for each in query.get("AcceptVersions").split(",")]
    if VERSION not in accepted:
        raise VersionNegotiationError("AcceptVersions", f"none of the accepted versions is offered, {VERSION} is")


def _sections(query: Query) -> frozenset[str]:
    if "sections" not in query.values:
        return ALL_SECTIONS
    requested = [name.strip() for name in query.require("sections").split(",")]
    for name in requested:
        if name not in (*SECTIONS, "All"):
            raise InvalidParameterError(
                "sections", f"section {name!r} is invalid, it may be All, {', '.join(SECTIONS)}"
            )
    return ALL_SECTIONS if "All" in requested else frozenset(requested)


async def rest(request: web.Request) -> web.StreamResponse:
    """Respond to a RESTful request: capabilities, tiles, feature info, or an endpoint of GIBS clients."""
    settings = context_of(request).settings
    segments = segments_of(request.rel_url.raw_path, "/wmts/", settings.max_value_length)
    endpoint, segments = split_endpoint(segments)
    is_script = endpoint is not MAIN and segments == [GIBS_SCRIPT]
    if is_script or (segments == [""] and request.rel_url.raw_query_string):
        # Clients end the address of a service with a slash before the query.
        return await _kvp(request, endpoint)
    if "/".join(segments) == CAPABILITIES_PATH:
        return await _capabilities(request, ALL_SECTIONS, _acceptable(request), endpoint)
    if "/".join(segments) == SCHEMA_PATH:
        return text_response(
            request, SAMPLE_SCHEMA.encode(), _XML_TYPES[0], headers={"Cache-Control": "public, max-age=86400"}
        )
    if segments[0] == VERSION and len(segments) == 6:
        address = domains_request_of_rest(
            segments[1:], Query(request.rel_url.raw_query_string, settings.max_value_length)
        )
        return await domains_response(request, address, endpoint)
    if segments[0] == VERSION:
        raise NotFoundError("request", f"there is nothing at this address; the capabilities are at {CAPABILITIES_PATH}")
    query = Query(request.rel_url.raw_query_string, settings.max_value_length)
    pixel_address = pixel_address_of_rest(segments, query)
    if pixel_address is not None:
        _check_queryable(request)
        return await _info(request, pixel_address, endpoint)
    tile = replace(address_of_rest(segments, query), is_limited=endpoint.is_limited, limit_margin=REST_MARGIN)
    return await tile_response(request, tile)


def _acceptable(request: web.Request) -> str:
    """Return the XML type that Accept allows (RFC 9110, 12.5.1). Raises ``NotAcceptableError``."""
    accept = request.headers.get("Accept", "").lower()
    ranges = [part.split(";")[0].strip() for part in accept.split(",") if part.strip()]
    for media in ranges:
        if media in _XML_TYPES:
            return media
    if not ranges or {"*/*", "application/*", "text/*", "text/html", "application/xhtml+xml"} & set(ranges):
        return _XML_TYPES[0]
    raise NotAcceptableError("Accept", f"the capabilities are application/xml, Accept is {accept}")


async def _capabilities(
    request: web.Request, sections: frozenset[str], content_type: str, endpoint: Endpoint
) -> web.StreamResponse:
    context = context_of(request)
    capabilities = request.app[CAPABILITIES]
    base_url = context.base_url(request)  # a host that is refused costs no thread
    snapshot = await context.catalogue.whole()

    def respond() -> web.Response:
        document = capabilities.document(snapshot, base_url, sections, endpoint)
        headers = {"Cache-Control": "no-cache"}
        return text_response(request, document.body, content_type, digest=document.digest, headers=headers)

    return await context.admission.document(respond)
