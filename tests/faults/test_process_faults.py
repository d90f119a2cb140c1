"""Server processes that are killed, stopped or cannot start, reloads, and the end of a server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.server import compare, heal_time_s, load, serving, tile_paths, undisturbed, wait_for
from tests.service.wmts.test_custom_sets import LAEA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.server import ServerProcess, Truth

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
PATHS = tile_paths("files", range(3))
TWO = ("--workers", "2")
RELOADED = "settings, colormaps and catalogue were reloaded"
"""What each process logs when it has."""


@pytest.fixture(scope="module")
def truth(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return undisturbed(sound_store, tmp_path_factory.mktemp("truth"), PATHS)


def server_processes(server: ServerProcess) -> list[int]:
    """The server's processes, without the resource tracker of multiprocessing."""
    found = []
    for pid in server.children():
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            if b"spawn_main" in file.read():
                found.append(pid)
    return found


def serving_again(server: ServerProcess, count: int = 2) -> bool:
    return len(server_processes(server)) == count and not server.conditions()


def test_a_killed_process_takes_only_its_own_requests(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    with serving(sound_store, tmp_path / "cache", *TWO) as server:
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 50)
            first, _ = server_processes(server)
            killed = time.monotonic()
            os.kill(first, signal.SIGKILL)
            seen = {each["key"] for each in server.conditions()}
            wait_for(lambda: first not in server_processes(server) and serving_again(server))
            heal_s = time.monotonic() - killed
        assert len(during.refused) <= 2, "no more than each thread's one request"
        assert any(key.startswith("server process") for key in seen) or not seen
        assert f"(pid {first}) ended: it ended with code -9" in server.log()
        table_row("kill -9 of a server process", "one of two", "its own requests break", heal_s, during)


@pytest.mark.slow
def test_a_stopped_process_is_replaced(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    options = {"LAZYTILE_WATCHDOG_S": "2"}
    with serving(sound_store, tmp_path / "cache", *TWO, environment=options) as server:
        first, second = server_processes(server)
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 50)
            os.kill(first, signal.SIGSTOP)
            stopped = time.monotonic()
            wait_for(lambda: first not in server_processes(server))
            wait_for(lambda: serving_again(server))
            heal_s = time.monotonic() - stopped
        assert second in server_processes(server), "only the one that hangs is replaced"
        assert "it had not responded for" in server.log()
        assert len(during.refused) <= 2
        row = "kill -STOP of one of two, watchdog_s = 2"
        table_row("stopped server process", row, "its own requests break when it is killed", heal_s, during)


def test_a_process_that_cannot_start_leaves_the_others_alone(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    cache = tmp_path / "cache"
    with serving(sound_store, cache, *TWO) as server:
        assert not compare(server, truth).refused
        kept = cache.rename(tmp_path / "kept")
        cache.write_text("a file")
        first, second = server_processes(server)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: any("needs a folder of its own" in each["problem"] for each in server.conditions()))
        reply = server.get("/readyz")
        assert (reply.status, reply.json()["ready"]) == (200, True), "the other process serves"
        seen = compare(server, truth)
        assert not seen.refused
        wait_for(lambda: server.log().count("server process 1") >= 2)
        assert second in server_processes(server)
        cache.unlink()
        kept.rename(cache)
        repaired = time.monotonic()
        wait_for(lambda: serving_again(server))
        heal_s = time.monotonic() - repaired
        assert "server process 1 serves again" in server.log()
        seen_after = compare(server, truth)
        assert not seen_after.refused
        made = "cache folder replaced by a file, kill -9 of one of two"
        table_row("server process that cannot restart", made, "nothing", heal_s, seen, seen_after)


