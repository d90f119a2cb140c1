"""The addresses ``/stac``, ``/stac/collections`` and ``/stac/collections/{dataset}``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.views import context_of
from lazytile.service.stac.collections import PREFIX, StacWriter
from lazytile.service.stac.source_attributes import source_attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.service.http.json_document import JsonDocument


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the addresses.

    Args:
        router: The router of the application.
    """
    router.add_get(PREFIX, with_problem_responses(catalog))
    router.add_get(f"{PREFIX}/", with_problem_responses(catalog))
    router.add_get(f"{PREFIX}/collections", with_problem_responses(collections))
    router.add_get(f"{PREFIX}/collections/{{datasetId}}", with_problem_responses(collection))


async def catalog(request: web.Request) -> web.StreamResponse:
    """Respond with the landing page."""
    title = context_of(request).settings.capabilities_title
    return await _listing(
        request, lambda writer, snapshot: writer.catalog(title, [each.description for each in snapshot.datasets()])
    )


async def collections(request: web.Request) -> web.StreamResponse:
    """Respond with every collection."""
    return await _listing(
        request,
        lambda writer, snapshot: writer.listing(
            [writer.collection(each, source_attributes_of(each)) for each in snapshot.datasets()]
        ),
    )


async def _listing(request: web.Request, make: Callable[[StacWriter, Snapshot], JsonDocument]) -> web.StreamResponse:
    context = context_of(request)
    snapshot = await context.catalogue.whole()
    writer = StacWriter(context.base_url(request))
    return await context.admission.document(lambda: _response(request, make(writer, snapshot)))


async def collection(request: web.Request) -> web.StreamResponse:
    """Respond with the collection of a dataset."""
    context, name = context_of(request), request.match_info["datasetId"]
    stored = (await context.catalogue.at(name)).dataset(name)
    writer = StacWriter(context.base_url(request))

    def respond() -> web.Response:
        return _response(request, writer.collection(stored, source_attributes_of(stored)))

    return await context.admission.document(respond)


def _response(request: web.Request, document: JsonDocument) -> web.Response:
    body = json_bytes(document)
    headers = {"Cache-Control": "no-cache"}
    return text_response(request, body, JSON, digest=hashlib.sha256(body).hexdigest(), headers=headers)
