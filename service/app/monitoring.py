"""What monitors request: whether the server is up, and its metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

from lazytile import __version__
from lazytile.service.http.health import Health
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.metrics import CONTENT_TYPE, PUBLISH_EVERY_S
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from lazytile.service.http.metrics import Metrics

_NOT_CACHED = {"Cache-Control": "no-store"}


async def health(request: web.Request) -> web.StreamResponse:
    """Return version, engine and number of datasets: the server is up."""
    context = request.app[APP_CONTEXT]
    state = Health(
        status="ok",
        version=__version__,
        engine=context.broker.engine_description,
        datasets=len(context.store.names()),
    )
    return web.Response(body=json_bytes(state), content_type=JSON, headers=_NOT_CACHED)


async def prometheus_metrics(request: web.Request) -> web.StreamResponse:
    """Return the metrics of all server processes."""
    body = request.app[APP_CONTEXT].metrics.exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE, **_NOT_CACHED})


async def publish_caches(counters: Metrics) -> NoReturn:
    """Publish the state of this process's caches again and again, for whichever server process is scraped.

    Args:
        counters: The metrics of this process.
    """
    while True:
        counters.publish_caches()
        await asyncio.sleep(PUBLISH_EVERY_S)