def test_the_end_of_the_supervisor_is_the_end_of_all(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    with serving(sound_store, tmp_path / "cache", *TWO, exit_code=-signal.SIGKILL) as server:
        processes = server_processes(server)
        assert not compare(server, truth).refused
        server.process.kill()
        killed = time.monotonic()
        port = server.port
        with serving(sound_store, tmp_path / "cache", *TWO, "--port", str(port)) as again:
            heal_s = heal_time_s(again, truth) + time.monotonic() - killed
            seen = compare(again, truth)
            assert not seen.refused
            wait_for(lambda: not any(is_alive(pid) for pid in processes))
        row = "kill -9 of the supervisor, started again at once on the same port"
        table_row("killed supervisor", row, "refused connections until the start", heal_s, seen)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
            return "\nState:\tZ" not in file.read()
    except OSError:
        return False


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_reload_drops_no_request(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    """Clients with connections that stay open, one request after another, see no error and the new settings."""
    settings = tmp_path / "lazytile.toml"
    settings.write_text("max_age_s = 100\nold_max_age_s = 100\nlatest_max_age_s = 100\n")
    with serving(sound_store, tmp_path / "cache", "--workers", workers, "--settings", str(settings)) as server:
        pids = server_processes(server)
        assert server.get(PATHS[0]).headers["cache-control"] == "public, max-age=100"
        with load(server, truth) as during, keeping(server, truth) as errors:
            wait_for(lambda: len(during.right) > 20)
            settings.write_text("max_age_s = 200\nold_max_age_s = 200\nlatest_max_age_s = 200\ntimeout_s = 12\n")
            began = time.monotonic()
            server.process.send_signal(signal.SIGHUP)
            ages: list[str] = []

            def has_new_settings() -> bool:
                ages.append(server.get(PATHS[0]).headers["cache-control"])
                return ages[-8:] == ["public, max-age=200"] * 8

            wait_for(has_new_settings)
            heal_s = time.monotonic() - began
            wait_for(lambda: server.log().count(RELOADED) == int(workers))
            settings.write_text("max_age_s = -1\n")
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "is reloaded" in server.log() or "was reloaded, the server goes on" in server.log())
            assert server.get(PATHS[0]).headers["cache-control"] == "public, max-age=200"
        assert not errors
        assert not during.refused
        assert server_processes(server) == pids
        table_row("reload", f"kill -HUP, {workers} server process(es)", "nothing", heal_s, during)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_reload_reads_colormaps_and_tile_matrix_sets(
    sound_store: Path, truth: Truth, tmp_path: Path, workers: str
) -> None:
    sets, colormaps = tmp_path / "sets", tmp_path / "colormaps"
    sets.mkdir()
    colormaps.mkdir()
    options = ("--workers", workers, "--tile-matrix-sets", str(sets), "--colormaps", str(colormaps))
    capabilities = "/wmts/1.0.0/WMTSCapabilities.xml"
    with serving(sound_store, tmp_path / "cache", *options) as server:
        assert b"EuropeLaea" not in server.get(capabilities).body
        ramp = server.get("/colormaps/ocean.xml")
        assert server.get("/colormaps/mine.xml").status == 404
        (sets / "europe.json").write_text(json.dumps(LAEA))
        (colormaps / "mine.xml").write_bytes(ramp.body)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.log().count(RELOADED) == int(workers))
        assert all(b"EuropeLaea" in server.get(capabilities).body for _ in range(8))
        assert {server.get("/colormaps/mine.xml").status for _ in range(8)} == {200}
        assert not compare(server, truth).refused
        (sets / "europe.json").write_text("no JSON")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.log().count("is no tile matrix set") == int(workers))
        assert all(b"EuropeLaea" in server.get(capabilities).body for _ in range(8)), "it goes on as before"
        assert not compare(server, truth).refused


class keeping:
    """Clients that keep their connection as long as the server does; yields what went wrong."""

    def __init__(self, server: ServerProcess, truth: Truth, threads: int = 3) -> None:
        self.errors: list[str] = []
        self.count = 0
        self._server, self._truth = server, truth
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def _work(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        while not self._stop.is_set():
            for path, expected in self._truth.items():
                try:
                    connection.request("GET", path)
                    response = connection.getresponse()
                    body = response.read()
                except (OSError, http.client.HTTPException) as error:
                    self.errors.append(f"{path}: {error!r}")
                    connection.close()
                    continue
                self.count += 1
                if (response.status, body) != (200, expected.body):
                    self.errors.append(f"{path}: {response.status}")
                if self._stop.is_set():
                    break
        connection.close()

    def __enter__(self) -> list[str]:
        for thread in self._threads:
            thread.start()
        return self.errors

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_end_finishes_what_has_begun(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    """SIGTERM: every request on an open connection gets its response, and every connection that was made."""
    seen: list[int] = []
    with serving(sound_store, tmp_path / "cache", "--workers", workers) as server:
        connections = []
        for path in PATHS[:12]:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.connect()
            connections.append((connection, path))
        for connection, path in connections:
            connection.request("GET", path)
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        for connection, path in connections:
            response = connection.getresponse()
            assert response.read() == truth[path].body
            seen.append(response.status)
            connection.close()
        assert server.process.wait(120) == 0
        heal_s = time.monotonic() - began
    assert seen == [200] * 12
    table_row("end", f"kill -TERM with 12 requests, {workers} server process(es)", "nothing", heal_s)


@pytest.mark.slow
def test_idle_connections_do_not_delay_the_end(sound_store: Path, truth: Truth, tmp_path: Path) -> None:
    with (
        serving(sound_store, tmp_path / "cache", environment={"LAZYTILE_SHUTDOWN_S": "60"}) as server,
        socket.create_connection(("127.0.0.1", server.port)) as idle,
    ):
        server.get(PATHS[0])
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(50) == 0
        assert idle.recv(1) == b""
