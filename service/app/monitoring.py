"""What monitors request: whether the server is up, whether it can serve, and its metrics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

from lazytile import __version__
from lazytile.pyramid.chunks.damage import DamageRecord
from lazytile.pyramid.core.conditions import Condition, Conditions
from lazytile.pyramid.kernel.selection import kernel_name
from lazytile.pyramid.verification.verify import is_whole
from lazytile.service.http.errors import without_paths
from lazytile.service.http.health import Health, Readiness, StandingCondition
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.metrics import CONTENT_TYPE, PUBLISH_EVERY_S
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.service.http.metrics import Metrics

    ConditionsOfOthers = Callable[[], tuple[Condition, ...]]

_NOT_CACHED = {"Cache-Control": "no-store"}
CONDITIONS_OF_OTHERS: web.AppKey[ConditionsOfOthers] = web.AppKey("conditions_of_others")
"""Returns the conditions of the other processes of this server."""
RETRY_AFTER_S = 5
"""When monitors and load balancers may ask a server again that cannot serve."""


async def health(request: web.Request) -> web.StreamResponse:
    """Return version, engine and number of datasets: the server is up."""
    context = request.app[APP_CONTEXT]
    state = Health(
        status="ok",
        version=__version__,
        engine=context.broker.engine_description,
        datasets=len(context.snapshot.names()),
    )
    return web.Response(body=json_bytes(state), content_type=JSON, headers=_NOT_CACHED)


async def readiness(request: web.Request) -> web.StreamResponse:
    """Return what is wrong at the moment, with status 503 where it keeps the server from serving."""
    others = request.app.get(CONDITIONS_OF_OTHERS)
    found = (*Conditions.current().all(), *(() if others is None else others()))
    known = {(each.key, each.problem): each for each in sorted(found, key=lambda each: each.since, reverse=True)}
    standing = [
        StandingCondition(
            key=without_paths(each.key),
            problem=without_paths(each.problem),
            ready=each.ready,
            since=datetime.fromtimestamp(each.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        for each in sorted(known.values(), key=lambda each: each.since)
    ]
    engine = request.app[APP_CONTEXT].broker.engine
    state = Readiness(
        ready=all(each.ready for each in standing),
        engine=engine.description,
        kernel=kernel_name() if engine.in_process else ", ".join(sorted(engine.kernels)) or "no worker",
        conditions=standing,
    )
    headers = _NOT_CACHED if state.ready else {**_NOT_CACHED, "Retry-After": str(RETRY_AFTER_S)}
    status = 200 if state.ready else 503
    return web.Response(status=status, body=json_bytes(state), content_type=JSON, headers=headers)


async def prometheus_metrics(request: web.Request) -> web.StreamResponse:
    """Return the metrics of all server processes."""
    context = request.app[APP_CONTEXT]
    context.metrics.take()
    await asyncio.to_thread(context.metrics.hand_over)
    body = await context.admission.shared("metrics", lambda: asyncio.to_thread(context.metrics.text))
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE, **_NOT_CACHED})


async def recheck_damaged_chunks() -> NoReturn:
    """Read damaged chunks again and again, so that what was repaired need not wait for a client that asks for it."""
    while True:
        record = DamageRecord.current()
        if not record.is_empty:
            await asyncio.to_thread(record.recheck, is_whole)
        await asyncio.sleep(record.limits.recheck_every_s)


async def publish_metrics(counters: Metrics) -> NoReturn:
    """Publish the numbers of this process again and again, for whichever server process is scraped.

    Args:
        counters: The metrics of this process.
    """
    while True:
        counters.take()
        await asyncio.to_thread(counters.hand_over)
        await asyncio.sleep(PUBLISH_EVERY_S)
