"""One memory budget for all caches of a server, kept and shown in /metrics."""

import re
import time

import pytest

from lazytile.service.app import processes
from lazytile.service.http.settings import Settings
from tests.service.app.test_processes import TILE, serving, wait_for
from tests.service.harness import running

MEMORY = 64 << 20
CACHES = {
    "tiles",
    "digests",
    "requests",
    "documents",
    "layers",
    "styles",
    "chunks",
    "values",
    "maps",
    "tables",
    "memos",
}
TILES = [TILE.format(zoom, row, col) for zoom in (1, 2, 3) for row in range(2) for col in range(2)]
TILES += ["/xyz/time_steps/2/0/1.jpg", "/xyz/mercator/3/3/3.png", "/xyz/two_variables.sst/1/0/0.png"]


def samples(server, name):
    """The values of a metric by cache."""
    text = server.get("/metrics").body.decode()
    found = re.findall(rf'^lazytile_cache_{name}{{cache="(\w+)"}} (\S+)$', text, re.MULTILINE)
    assert {cache for cache, _ in found} == CACHES, name
    assert len(found) == len(CACHES), "each cache once"
    return {cache: float(value) for cache, value in found}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_small_server_serves_the_same_tiles_within_its_memory(store, server, tmp_path, workers):
    bodies = {path: server.get(path).body for path in TILES}
    with serving(store, tmp_path / "c", "--engine", "threads", "--workers", workers, "--memory", "64MiB") as small:
        for path in (*TILES, *TILES):
            reply = small.get(path)
            assert (reply.status, reply.body) == (server.get(path).status, bodies[path]), path
        wait_for(lambda: MEMORY - 2 <= sum(samples(small, "limit_bytes").values()) <= MEMORY)
        assert sum(samples(small, "bytes").values()) <= MEMORY
        assert sum(samples(small, "limit_bytes").values()) > MEMORY - 2, "both processes together have all of it"


def test_metrics_of_the_caches(store, tmp_path):
    with running(store, tmp_path / "cache", memory_bytes=MEMORY) as server:
        before = {name: samples(server, name) for name in ("hits_total", "misses_total")}
        assert server.get(TILE.format(3, 3, 3)).status == 200
        assert server.get(TILE.format(3, 3, 3)).status == 200
        after = {name: samples(server, name) for name in ("hits_total", "misses_total")}
        assert after["hits_total"]["tiles"] - before["hits_total"]["tiles"] == 1
        assert after["misses_total"]["tiles"] - before["misses_total"]["tiles"] == 1, "memory is looked at twice"
        assert after["misses_total"]["chunks"] > before["misses_total"]["chunks"]
        entries, sizes, limits = (samples(server, name) for name in ("entries", "bytes", "limit_bytes"))
        assert entries["tiles"] == 1
        assert sizes["tiles"] > len(server.get(TILE.format(3, 3, 3)).body)
        assert sum(limits.values()) == MEMORY
        assert samples(server, "evictions_total")["tiles"] == 0


def test_tiles_that_do_not_fit_are_evicted_and_counted(store, tmp_path):
    with running(store, tmp_path / "cache", memory_bytes=1 << 20) as server:
        for row in range(16):
            for col in range(32):
                # Two styles, for each is compiled once.
                path = f"/xyz/global_180/4/{row}/{col % 16}.png?rescale=270,{300 + col // 16}"
                assert server.get(path).status == 200
        assert samples(server, "evictions_total")["tiles"] > 0
        assert samples(server, "bytes")["tiles"] <= samples(server, "limit_bytes")["tiles"]


def test_several_processes_report_their_sum(store, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "threads", "--workers", "2", "--memory", "64MiB") as server:
        for _ in range(12):
            assert server.get(TILE.format(3, 3, 3)).status == 200
        # Each process had the tile from disk or rendered it, and served the rest from memory.
        wait_for(lambda: samples(server, "hits_total")["tiles"] >= 10)
        time.sleep(2.5)
        assert samples(server, "hits_total")["tiles"] == samples(server, "hits_total")["tiles"], (
            "no longer counted twice"
        )
        assert samples(server, "entries")["tiles"] in (1, 2)


def test_local_workers_get_what_the_front_does_not_keep(store, tmp_path):
    with running(store, tmp_path / "cache", engine="local", workers=2, memory_bytes=MEMORY) as server:
        assert server.get(TILE.format(1, 0, 0)).status == 200
        limits = samples(server, "limit_bytes")
        front = sum(limits.values())
        assert limits["tiles"] > limits["chunks"] > 0
        assert 0.4 * MEMORY < front < 0.7 * MEMORY
        everywhere = _worker_limits(server)
        assert len(everywhere) == 2
        assert all(each["tiles"] == 0 and each["chunks"] > 1 << 20 for each in everywhere)
        assert MEMORY - 2 <= front + sum(sum(each.values()) for each in everywhere) <= MEMORY


def _limits():
    from lazytile.pyramid.core import process

    return {name: each.limit_bytes for name, each in process.current().caches.statistics()}


def _worker_limits(server):
    import asyncio

    session = server.context.broker._engine._engine._session  # of the supervised engine
    found = asyncio.run_coroutine_threadsafe(session.run_everywhere(_limits, timeout_s=20), server.loop)
    return list(found.result(30).values())


def test_the_memory_is_divided_among_server_processes(tmp_path):
    settings = Settings.of(store=tmp_path, memory_bytes=100_000_001, workers=3)
    assert processes.settings_of_one(settings, 3, tmp_path).memory_bytes == 33_333_333
