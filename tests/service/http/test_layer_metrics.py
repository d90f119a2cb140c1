"""Metrics by layer and stage, of chunks, engine and process: what is counted, and that labels are bounded."""

import asyncio
import contextlib
import os
import re
import threading

from lazytile.service.app.monitoring import publish_metrics
from lazytile.service.http.metrics import Metrics
from tests.service.harness import running

TILE = "/xyz/{}/2/1/{}.png"


def test_tiles_are_counted_by_layer_and_tier_on_every_path(store, tmp_path):
    with running(store, tmp_path / "c") as server:
        etag = server.get(TILE.format("global_180", 1)).headers["ETag"]
        for column in (1, 1, 2):
            server.get(TILE.format("global_180", column))
        server.get(TILE.format("global_180", 1), {"If-None-Match": etag})
        server.get(TILE.format("odd_sizes", 1), {"If-None-Match": "*"})
        box = "crs=CRS:84&bbox=-90,-45,90,45&width=64&height=64&format=image/png"
        server.get(f"/wms?service=WMS&version=1.3.0&request=GetMap&layers=mercator&styles=&{box}")
        server.get(TILE.format("none", 1))
        counted = {
            (layer, tier): server.counter("lazytile_layer_tiles_total", layer=layer, tier=tier)
            for layer in ("global_180", "odd_sizes", "mercator", "none")
            for tier in ("computed", "memory", "client")
        }
        assert {key: count for key, count in counted.items() if count} == {
            ("global_180", "computed"): 2,
            ("global_180", "memory"): 2,
            ("global_180", "client"): 1,
            ("odd_sizes", "client"): 1,
            ("mercator", "computed"): 1,
        }
        # The disk is looked at until the server has read which tiles are there.
        for stage, least in {"resolve": 2, "queue": 2, "render": 2, "disk": 1, "store": 2}.items():
            assert server.counter("lazytile_stage_seconds_count", stage=stage) >= least, stage
        assert server.counter("lazytile_chunk_reads_total") >= 2
        assert server.counter("lazytile_chunk_read_bytes_total") > 0
        assert server.counter("lazytile_engine_workers") == server.context.broker.engine.capacity


def test_labels_of_layers_are_bounded(store, tmp_path):
    layers = ("global_180", "time_steps", "extra_dimension", "antimeridian", "mercator", "odd_sizes")
    with running(store, tmp_path / "c", metric_layers=2) as server:
        for layer in layers:
            assert server.get(TILE.format(layer, 1)).status == 200
        text = server.get("/metrics").body.decode()
        found = re.findall(r'^lazytile_layer_tiles_total\{layer="([^"]*)"', text, re.MULTILINE)
        assert sorted(set(found)) == ["(other)", "global_180", "time_steps"]
        assert server.counter("lazytile_layer_tiles_total", layer="(other)", tier="computed") == 4


def test_the_process_is_that_of_the_system():
    metrics = Metrics()
    values = dict(re.findall(r"^(\w+) ([0-9.e+-]+)$", metrics.exposition().decode(), re.MULTILINE))
    times = os.times()
    assert 0 < float(values["process_cpu_seconds_total"]) <= times.user + times.system + 1
    assert 10e6 < float(values["process_resident_memory_bytes"]) < 100e9
    assert float(values["process_open_fds"]) >= 3
    assert float(values["lazytile_server_processes"]) == 1
    first = float(values["process_cpu_seconds_total"])
    sum(range(3_000_000))
    again = dict(re.findall(r"^(\w+) ([0-9.e+-]+)$", metrics.exposition().decode(), re.MULTILINE))
    assert float(again["process_cpu_seconds_total"]) > first


def test_a_scrape_updates_the_metrics_in_a_thread(store, tmp_path, monkeypatch):
    names, usual = [], Metrics.hand_over

    def noting(self):
        names.append(threading.current_thread().name)
        usual(self)

    monkeypatch.setattr(Metrics, "hand_over", noting)
    with running(store, tmp_path / "c") as server:
        names.clear()
        assert server.get("/metrics").status == 200
        assert len(names) == 1
        assert names[0].startswith("asyncio_")


def test_the_metrics_are_published_again_and_again_in_a_thread():
    metrics, threads = Metrics(), []

    class Noting:
        take = metrics.take

        def hand_over(self):
            threads.append(threading.get_ident())

    async def publish():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(publish_metrics(Noting()), 1)

    asyncio.run(publish())
    assert threads
    assert threading.get_ident() not in threads


def test_what_was_taken_is_handed_over_once_even_if_the_first_thread_never_ran():
    metrics = Metrics()
    metrics.counts.rendered(3, 0.1)
    metrics.take()  # its client left
    metrics.counts.rendered(4, 0.1)
    metrics.publish()
    metrics.publish()
    assert b"lazytile_rendered_tiles_total 7.0" in metrics.text()
