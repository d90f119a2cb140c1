"""The connections that a server process states to the others, which decide by them who accepts the next one."""

import asyncio
import multiprocessing

from aiohttp import web

from lazytile.service.app import connections as module
from lazytile.service.app.board import Board
from lazytile.service.app.connections import Connections
from lazytile.service.app.listening import listen
from lazytile.service.http.settings import Settings

WAIT_S = 30


async def stated(board, number):
    """Wait until the process at place 0 states a number of connections."""
    async with asyncio.timeout(WAIT_S):
        while board.connections(0) != number:  # noqa: ASYNC110 - shared memory has no events
            await asyncio.sleep(0.005)


async def connect_and_close(sock, settings, board):
    async def reply(_):
        return web.Response()

    connections = Connections(sock, settings, board, 0)
    server = web.Server(reply)
    connections.serve(server)
    port = sock.getsockname()[1]
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    _, used = clients[0]
    used.write(b"GET / HTTP/1.1\r\nHost: maps.example\r\n\r\n")
    await clients[0][0].readuntil(b"\r\n\r\n")
    await stated(board, 3)
    for left, (_, writer) in reversed(list(enumerate(clients))):
        writer.close()
        await stated(board, left)
    connections.close()
    connections.stop()
    await server.shutdown()


def test_a_closed_connection_is_not_counted_until_the_next_sweep(store, tmp_path, monkeypatch):
    """Clients that close their connections and open others at once would all meet the same process."""
    monkeypatch.setattr(module, "SWEEP_S", 3600)
    board = Board(multiprocessing.get_context("spawn"), 2)
    board.set_connections(1, 100)
    sock = listen("127.0.0.1", 0)
    try:
        asyncio.run(connect_and_close(sock, Settings.of(store=store, cache=tmp_path / "c"), board))
    finally:
        sock.close()
