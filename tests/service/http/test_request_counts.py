"""Plain counts that the metrics take over."""

import pytest

from lazytile.service.http.metrics import Metrics
from lazytile.service.http.request_counts import RequestCounts
from tests.service.harness import running


def test_counts_are_taken_over_once():
    counts = RequestCounts()
    counts.route("xyz").answered(200, 0.0002)
    counts.route("xyz").answered(404, 0.3)
    counts.tiles["memory"] += 2
    counts.rendered(4, 0.003)
    taken = counts.take()
    assert (taken.routes["xyz"].statuses, taken.tiles) == ({200: 1, 404: 1}, {"memory": 2})
    assert (taken.renders, taken.rendered_tiles, taken.render_durations.seconds) == (1, 4, 0.003)
    taken = counts.take()
    assert (taken.routes, taken.tiles, taken.renders, taken.rendered_tiles) == ({}, {}, 0, 0)
    assert (sum(taken.render_durations.buckets), taken.render_durations.seconds) == (0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.00051, 0.09, 0.1, 29.0, 31.0])
def test_a_duration_is_in_the_buckets_that_prometheus_would_choose(seconds):
    metrics = Metrics()
    metrics.counts.route("counted").answered(200, seconds)
    metrics.request_seconds.labels("observed").observe(seconds)
    lines = metrics.exposition().decode().splitlines()
    found = {
        route: [line.partition(f'route="{route}"')[2] for line in lines if "request_seconds_" in line and route in line]
        for route in ("counted", "observed")
    }
    kept = {route: [line for line in each if "e+09" not in line] for route, each in found.items()}  # without _created
    assert kept["counted"] == kept["observed"]
    assert len(kept["counted"]) > 15


def test_every_request_is_counted_when_scraped(store, tmp_path):
    with running(store, tmp_path / "cache") as server:
        for _ in range(3):
            server.get("/xyz/global_180/1/0/0.png")
        server.get("/xyz/none/1/0/0.png")
        assert server.counter("lazytile_requests_total", route="xyz", status="200") == 3
        assert server.counter("lazytile_requests_total", route="xyz", status="404") == 1
        assert server.counter("lazytile_request_seconds_count", route="xyz") == 4
        assert server.counter("lazytile_tiles_total", tier="computed") == 1
        assert server.counter("lazytile_tiles_total", tier="memory") == 2
        for name in ("renders_total", "rendered_tiles_total", "render_seconds_count"):
            assert server.counter(f"lazytile_{name}") == 1
