"""Faults of a Dask cluster: workers, nannies and schedulers that die or hang, workers that see other files."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.cluster import (
    HERE,
    OTHER_NUMPY,
    THERE,
    Cluster,
    child_of,
    command,
    cut_link,
    needs_blindness,
    other_machine,
    stopped,
)
from tests.faults.server import compare, heal_time_s, load, serving, slowness, tile_paths, undisturbed, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.server import ServerProcess, Truth

PATHS = tile_paths("files", range(3)) + tile_paths("shards", range(2))
AT_ONCE_S = 2.0
"""Well below the time limit of a request, 30 s."""


@pytest.fixture(scope="module")
def truth(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    # A cluster renders 2 x 2 tiles at a time; the bytes of a tile do not depend on that.
    return undisturbed(sound_store, tmp_path_factory.mktemp("truth"), PATHS)


def cluster_server(cluster: Cluster, store: Path, tmp_path: Path, *options: str, **more: Any):
    """Serve from the cluster without tile caches: every tile is rendered."""
    return serving(store, tmp_path / "cache", "--no-tile-cache", "--engine", cluster.address, *options, **more)


def lines(text: str, part: str) -> list[str]:
    return [line for line in text.splitlines() if part in line]


def test_a_killed_worker(cluster, sound_store, tmp_path, truth, table_row):
    workers = [cluster.start_worker("one"), cluster.start_worker("two")]
    cluster.wait_for_workers(2)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 10)
            workers[0].kill()
            healed = heal_time_s(server, truth)
        assert during.statuses <= {503}
        assert "Traceback" not in server.log()
    table_row("Dask worker killed", "kill -9 of one of two", "tiles; 503 at most", healed, during)


def test_a_killed_worker_that_its_nanny_restarts(cluster, sound_store, tmp_path, truth, table_row):
    nanny = cluster.start_worker("one", nanny=True)
    cluster.wait_for_workers(1)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 10)
            os.kill(child_of(nanny), signal.SIGKILL)
            time.sleep(0.5)
            healed = heal_time_s(server, truth)
        assert during.statuses <= {503}
    table_row("only Dask worker killed", "kill -9; its nanny restarts it", "tiles after a wait, or 503", healed, during)


def test_a_killed_nanny(cluster, sound_store, tmp_path, truth, table_row):
    nanny = cluster.start_worker("one", nanny=True)
    cluster.start_worker("two")
    cluster.wait_for_workers(2)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 10)
            nanny.kill()
            cluster.wait_for_workers(1)
            healed = heal_time_s(server, truth)
        assert during.statuses <= {503}
    table_row("nanny killed", "kill -9; its worker ends too", "tiles; 503 at most", healed, during)


def assert_unavailable(server: ServerProcess, seen, text: str) -> None:
    assert seen.statuses == {503}
    assert not seen.right
    assert seen.slowest_s < AT_ONCE_S * slowness()
    reply = server.get(PATHS[0])
    assert int(reply.headers["retry-after"]) >= 1
    ready = server.get("/readyz")
    assert ready.status == 503
    assert int(ready.headers["retry-after"]) >= 1
    (condition,) = (each for each in ready.json()["conditions"] if each["key"] == "engine")
    assert text in condition["problem"]
    assert not condition["ready"]
    assert server.get("/healthz").status == 200


@pytest.mark.parametrize("away_s", [1, pytest.param(21, marks=pytest.mark.slow)])
def test_a_scheduler_that_comes_back(cluster, sound_store, tmp_path, truth, table_row, away_s):
    cluster.start_worker("one")
    cluster.wait_for_workers(1)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        assert compare(server, truth).refused == []
        cluster.kill_scheduler()
        wait_for(lambda: server.get("/readyz").status == 503)
        away = compare(server, truth)
        assert_unavailable(server, away, cluster.address)
        time.sleep(away_s)
        cluster.start_scheduler()
        cluster.start_worker("new")
        cluster.wait_for_workers(1)
        healed = heal_time_s(server, truth)
        assert healed < 10 * slowness()
        wait_for(lambda: server.conditions() == [])
        assert server.get("/readyz").json()["ready"]
        wait_for(lambda: "is available again" in server.log())
        log = server.log()
        assert len(lines(log, "is not available")) == 1
        assert len(lines(log, "is available again")) == 1
        assert "Traceback" not in log
        assert len(log.splitlines()) <= 4, log
    table_row(
        f"scheduler killed, back after {away_s} s", "kill -9, new scheduler and workers", "503 at once", healed, away
    )


def test_a_scheduler_that_never_comes_back(cluster, sound_store, tmp_path, truth, table_row):
    cluster.start_worker("one")
    cluster.wait_for_workers(1)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 10)
            cluster.kill_scheduler()
            wait_for(lambda: server.get("/readyz").status == 503)
        assert during.slowest_s < AT_ONCE_S * 3 * slowness()  # those that were being rendered
        assert during.statuses <= {503}
        away = compare(server, truth)
        assert_unavailable(server, away, cluster.address)
        assert len(lines(server.log(), "is not available")) == 1
    table_row("scheduler killed for good", "kill -9", "503 at once", None, during, away)


def test_threads_stand_in_for_a_lost_scheduler(cluster, sound_store, tmp_path, truth, table_row):
    cluster.start_worker("one")
    cluster.wait_for_workers(1)
    with cluster_server(cluster, sound_store, tmp_path, "--engine-fallback", "threads") as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 10)
            cluster.kill_scheduler()
            wait_for(server.conditions)
            healed = heal_time_s(server, truth)
        assert during.refused == []
        assert server.condition("threads of this process render tiles meanwhile")["ready"]
        assert server.get("/readyz").status == 200
        cluster.start_scheduler()
        cluster.start_worker("new")
        wait_for(lambda: server.conditions() == [])
        assert compare(server, truth).refused == []
    table_row("scheduler killed, --engine-fallback threads", "kill -9", "tiles", healed, during)


def test_a_stopped_worker(cluster, sound_store, tmp_path, truth, table_row):
    workers = [cluster.start_worker("one"), cluster.start_worker("two")]
    cluster.wait_for_workers(2)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        assert compare(server, truth).refused == []
        with stopped(workers[0].pid):
            with load(server, truth, threads=4) as during:
                wait_for(lambda: "does not answer" in server.log())
                healed = heal_time_s(server, truth)
            assert during.statuses <= {503}
            assert during.slowest_s < 15 * slowness()
            assert server.condition("does not answer")["ready"]
        wait_for(lambda: server.conditions() == [])
        assert compare(server, truth).refused == []
    table_row("Dask worker stopped", "SIGSTOP of one of two", "tiles, the first after 5 s", healed, during)


def test_the_only_worker_stopped(cluster, sound_store, tmp_path, truth, table_row):
    worker = cluster.start_worker("one")
    cluster.wait_for_workers(1)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        with stopped(worker.pid):
            assert server.get(PATHS[0]).status == 503
            wait_for(lambda: server.get("/readyz").status == 503)
            away = compare(server, truth)
            assert_unavailable(server, away, "has no worker for tiles")
        healed = heal_time_s(server, truth)
        assert healed < 10 * slowness()
    table_row("only Dask worker stopped", "SIGSTOP, then SIGCONT", "503, at once after 15 s", healed, away)


@needs_blindness
@pytest.mark.parametrize("late", [False, True])
def test_a_worker_that_does_not_see_the_store(cluster, sound_store, tmp_path, truth, table_row, late):
    cluster.start_worker("sound")
    blind = {"hidden": (sound_store,)}
    if not late:
        cluster.start_worker("blind", **blind)
    cluster.wait_for_workers(1 if late else 2)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        if late:
            with load(server, truth) as during:
                cluster.start_worker("blind", **blind)
                wait_for(server.conditions)
        else:
            during = compare(server, truth)
        assert during.refused == []
        after = compare(server, truth)
        assert after.refused == []
        assert server.condition("does not see the folder", "sees another folder")["ready"]
        assert len(lines(server.log(), "is left out")) == 1
    name = "Dask worker without the store" + (", joining late" if late else "")
    table_row(name, "mount namespace that hides the store", "tiles of the others", 0.0, during, after)


def test_a_worker_of_another_version(cluster, sound_store, tmp_path, truth, table_row):
    cluster.start_worker("sound")
    cluster.start_worker("other", preload=OTHER_NUMPY)
    cluster.wait_for_workers(2)
    with cluster_server(cluster, sound_store, tmp_path) as server:
        seen = compare(server, truth)
        assert seen.refused == []
        server.condition("has numpy 1.0.0, this process has")
    table_row("Dask worker of another version", "its NumPy says 1.0.0", "tiles of the others", 0.0, seen)


@needs_blindness
def test_no_worker_sees_the_store(cluster, sound_store, tmp_path, table_row):
    cluster.start_worker("blind", hidden=(sound_store,))
    cluster.wait_for_workers(1)
    ended = command("serve", "--store", str(sound_store), "--port", "0", "--engine", cluster.address, "--offline")
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert "can do this work: the worker at tcp://" in last
    table_row("no Dask worker sees the store", "mount namespace", "the server does not start: one line", None)


@pytest.mark.slow  # a link that goes up and down ends the requests of every browser on the machine
def test_a_cut_link(sound_store, tmp_path, truth, table_row):
    folder = tmp_path / "cluster"
    folder.mkdir()
    with other_machine() as within:
        cluster = Cluster(folder, host=HERE)
        try:
            cluster.start_scheduler()
            cluster.start_worker("near")
            cluster.start_worker("far", host=THERE, within=tuple(within))
            cluster.wait_for_workers(2)
            with cluster_server(cluster, sound_store, tmp_path) as server:
                assert compare(server, truth).refused == []
                with cut_link():
                    with load(server, truth, threads=4) as during:
                        wait_for(lambda: "does not answer" in server.log())
                        healed = heal_time_s(server, truth)
                    assert during.statuses <= {503}
                    assert during.slowest_s < 15 * slowness()
                wait_for(lambda: server.conditions() == [])
                assert compare(server, truth).refused == []
        finally:
            cluster.end()
    table_row("link to a worker cut", "its end of a link is down", "tiles, the first after 5 s", healed, during)


def test_several_servers_share_a_scheduler(cluster, sound_store, tmp_path, truth):
    cluster.start_worker("one")
    cluster.start_worker("two")
    cluster.wait_for_workers(2)
    with cluster_server(cluster, sound_store, tmp_path, "--workers", "2") as server:
        assert server.engine.startswith(f"2 server processes, each {cluster.address}, direct calls")
        with load(server, truth, threads=4) as seen:
            wait_for(lambda: len(seen.right) > 2 * len(PATHS))
        assert seen.refused == seen.wrong == []
