"""Clients that hold connections: more of them than descriptors, and slow ones."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.server import COMMAND, compare, load, serving, tile_paths, undisturbed, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.server import ServerProcess, Truth

PATHS = tile_paths("files", range(2))
QUICK = {"LAZYTILE_CLIENT_TIMEOUT_S": "2"}


@pytest.fixture(scope="module")
def truth(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return undisturbed(sound_store, tmp_path_factory.mktemp("truth"), PATHS)


@contextlib.contextmanager
def connections(server: ServerProcess, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        yield [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)]


def is_closed(sock: socket.socket) -> bool:
    """Whether the server has closed a connection, on which it sends nothing."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limit of another process")
@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_more_connections_than_descriptors(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    """256 descriptors and 600 connections that send nothing: others are answered, and the log stays short."""
    limited = ("sh", "-c", 'ulimit -n 256; exec "$0" "$@"', *COMMAND)
    with serving(sound_store, tmp_path / "cache", "--workers", workers, command=limited) as server:
        with connections(server, 600):
            began = time.monotonic()
            reply = server.get(PATHS[0])
            heal_s = time.monotonic() - began
            assert (reply.status, reply.body) == (200, truth[PATHS[0]].body)
            with load(server, truth) as during:
                wait_for(lambda: len(during.right) > 100)
            assert not during.refused
            wait_for(lambda: "connections" in {each["key"] for each in server.conditions()})
            assert server.get("/readyz").status == 200
        wait_for(lambda: not server.conditions())
        assert len(server.log()) < 3000 * int(workers)
        assert "the most it may: idle ones are closed" in server.log()
        made = f"256 descriptors, 600 idle connections, {workers} server process(es)"
        table_row("descriptor limit", made, "a short wait", heal_s, during)


@pytest.mark.slow
def test_a_lower_limit_of_connections_is_kept(sound_store: Path, truth: Truth, tmp_path: Path) -> None:
    with serving(sound_store, tmp_path / "cache", "--max-connections", "8") as server, connections(server, 40) as idle:
        assert not compare(server, truth).refused
        wait_for(lambda: sum(is_closed(each) for each in idle) >= 32)
        assert sum(is_closed(each) for each in idle) <= 40
        assert server.counter("lazytile_requests_total", route="xyz", status="200") == len(PATHS)


def trickle(sock: socket.socket, data: bytes, seconds: float) -> float:
    """Send a byte every tenth of a second; return how long the server let that go on."""
    began = time.monotonic()
    for byte in data:
        if is_closed(sock) or time.monotonic() - began > seconds:
            break
        with contextlib.suppress(OSError):
            sock.send(bytes([byte]))
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("headers", b""),
        ("body", b"POST /numbers/files/statistics HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"),
    ],
)
def test_slow_senders_are_cut_off(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], name: str, start: bytes
) -> None:
    with serving(sound_store, tmp_path / "cache", environment=QUICK) as server, connections(server, 20) as slow:
        for each in slow:
            each.sendall(start)
        with load(server, truth) as during:
            lasted = trickle(slow[0], b"GET /xyz/files/0/0/0.png HTTP/1.1\r\nX-Long: " + b"a" * 5000, 100)
        assert is_closed(slow[0])
        wait_for(lambda: all(is_closed(each) for each in slow))
        assert not during.refused
        wait_for(lambda: "whose clients sent or read too slowly were closed" in server.log())
        made = f"20 connections, a byte of the {name} every 0.1 s; client_timeout_s = 2"
        table_row(f"slow-loris {name}", made, "nothing; the slow ones are cut off", lasted, during)


@pytest.mark.slow
def test_a_client_that_does_not_read_is_cut_off(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    request = b"GET /wmts/1.0.0/WMTSCapabilities.xml HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving(sound_store, tmp_path / "cache", environment=QUICK) as server:
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", server.port))
            began = time.monotonic()
            reader.sendall(request * 400)
            with load(server, truth) as during:
                wait_for(lambda: "read too slowly" in server.log())
            lasted = time.monotonic() - began
            assert not during.refused
        table_row("client that reads nothing", "client_timeout_s = 2", "nothing; it is cut off", lasted, during)


@pytest.mark.slow
def test_connections_that_wait_for_a_further_request_stay(sound_store: Path, truth: Truth, tmp_path: Path) -> None:
    """The limit of time is that of the first request: later ones may come when they want."""

    with serving(sound_store, tmp_path / "cache", environment={"LAZYTILE_CLIENT_TIMEOUT_S": "1"}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for _ in range(3):
            connection.request("GET", PATHS[0])
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, truth[PATHS[0]].body)
            time.sleep(2.5)
        connection.close()
