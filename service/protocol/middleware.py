"""The middleware of every request: limits, CORS, exceptions to responses, counters."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from lazytile.pyramid.catalog.dimensions import ELEVATION
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.service.access.exchange import GONE, Sent
from lazytile.service.access.security_headers import ALWAYS
from lazytile.service.http.endpoint import GIBS_SCRIPT
from lazytile.service.http.errors import BusyError, TooLongError, failure_of, parameter_at_fault
from lazytile.service.http.ows_xml import CONTENT_TYPE, exception_report
from lazytile.service.http.problems import PROBLEM_TYPE, problem_document
from lazytile.service.http.reply import CORS_HEADERS, PREFLIGHT_HEADERS, request_id_of, text_response
from lazytile.service.http.soap import soap_fault, soap_type
from lazytile.service.protocol.context import APP_CONTEXT
from lazytile.service.protocol.tile_answer import ARRIVED, OUTCOME
from lazytile.service.protocol.views import VIEW, VIEWS, keep_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lazytile.service.admission.admission import Admission
    from lazytile.service.protocol.context import AppContext

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES = (
    *("wmts", "xyz", "ogc", "wms", "numbers", "legends", "colormaps", "zarr", "stac"),
    *("metrics", "healthz", "readyz", "viewer"),
)
_QUERY_LOCATORS = {
    "wmts_rest": frozenset({"scale", ELEVATION}),
    "xyz": frozenset({"scale", "style", "time", ELEVATION}),
}
"""Parameters that REST and XYZ addresses may have in the query string and in the path."""
_FIRST_ERROR = 400
_MONITORED = frozenset({"healthz", "readyz", "metrics"})
"""Routes whose errors are never held back."""


def route_of(path: str) -> str:
    """Return the part of the service that a path belongs to, for counters and for the format of errors.

    Args:
        path: The path of a request.

    Returns:
        Name of the part; ``other`` outside all.
    """
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first == "wmts":
        return "wmts_kvp" if path in ("/wmts", "/wmts/") or path.endswith(f"/{GIBS_SCRIPT}") else "wmts_rest"
    return first if first in ROUTES else "other"


@web.middleware
async def request_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request, convert exceptions to responses, and count it.

    Args:
        request: The HTTP request.
        handler: Handles requests of its route.

    Returns:
        The response.
    """
    outcome = request.get(OUTCOME)
    began = time.perf_counter() if outcome is None else outcome.began
    context = request.app[APP_CONTEXT]
    route = route_of(request.path)
    views, authorization = request.app.get(VIEWS), request.headers.get(hdrs.AUTHORIZATION)
    try:
        response = await _answer(request, handler, context, route)
        if response.status >= _FIRST_ERROR and route not in _MONITORED:
            await context.admission.errors.paced()
    except asyncio.CancelledError:
        context.metrics.cancelled.inc()
        context.exchanges.add(request, route, Sent(GONE, 0, request_id_of(request)), time.perf_counter() - began)
        raise
    response.headers.update(CORS_HEADERS)
    response.headers.update(ALWAYS)
    if views is not None:
        keep_private(response, authorization)
    response.headers.update(context.pages.of(response.content_type, is_viewer=request.path == "/"))
    request_id = response.headers["X-Request-Id"] = request_id_of(request)
    seconds = time.perf_counter() - began
    context.metrics.counts.route(route).answered(response.status, seconds)
    if context.exchanges.is_wanted:
        timing = response.headers.get("Server-Timing", "")
        size = 0 if request.method == "HEAD" else response.content_length or 0
        context.exchanges.add(request, route, Sent(response.status, size, request_id, timing), seconds)
    return response


async def _answer(request: web.Request, handler: Handler, context: AppContext, route: str) -> web.StreamResponse:
    """Return the response of the handler, or that for an exception."""
    views = request.app.get(VIEWS)
    try:
        check_length(request, context.settings.max_query_bytes)
        context.gate.check(request)
        await _take_turn(request, context.admission)
        if views is not None:
            request[VIEW] = views.of(request.headers.get(hdrs.AUTHORIZATION))
        return _preflight() if request.method == "OPTIONS" else await handler(request)
    except Exception as error:  # noqa: BLE001 - only here exceptions become responses
        return failure_response(request, error, route)


async def _take_turn(request: web.Request, admission: Admission) -> None:
    """Begin the time limit of a request, and wait for its turn, unless the front did. Raises ``BusyError``."""
    outcome, arrived = request.get(OUTCOME), request.get(ARRIVED)
    if outcome is not None and isinstance(outcome.error, BusyError):
        raise outcome.error
    if arrived is None:
        admission.arrived(asyncio.get_running_loop().time(), request.transport)
        await admission.turn()


def check_length(request: web.Request, limit: int) -> None:
    """Check the length of an address.

    Args:
        request: The HTTP request.
        limit: Most characters of path and query string.

    Raises:
        TooLongError: The address is longer.
    """
    length = len(request.raw_path)
    if length > limit:
        raise TooLongError("request", f"the address has {length} characters, it may have {limit}")


def _preflight() -> web.Response:
    return web.Response(status=204, headers=PREFLIGHT_HEADERS)


def failure_response(request: web.Request, error: Exception, route: str) -> web.Response:
    """Return the response for an exception: an OWS exception report for WMTS, a problem document elsewhere.

    Args:
        request: The HTTP request.
        error: The exception.
        route: The part of the service, as ``route_of`` returns it.

    Returns:
        The response.
    """
    parameter = (parameter_at_fault(error) or "").lower()
    locators = {name.lower() for name in request.query} & _QUERY_LOCATORS.get(route, frozenset())
    in_query = route == "wmts_kvp" or parameter in locators or parameter in OPTION_NAMES - {"scale"}
    failure = failure_of(error, in_path=not in_query)
    headers = {"Cache-Control": "no-store", **failure.headers}
    soap = soap_type(request) if route.startswith("wmts") else None
    if soap is not None and isinstance(error, web.HTTPMethodNotAllowed):
        return text_response(request, soap_fault(soap), soap, status=failure.status, headers=headers)
    if route.startswith("wmts"):
        return text_response(request, exception_report(failure), CONTENT_TYPE, status=failure.status, headers=headers)
    return text_response(request, problem_document(failure), PROBLEM_TYPE, status=failure.status, headers=headers)
