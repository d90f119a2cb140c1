"""The overview over HTTP: ``/catalogue``, ``/catalogue/{layer}`` and ``/catalogue/{layer}/styles/{style}``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lazytile.pyramid.render.style import Rescale
from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.query import Query
from lazytile.service.http.reply import text_response
from lazytile.service.overview.details import layer_details, style_details
from lazytile.service.overview.layers import overview_of
from lazytile.service.overview.parameters import RESCALE, SPACING
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.service.http.json_document import JsonDocument

PATH = "/catalogue"


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the addresses.

    Args:
        router: The router of the application.
    """
    router.add_get(PATH, with_problem_responses(overview))
    router.add_get(f"{PATH}/{{collectionId}}", with_problem_responses(layer))
    router.add_get(f"{PATH}/{{collectionId}}/styles/{{styleId}}", with_problem_responses(style))


async def overview(request: web.Request) -> web.StreamResponse:
    """Respond with all layers; a client asks again with If-None-Match to learn of changes."""
    context = context_of(request)
    snapshot = await context.catalogue.whole()

    def respond() -> web.Response:
        found = overview_of(snapshot, context.settings)
        headers = {"Cache-Control": "no-cache"}
        return text_response(request, found.body, JSON, digest=found.digest, headers=headers)

    return await context.admission.document(respond)


async def layer(request: web.Request) -> web.StreamResponse:
    """Respond with more of one layer: statistics, histogram and percentiles."""
    name = request.match_info["collectionId"]
    context = context_of(request)
    found = (await context.catalogue.at(name)).layer(name)
    return await context.admission.document(lambda: _response(request, layer_details(found)))


async def style(request: web.Request) -> web.StreamResponse:
    """Respond with the colours of a style."""
    context, name = context_of(request), request.match_info["collectionId"]
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    rescale, spacing = RESCALE.text(query), SPACING.text(query)
    rescale_to = Rescale.parse(rescale, spacing or "keep") if rescale else None
    snapshot = await context.catalogue.at(name)
    found = snapshot.layer(name)
    compiled = await context.styles.resolved(
        snapshot, lambda resolver: resolver.style(found, request.match_info["styleId"], rescale_to)
    )
    return await context.admission.document(lambda: _response(request, style_details(found, compiled)))


def _response(request: web.Request, document: JsonDocument) -> web.Response:
    body = json_bytes(document)
    headers = {"Cache-Control": "no-cache"}
    return text_response(request, body, JSON, digest=hashlib.sha256(body).hexdigest(), headers=headers)
