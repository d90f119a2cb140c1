"""Server processes: several on one port, signals, kills, engines."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.linked.link import link
from tests.pyramid.linked.test_link import field
from tests.service.harness import Server

COMMAND = [sys.executable, "-c", "from lazytile.service.cli.main import main\nif __name__ == '__main__': main()"]
TILE = "/xyz/global_180/{}/{}/{}.png"


@contextlib.contextmanager
def serving(store, cache, *options, stop=signal.SIGTERM, killed=False):
    process = subprocess.Popen(
        [*COMMAND, "serve", "--store", str(store), "--cache", str(cache), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(cache.parent)},
    )
    try:
        line = process.stdout.readline() + process.stdout.readline()
        match = re.match(r"lazytile is at http://127\.0\.0\.1:([0-9]+)/\nengine: (.*); Ctrl-C stops the server\n", line)
        assert match, (line, process.stderr.read() if process.poll() is not None else "")
        server = Server(int(match[1]))
        server.process, server.engine = process, match[2]
        yield server
        if killed:
            assert process.wait(30) == -signal.SIGKILL
            return
        process.send_signal(stop)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


def children_of(pid):
    """Server processes that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            command = (status.parent / "cmdline").read_bytes()
            if f"\nPPid:\t{pid}\n" in text and b"spawn_main" in command:
                found.append(int(status.parent.name))
    return found


def is_alive(pid):
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def has_tile(database):
    """Return whether a disk cache has a tile: they are written after the reply."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("SELECT COUNT(*) FROM Cache").fetchone()[0])


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_process_and_ctrl_c(store, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "threads", "--workers", "1", stop=signal.SIGINT) as server:
        assert server.get(TILE.format(1, 0, 0)).status == 200
        assert server.engine.startswith(f"threads, {processor_count()} thread")


def test_a_killed_server_leaves_a_cache_that_the_next_one_uses(store, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "threads", killed=True) as server:
        body = server.get(TILE.format(2, 1, 1)).body
        wait_for(lambda: any(map(has_tile, (tmp_path / "c").rglob("*.db"))))
        server.process.kill()
    with serving(store, tmp_path / "c", "--engine", "threads") as server:
        reply = server.get(TILE.format(2, 1, 1))
        assert reply.body == body
        assert server.counter("lazytile_renders_total") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_several_processes(store, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "threads", "--workers", "2") as server:
        children = children_of(server.process.pid)
        assert len(children) == 2
        assert server.engine.startswith("2 server processes")
        # Every request is a new connection, so both processes get some; none renders what the other has stored.
        assert server.get(TILE.format(3, 3, 3)).status == 200
        wait_for(lambda: any(map(has_tile, (tmp_path / "c").rglob("*.db"))))
        for _ in range(11):
            assert server.get(TILE.format(3, 3, 3)).status == 200
        # Each process tells the others its counts now and then.
        wait_for(lambda: server.counter("lazytile_requests_total", route="xyz", status="200") == 12)
        assert server.counter("lazytile_renders_total") == 1
        os.kill(children[0], signal.SIGKILL)
        wait_for(lambda: children[0] not in children_of(server.process.pid))
        wait_for(lambda: len(children_of(server.process.pid)) == 2)
        for _ in range(6):
            assert server.get(TILE.format(3, 3, 3)).status == 200
        assert server.counter("lazytile_requests_total", route="xyz", status="200") == 18
        last = children_of(server.process.pid)
    wait_for(lambda: not any(is_alive(pid) for pid in last))


@pytest.mark.skipif(sys.platform != "linux", reason="memory without a name")
def test_processes_share_what_they_unpack_of_a_linked_source(tmp_path):
    """The process that has unpacked a chunk gives a quarter of its cache of chunks for it."""
    field(tmp_path / "in.zarr", chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    options = ("--engine", "threads", "--workers", "2", "--no-tile-cache", "--memory", "64MiB")
    with serving(tmp_path / "store", tmp_path / "c", *options) as server:
        before = server.counter('lazytile_cache_limit_bytes{cache="chunks"}')
        assert server.get("/xyz/d/4/10/7.png").status == 200
        wait_for(lambda: server.counter('lazytile_cache_limit_bytes{cache="chunks"}') < before)
        given = before - server.counter('lazytile_cache_limit_bytes{cache="chunks"}')
        assert before * 0.125 - 200 <= given <= before * 0.125


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_children_end_with_a_killed_parent(store, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "threads", "--workers", "2", killed=True) as server:
        children = children_of(server.process.pid)
        assert list(tmp_path.glob("lazytile-metrics-*"))
        server.process.kill()
    assert len(children) == 2
    wait_for(lambda: not any(is_alive(pid) for pid in children))
    assert not list(tmp_path.glob("lazytile-metrics-*"))


def test_the_local_engine_renders_the_same_bytes(store, server, tmp_path):
    with serving(store, tmp_path / "c", "--engine", "local", "--workers", "1") as other:
        assert other.engine.startswith("local")
        kernel = json.loads(other.get("/readyz").body)["kernel"]
        assert kernel == json.loads(server.get("/readyz").body)["kernel"]
        assert kernel.split()[0] in {"numpy", "native"}
        for path in (TILE.format(2, 1, 1), "/xyz/time_steps/2/0/1.jpg"):
            assert other.get(path).body == server.get(path).body
        assert other.get(TILE.format(9, 1, 99999)).status == 404
