"""The connections of a server process: accepted one at a time, limited in number and in time.

aiohttp serves each connection; what it has no limit for is here. One listening socket is shared by all server
processes: whichever is free accepts, so that one that hangs or has died takes no connection with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.service.app.listening import connection_limit

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from lazytile.service.app.board import Board
    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)

SWEEP_S = 1.0
"""How often the limits of time are checked."""
PAUSE_S = 0.1
"""How long nothing is accepted at a limit."""
YIELD_S = 0.002
"""How long a process that holds more connections than another one leaves the next one to it."""
ACCEPTED = 32
"""Connections accepted in one round of the loop: of thousands that come together none waits for long, and none is lost
since the system's queue is full, which would cost its client a second."""
IDLE_S = 0.5
"""A connection that waits for a request as long as this makes room for a new one at the limit."""
FULL = "connections"
"""Key of the condition at the limit."""


class _Connection:
    """One connection."""

    __slots__ = ("request", "server", "since", "transport", "unsent_bytes", "was_asked")

    def __init__(self, transport: asyncio.Transport, server: web.Server, now: float) -> None:
        self.transport = transport
        self.server = server
        self.request: web.BaseRequest | None = None
        """The request that is being answered."""
        self.since = now
        """When the request came; without one, when the connection began to wait."""
        self.was_asked = False
        self.unsent_bytes = 0


