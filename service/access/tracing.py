"""Traces of requests for OpenTelemetry: a span for each request, with a span for each of its stages.

The spans are made afterwards, in a thread, from what the access log gets: a request costs nothing for them. Where they
go, and how many of them, OpenTelemetry's own variables say (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``).
OpenTelemetry is imported only where traces are switched on.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import TYPE_CHECKING

from lazytile import __version__
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.service.access.log_lines import MAX_TEXT, tier_and_stages
from lazytile.service.http.errors import ServiceError
from lazytile.service.http.proxies import client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from lazytile.service.access.exchange import Exchange
    from lazytile.service.http.proxies import Network
    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)
WAITING = 64
"""Most batches of exchanges that wait to become spans; further ones are lost."""
CLOSE_S = 5.0
_NAME_VARIABLE = "OTEL_SERVICE_NAME"


class Tracing:
    """Makes spans of exchanges, in a thread of its own."""

    def __init__(self, provider: TracerProvider, proxies: Sequence[Network] = ()) -> None:
        """Make spans.

        Args:
            provider: Exports them; ``close`` shuts it down.
            proxies: Networks of trusted proxies, which say whom they forward.
        """
        self._provider = provider
        self._proxies = proxies
        self._log = QuietLog(LOG)
        self._queue: queue.Queue[Sequence[Exchange] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="lazytile-tracing", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, settings: Settings) -> Tracing | None:
        """Return the tracing that settings ask for.

        Args:
            settings: Whether to trace.

        Returns:
            The tracing; None where it is off.

        Raises:
            ServiceError: OpenTelemetry is not installed.
        """
        if not settings.tracing:
            return None
        try:
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an optional extra
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            exporter = otlp_exporter()
        except ImportError as error:
            text = "setting tracing: OpenTelemetry is not installed, the extra lazytile[otel] has it"
            raise ServiceError(text) from error
        attributes = {"service.version": __version__}
        if _NAME_VARIABLE not in os.environ:
            attributes["service.name"] = "lazytile"
        provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider, settings.proxy_networks)

    def record(self, exchanges: Sequence[Exchange]) -> None:
        """Make spans of exchanges, soon. Never waits.

        Args:
            exchanges: The exchanges.
        """
        try:
            self._queue.put_nowait(exchanges)
        except queue.Full:
            self._log.warning("traces are lost: more requests come than can be traced; OTEL_TRACES_SAMPLER bounds them")

    def close(self) -> None:
        """Export what waits. Blocks."""
        self._queue.put(None)
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - extra

        propagator = TraceContextTextMapPropagator()
        while (exchanges := self._queue.get()) is not None:
            for each in exchanges:
                self._span(each, propagator)
        self._provider.shutdown()

    def _span(self, exchange: Exchange, propagator: TraceContextTextMapPropagator) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an optional extra

        tracer = self._provider.get_tracer("lazytile", __version__)
        # Only the trace of the caller is taken over: W3C Trace Context.
        carrier = {name: exchange.headers[name] for name in propagator.fields if name in exchange.headers}
        tier, stages = tier_and_stages(exchange.timing)
        path, _, query = exchange.target[:MAX_TEXT].partition("?")
        attributes: dict[str, str | int] = {
            "http.request.method": exchange.method,
            "http.response.status_code": exchange.status,
            "http.response.body.size": exchange.size,
            "url.path": path,
            "client.address": client_of(exchange.remote, exchange.headers, self._proxies),
            "lazytile.route": exchange.route,
            "lazytile.request_id": exchange.request_id,
        }
        agent = exchange.headers.get("User-Agent", "")
        optional = {"url.query": query, "lazytile.tier": tier, "user_agent.original": agent[:MAX_TEXT]}
        attributes |= {name: text for name, text in optional.items() if text}
        began_ns = int((exchange.ended - exchange.seconds) * 1e9)
        span = tracer.start_span(
            f"{exchange.method} {exchange.route}",
            context=propagator.extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=began_ns,
        )
        if exchange.status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        if span.is_recording():
            within, at_ns = trace.set_span_in_context(span), began_ns
            for name, milliseconds in stages:
                stage = tracer.start_span(name, context=within, start_time=at_ns)
                at_ns += int(float(milliseconds) * 1e6)
                stage.end(at_ns)
        span.end(int(exchange.ended * 1e9))


def otlp_exporter() -> SpanExporter:
    """Return the exporter that sends spans over OTLP and HTTP, as OpenTelemetry's variables configure it."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra

    return OTLPSpanExporter()
