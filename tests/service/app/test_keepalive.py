"""A connection without a request stays open as long as the setting says."""

import socket

from tests.service.harness import running

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: maps.example\r\n\r\n"


def ask(connection):
    """Send a request; return what comes first."""
    connection.sendall(REQUEST)
    return connection.recv(1 << 16)


def test_an_idle_connection_is_closed_after_the_time_that_is_set(store, tmp_path):
    with (
        running(store, tmp_path / "cache", keepalive_s=0.2) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        assert ask(connection).startswith(b"HTTP/1.1 200")
        assert connection.recv(1 << 16) == b"", "the default is longer than the time limit of this connection"


def test_a_connection_stays_open_by_default(store, tmp_path):
    with (
        running(store, tmp_path / "cache") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        assert ask(connection).startswith(b"HTTP/1.1 200")
        assert ask(connection).startswith(b"HTTP/1.1 200")