class Connections:
    """Accepts connections on a listening socket and keeps them within their limits. Belongs to one event loop."""

    def __init__(self, sock: socket.socket, settings: Settings, board: Board | None = None, place: int = 0) -> None:
        """Accept nothing yet.

        Args:
            sock: The listening socket, not blocking; other processes may accept from it, too.
            settings: The limits.
            board: Where the server processes state how many connections they hold.
            place: Place of this process there.
        """
        self._sock = sock
        self._board, self._place = board, place
        self._loop = asyncio.get_running_loop()
        self._log = QuietLog(LOG)
        self._open: dict[object, _Connection] = {}
        """By aiohttp's protocol object."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: web.Server | None = None
        self._leaving: set[web.Server] = set()
        """Servers whose connections end with their current or next response."""
        self._timer: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_listening = False
        self._has_yielded = False
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take the limits from other settings.

        Args:
            settings: The limits.
        """
        self._limit = connection_limit(settings)
        self._client_timeout_s = settings.client_timeout_s
        self._request_timeout_s = settings.timeout_s + 2 * settings.client_timeout_s

    def serve(self, server: web.Server) -> None:
        """Accept connections for a server, from now on instead of another one.

        Args:
            server: aiohttp's server, whose ``request_handler`` and ``connection_lost`` this wraps.
        """
        server.request_handler = self._noting(server, server.request_handler)
        server.connection_lost = self._forgetting(server.connection_lost)  # type: ignore[method-assign]
        self._server = server
        if not self._is_listening:
            self._listen()
            self._sweep()

    def _noting(
        self, server: web.Server, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return a handler of requests that notes which connection has a request to answer."""
        opened, leaving, now = self._open, self._leaving, self._loop.time

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = opened.get(request.protocol)
            if connection is None:
                return await handler(request)
            connection.request, connection.since, connection.was_asked = request, now(), True
            try:
                response = await handler(request)
            finally:
                connection.request, connection.since = None, now()
            if server in leaving:
                response.force_close()
            return response

        return handle

    def _forgetting(self, lost: Callable[..., None]) -> Callable[..., None]:
        """Return what aiohttp calls at the end of a connection, which is then no longer counted.

        Other processes would otherwise accept more than their part of the connections that come next.
        """

        def forget(protocol: object, error: BaseException | None = None) -> None:
            if self._open.pop(protocol, None) is not None:
                self._state()
            lost(protocol, error)

        return forget

    # --- accepting ---

    def _listen(self) -> None:
        self._timer = None
        self._is_listening = True
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._timer = self._loop.call_later(seconds, self._listen)

    def _accept(self) -> None:
        """Accept the connections that wait, unless they are for processes that have less to do."""
        for _ in range(ACCEPTED):
            if not self._accept_one():
                break

    def _accept_one(self) -> bool:
        """Accept a connection; return whether to accept another one at once."""
        if self._leaves_it_to_others():
            return False
        if self._held >= self._limit and not self._make_room():
            self._pause(PAUSE_S)
            return False
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            # No descriptor or no memory is left, whatever the limit says; asking again at once would not help.
            self._log.warning("no connection can be accepted at the moment: %s", error.strerror or error)
            self._make_room()
            self._pause(PAUSE_S)
            return False
        task = self._loop.create_task(self._open_connection(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    @property
    def _held(self) -> int:
        """Number of connections, those that are just being opened included."""
        return len(self._open) + len(self._tasks)

    def _leaves_it_to_others(self) -> bool:
        """Return whether another process holds fewer connections and has a moment to take this one."""
        if self._board is None:
            return False
        fewest = self._board.fewest_connections(self._place)
        if self._has_yielded or self._held <= fewest + fewest // 4 + 1:
            self._has_yielded = False
            return False
        self._has_yielded = True
        self._pause(YIELD_S)
        return True

    async def _open_connection(self, sock: socket.socket) -> None:
        server = self._server
        assert server is not None
        sock.setblocking(False)
        try:
            transport, protocol = await self._loop.connect_accepted_socket(server, sock)
        except OSError:
            sock.close()  # the client has gone already
            return
        if not transport.is_closing():
            self._open[protocol] = _Connection(transport, server, self._loop.time())
            self._state()

    def _state(self) -> None:
        if self._board is not None:
            self._board.set_connections(self._place, len(self._open))

    def _forget_closed(self) -> None:
        for protocol in [each for each, connection in self._open.items() if connection.transport.is_closing()]:
            del self._open[protocol]
        self._state()

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for a request; return whether one more may be accepted."""
        self._forget_closed()
        if len(self._open) < self._limit:
            return True
        now = self._loop.time()
        waiting = (
            (connection.since, protocol) for protocol, connection in self._open.items() if not connection.request
        )
        since, protocol = min(waiting, key=lambda each: each[0], default=(now, None))
        self._log.warning(
            "this server process holds %d connections, the most it may: idle ones are closed", self._limit
        )
        Conditions.current().report(FULL, f"a server process holds {self._limit} connections, its limit", ready=True)
        if now - since < IDLE_S:
            return False
        self._open.pop(protocol).transport.abort()
        return True

    # --- limits of time ---

    def _sweep(self) -> None:
        """Close the connections whose clients are too slow."""
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        self._forget_closed()
        if len(self._open) < self._limit * 0.9:
            Conditions.current().clear(FULL)
        now = self._loop.time()
        late = [each for each in self._open.values() if self._is_late(each, now)]
        for connection in late:
            connection.transport.abort()
        if late:
            self._log.warning("%d connections whose clients sent or read too slowly were closed", len(late))

    def _is_late(self, connection: _Connection, now: float) -> bool:
        """Return whether a client has sent no request, no body or read no response for too long."""
        waited = now - connection.since
        request = connection.request
        if request is not None:
            limit = self._request_timeout_s if request.content.is_eof() else self._client_timeout_s
            return waited > limit
        unsent = connection.transport.get_write_buffer_size()
        if unsent and unsent != connection.unsent_bytes:
            connection.unsent_bytes, connection.since = unsent, now
            return False
        # aiohttp closes a connection that waits for a further request.
        return waited > self._client_timeout_s and (unsent > 0 or not connection.was_asked)

    # --- the end ---

    def close(self) -> None:
        """Accept what has connected already, then nothing more; connections stay."""
        if self._timer is not None:
            self._timer.cancel()
        if self._is_listening:
            self._loop.remove_reader(self._sock.fileno())
        self._is_listening = False
        for _ in range(self._limit - len(self._open)):
            waiting = len(self._tasks)
            self._board = None
            self._accept_one()
            if len(self._tasks) == waiting:
                break
        if self._timer is not None:
            self._timer.cancel()

    async def drain(self, server: web.Server, idle_s: float, limit_s: float) -> None:
        """Let the requests of a server finish, and end each of its connections with a response that says so.

        Args:
            server: The server, which accepts no new connections any more.
            idle_s: How long a connection without a request stays open for one that is on its way.
            limit_s: When to return with connections left.
        """
        self._leaving.add(server)
        began = self._loop.time()
        while self._loop.time() - began < limit_s:
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._forget_closed()
            left = [each for each in self._open.values() if each.server is server]
            if not left:
                break
            for each in left:
                idle = self._loop.time() - max(each.since, began)
                if each.request is None and idle >= idle_s and not each.transport.get_write_buffer_size():
                    each.transport.close()
            await asyncio.sleep(0.02)

    def forget(self, server: web.Server) -> None:
        """Forget a server that has ended.

        Args:
            server: The server.
        """
        self._leaving.discard(server)

    def stop(self) -> None:
        """Check nothing any more."""
        if self._sweeper is not None:
            self._sweeper.cancel()
