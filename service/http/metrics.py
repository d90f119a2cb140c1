"""What the server counts. With several server processes the values are sums over all of them.

prometheus_client decides at import, by the variable PROMETHEUS_MULTIPROC_DIR, whether values live in memory or in files
that processes share; ``lazytile.service.app.processes`` sets it for the processes it starts.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from lazytile.pyramid.chunks.damage import DamageRecord
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.byte_lru import CacheStatistics
from lazytile.service.http.operating.process_metrics import ProcessMetrics
from lazytile.service.http.request_counts import SECONDS, RequestCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.core.caches import Caches

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PUBLISH_EVERY_S = 2.0
"""How often each of several server processes publishes its numbers; the scraped one does it at once."""
OTHER_LAYERS = "(other)"
"""Label of the layers that have none of their own; no layer can be called so."""
_NONE = CacheStatistics(0, 0, 0, 0, 0, 0)


class _BulkHistogram(Histogram):
    """A histogram that takes over many observations at a time, for which prometheus_client has no method."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add the number of observations in each bucket, and the sum of all observations."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


class Metrics:
    """The metrics of one server process."""

    def __init__(self, folder: Path | None = None, caches: Caches | None = None, layers: int = 100) -> None:
        """Create the metrics.

        Args:
            folder: Where several server processes share their values; None for a single process.
            caches: Caches of this process to report, if any.
            layers: Most layers that have labels of their own.
        """
        self._folder, self._caches = folder, caches
        self._registry = CollectorRegistry()
        registry = self._registry
        self.renders = Counter("lazytile_renders", "Metatiles rendered", registry=registry)
        self.rendered_tiles = Counter("lazytile_rendered_tiles", "Tiles rendered", registry=registry)
        self.render_seconds = _BulkHistogram(
            "lazytile_render_seconds", "Time to render a metatile, queue excluded", buckets=SECONDS, registry=registry
        )
        self.tiles = Counter("lazytile_tiles", "Tiles served, by cache tier", ["tier"], registry=registry)
        self.requests = Counter("lazytile_requests", "Requests", ["route", "status"], registry=registry)
        self.request_seconds = _BulkHistogram(
            "lazytile_request_seconds", "Time to answer a request", ["route"], buckets=SECONDS, registry=registry
        )
        self.counts = RequestCounts()
        """What is counted for each request; ``take`` empties it."""
        self.refused = Counter(
            "lazytile_refused", "Requests rejected, by reason and class of work", ["reason", "work"], registry=registry
        )
        self.cancelled = Counter("lazytile_cancelled", "Requests whose client disconnected", registry=registry)
        self.cache_errors = Counter("lazytile_cache_errors", "Failures of the disk cache", registry=registry)
        self.cache_lost = Counter(
            "lazytile_cache_lost", "Tiles not written to the disk cache, which is too slow", registry=registry
        )
        self.disk_evictions, self.disk_evicted_bytes = (
            Counter(f"lazytile_disk_cache_{name}", text, registry=registry)
            for name, text in (
                ("evictions", "Tiles evicted from the disk cache to make room"),
                ("evicted_bytes", "Bytes of the tiles evicted from the disk cache"),
            )
        )
        self.shared_cache = Counter(
            "lazytile_shared_cache",
            "What came of the shared tile cache: hit, miss, wait for another host, damaged, lost write, error",
            ["result"],
            registry=registry,
        )
        self.shared_cache_bytes = Counter(
            "lazytile_shared_cache_bytes",
            "Bytes of tiles read from and written to the shared tile cache",
            ["direction"],
            registry=registry,
        )
        self.access_log_lost = Counter(
            "lazytile_access_log_lost", "Lines not written to the access log, which is too slow", registry=registry
        )
        self.shared_renders = Counter(
            "lazytile_shared_renders", "Tasks that another server process has rendered meanwhile", registry=registry
        )
        self.prefetched = Counter("lazytile_prefetched", "Tiles rendered ahead of their request", registry=registry)
        self.prefetch_hits = Counter(
            "lazytile_prefetch_hits", "Requests for tiles that were rendered ahead", registry=registry
        )
        self.prefetch_dropped = Counter(
            "lazytile_prefetch_dropped", "Requests that were not followed up, since others waited", registry=registry
        )
        self.mrf_damage = Counter("lazytile_mrf_damage", "Look-ups that met a damaged MRF or page", registry=registry)
        self.queue_depth = Gauge(
            "lazytile_queue_depth",
            "Tasks waiting in the admission queue",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.running = Gauge(
            "lazytile_running",
            "Tasks running, also those that no client waits for any more",
            registry=registry,
            multiprocess_mode="livesum",
        )

        self.cache_bytes = _cache_gauge("bytes", "Size of a cache in memory", registry)
        self.cache_limit_bytes = _cache_gauge("limit_bytes", "Size limit of a cache in memory", registry)
        self.cache_entries = _cache_gauge("entries", "Entries in a cache in memory", registry)
        self.cache_hits = _cache_counter("hits", "Look-ups that found their entry", registry)
        self.cache_misses = _cache_counter("misses", "Look-ups that found no entry", registry)
        self.cache_evictions = _cache_counter("evictions", "Entries evicted to make room", registry)
        self._published: dict[str, CacheStatistics] = {}
        """Statistics of each cache as last published."""
        self.damaged_chunks = Counter(
            "lazytile_damaged_chunks", "Reads of stored chunks that were missing or damaged", registry=registry
        )
        self.rebuilt_chunks = Counter(
            "lazytile_rebuilt_chunks", "Damaged overview chunks that were computed again", registry=registry
        )
        self.chunk_reads, self.chunk_read_bytes = (
            Counter(f"lazytile_chunk_{name}", f"{what} read, by server processes and workers", registry=registry)
            for name, what in (("reads", "Stored chunks"), ("read_bytes", "Bytes of the stored chunks"))
        )
        self.layer_tiles = Counter(
            "lazytile_layer_tiles", "Tiles served, by layer and cache tier", ["layer", "tier"], registry=registry
        )
        self.stage_seconds = _BulkHistogram(
            "lazytile_stage_seconds",
            "Time of each stage of the tiles that were not in memory",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.engine_workers = Gauge(
            "lazytile_engine_workers",
            "Workers of the engine: threads of the server process, or workers of a cluster, which processes may share",
            registry=registry,
            multiprocess_mode="liveall",
        )
        self.process = ProcessMetrics(registry)
        self._layers_limit = layers
        self._layers: set[str] = set()
        """The layers that have labels of their own."""
        self.workers: Callable[[], int] = lambda: 0
        """Returns the number of workers of the engine."""
        self._published_damage = (0, 0)
        self._taken, self._publishing = deque[RequestCounts](), threading.Lock()
        self.publish()

    def follow(self, caches: Caches) -> None:
        """Report other caches, which have replaced those reported so far; what was counted remains.

        Args:
            caches: The new caches, whose statistics begin at 0.
        """
        self.publish()
        with self._publishing:
            self._caches = caches
            self._published = {}

    def evicted(self, tiles: int, nbytes: int) -> None:
        """Count tiles that the disk cache has evicted. Any thread may call it.

        Args:
            tiles: Their number.
            nbytes: Their bytes.
        """
        self.disk_evictions.inc(tiles)
        self.disk_evicted_bytes.inc(nbytes)

    def cache_failures(self) -> int:
        """Return how often the disk cache has failed in this process, tiles that were not kept included."""
        counters = (self.cache_errors, self.cache_lost)
        return int(sum(next(iter(counter.collect())).samples[0].value for counter in counters))

    def publish(self) -> None:
        """Update the metrics of requests, stored chunks, caches and the process, which server processes share."""
        self.take()
        self.hand_over()

    def take(self) -> None:
        """Take what was counted for requests, which the event loop counts, for ``hand_over``."""
        self._taken.append(self.counts.take())
        self.engine_workers.set(self.workers())

    def hand_over(self) -> None:
        """Update the metrics with what was taken, and with everything else. Takes milliseconds; thread-safe."""
        with self._publishing:
            self.process.publish()
            reads = ReadCounts.current().take()
            self.chunk_reads.inc(reads.number)
            self.chunk_read_bytes.inc(reads.nbytes)
            while self._taken:
                self._add(self._taken.popleft())
            self._publish_damage()
            self._publish_caches()

    def _add(self, taken: RequestCounts) -> None:
        for (layer, tier), count in taken.layer_tiles.items():
            self.layer_tiles.labels(self._label_of(layer), tier).inc(count)
        for stage, durations in taken.stages.items():
            self.stage_seconds.labels(stage).add(durations.buckets, durations.seconds)
        for route, counts in taken.routes.items():
            for status, count in counts.statuses.items():
                self.requests.labels(route, str(status)).inc(count)
            self.request_seconds.labels(route).add(counts.buckets, counts.seconds)
        for tier, count in taken.tiles.items():
            self.tiles.labels(tier).inc(count)
        self.renders.inc(taken.renders)
        self.rendered_tiles.inc(taken.rendered_tiles)
        self.render_seconds.add(taken.render_durations.buckets, taken.render_durations.seconds)

    def _label_of(self, layer: str) -> str:
        """Return the label of a layer: its name for the first ones that are asked for, the same for all others."""
        if layer in self._layers:
            return layer
        if len(self._layers) >= self._layers_limit:
            return OTHER_LAYERS
        self._layers.add(layer)
        return layer

    def _publish_damage(self) -> None:
        record = DamageRecord.current()
        damaged, rebuilt = record.damaged, record.rebuilt
        self.damaged_chunks.inc(max(0, damaged - self._published_damage[0]))
        self.rebuilt_chunks.inc(max(0, rebuilt - self._published_damage[1]))
        self._published_damage = damaged, rebuilt

    def _publish_caches(self) -> None:
        if self._caches is None:
            return
        for name, now in self._caches.statistics():
            last = self._published.get(name, _NONE)
            self._published[name] = now
            self.cache_bytes.labels(name).set(now.size_bytes)
            self.cache_limit_bytes.labels(name).set(now.limit_bytes)
            self.cache_entries.labels(name).set(now.entries)
            self.cache_hits.labels(name).inc(now.hits - last.hits)
            self.cache_misses.labels(name).inc(now.misses - last.misses)
            self.cache_evictions.labels(name).inc(now.evictions - last.evictions)

    def exposition(self) -> bytes:
        """Return all metrics of this moment in Prometheus' text format."""
        self.publish()
        return self.text()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, as last published. Blocks; any thread may call it."""
        if self._folder is None:
            return generate_latest(self._registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(merged)


def _cache_gauge(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"lazytile_cache_{name}", text, ["cache"], registry=registry, multiprocess_mode="livesum")


def _cache_counter(name: str, text: str, registry: CollectorRegistry) -> Counter:
    return Counter(f"lazytile_cache_{name}", text, ["cache"], registry=registry)
