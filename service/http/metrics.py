"""What the server counts. With several server processes the sums are over all of them.

prometheus_client chooses at import, by the variable PROMETHEUS_MULTIPROC_DIR, whether counters live in memory or in
files that processes share; ``lazytile.service.app.processes`` sets it for the processes it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one server process."""

    def __init__(self, folder: Path | None = None) -> None:
        """Make the counters. ``folder`` is where several processes share theirs, None for one process alone."""
        self._folder = folder
        self._registry = CollectorRegistry()
        registry = self._registry
        self.renders = Counter("lazytile_renders", "Metatiles rendered", registry=registry)
        self.rendered_tiles = Counter("lazytile_rendered_tiles", "Tiles rendered", registry=registry)
        self.render_seconds = Histogram(
            "lazytile_render_seconds", "Time to render a metatile, queue excluded", buckets=_SECONDS, registry=registry
        )
        self.tiles = Counter("lazytile_tiles", "Tiles answered, by where they came from", ["tier"], registry=registry)
        self.requests = Counter("lazytile_requests", "Requests", ["route", "status"], registry=registry)
        self.request_seconds = Histogram(
            "lazytile_request_seconds", "Time to answer a request", ["route"], buckets=_SECONDS, registry=registry
        )
        self.refused = Counter(
            "lazytile_refused", "Requests refused, by reason and class of work", ["reason", "work"], registry=registry
        )
        self.cancelled = Counter("lazytile_cancelled", "Requests whose client left", registry=registry)
        self.cache_errors = Counter("lazytile_cache_errors", "Failures of the disk cache", registry=registry)
        self.queue_depth = Gauge(
            "lazytile_queue_depth", "Tasks that wait to run", registry=registry, multiprocess_mode="livesum"
        )
        self.running = Gauge("lazytile_running", "Tasks that run", registry=registry, multiprocess_mode="livesum")

    def exposition(self) -> bytes:
        """Return all counters in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self._registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(merged)
