"""One server process: an application on a listening socket, until it is stopped. A reload replaces the application."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.access.rate_limit import ClientTable
from lazytile.service.app.administration import administered, listed
from lazytile.service.app.application import Inherited, make_app
from lazytile.service.app.changes import Changes, Terminal, settings_after
from lazytile.service.app.connections import Connections
from lazytile.service.app.event_loop import let_loop_go_first, run, settle_heap
from lazytile.service.app.listening import address_of, public_socket
from lazytile.service.app.monitoring import CONDITIONS_OF_OTHERS
from lazytile.service.front.front import Front
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from lazytile.service.app.board import Board
    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)

CANCEL_S = 0.5
"""Time that a request gets to end once it is cancelled."""
CLOSE_IDLE_S = 0.25
"""How long a connection without a request stays open for one that is on its way, when the server ends."""
RETIRE_IDLE_S = 5.0
"""The same when the application is replaced."""
MAX_LINE_BYTES = 64 << 10
"""Longest request line that aiohttp accepts; ``max_query_bytes`` is lower and is reported properly."""


class _BadHttpFilter(logging.Filter):
    """Drops aiohttp's log records of malformed HTTP: with a traceback for each, anyone could fill the disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class ServiceRunner(web.AppRunner):
    """The runner of the application, with the short path to known tiles in front of it."""

    front: Front | None = None
    """The short path; None before ``setup``, or if the settings have none."""

    async def setup(self) -> None:
        """Open the application, and stand in front of it."""
        await super().setup()
        server, context = self.server, self.app[APP_CONTEXT]
        if server is not None and context.settings.short_path:
            admits = None if context.gate.is_open else context.gate.admits
            self.front = Front(server.request_handler, context, process.cache("requests"), admits)
            server.request_handler = self.front


def make_runner(
    settings: Settings, inherited: Inherited | None = None, clients: ClientTable | None = None
) -> ServiceRunner:
    """Return the application with the limits and timeouts of its connections.

    Args:
        settings: The settings.
        inherited: What the application takes over from the one that it replaces.
        clients: As for ``open_context``.

    Returns:
        A runner, not set up yet.
    """
    logger = logging.getLogger("lazytile.http")
    if not logger.filters:
        logger.addFilter(_BadHttpFilter())
    return ServiceRunner(
        make_app(settings, inherited, clients),
        access_log=None,
        logger=logger,
        handler_cancellation=True,
        keepalive_timeout=settings.keepalive_s,
        max_line_size=MAX_LINE_BYTES,
        shutdown_timeout=CANCEL_S,
    )


class ServerProcess:
    """The application and the connections of a process. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        board: Board | None = None,
        place: int = 0,
        *,
        has_process: bool = False,
    ) -> None:
        """Open nothing yet.

        Args:
            settings: The settings.
            sock: The listening socket, which ``close`` closes.
            board: What the server processes tell each other.
            place: Place of this process there.
            has_process: Whether this process does nothing else.
        """
        self._settings = settings
        self._sock = sock
        self._board, self._place = board, place
        self._has_process = has_process
        single = multiprocessing.get_context("spawn")
        self._clients = ClientTable(settings.rate_limit_clients, single) if board is None else board.clients
        self._connections = Connections(sock, settings, board, place)
        self._runner: ServiceRunner | None = None
        self._retiring: asyncio.Task[None] | None = None

    @property
    def runner(self) -> ServiceRunner:
        """The present application."""
        assert self._runner is not None
        return self._runner

    @property
    def engine(self) -> str:
        """Description of the engine."""
        return self.runner.app[APP_CONTEXT].broker.engine_description

    async def open(self) -> None:
        """Open the application and accept connections.

        Raises:
            LazytileError: A part of the service cannot be opened.
        """
        let_loop_go_first()
        self._runner = await self._start(None, self._settings)
        if self._has_process:
            settle_heap()

    async def reload(self, settings: Settings) -> None:
        """Open a new application, with everything that it reads, and let the old one finish its requests.

        Without a new one, since it cannot be opened, the old one goes on.

        Args:
            settings: The settings of the new application.

        Raises:
            LazytileError: A part of the service cannot be opened.
        """
        if self._retiring is not None:
            await self._retiring
        old = self.runner
        context = old.app[APP_CONTEXT]
        earlier = process.current()
        try:
            self._runner = await self._start(Inherited(context.broker.engine, context.metrics), settings)
        except BaseException:
            process.reinstall(earlier)
            raise
        context.broker.leave_engine_open()
        self._settings = settings
        self._connections.configure(settings)
        self._retiring = asyncio.create_task(self._retire(old, RETIRE_IDLE_S, settings.timeout_s))

    async def _start(self, inherited: Inherited | None, settings: Settings) -> ServiceRunner:
        runner = make_runner(settings, inherited, self._clients)
        if self._board is not None:
            board, place = self._board, self._place
            runner.app[CONDITIONS_OF_OTHERS] = lambda: board.conditions_of_others(place)
        try:
            await runner.setup()
        except BaseException:
            await runner.cleanup()
            raise
        assert runner.server is not None
        if self._board is not None and self._board.chunks is not None:
            self._board.chunks.install(self._place)
        self._connections.serve(runner.server)
        return runner

    async def _retire(self, runner: web.AppRunner, idle_s: float, limit_s: float) -> None:
        server = runner.server
        assert server is not None
        await self._connections.drain(server, idle_s, limit_s)
        await runner.cleanup()
        self._connections.forget(server)
        if self._has_process and self._runner is not runner:
            settle_heap()

    async def close(self) -> None:
        """Accept nothing more, and end. Requests have ``shutdown_s`` to finish before they are cancelled."""
        self._connections.close()
        self._sock.close()
        if self._runner is not None:
            await self._retire(self._runner, CLOSE_IDLE_S, self._settings.shutdown_s)
        if self._retiring is not None:
            await self._retiring
        self._connections.stop()


@contextmanager
def handled_signals(handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Handle signals in the running loop.

    Args:
        handlers: What to call on each signal.

    Yields:
        Nothing; the handlers are removed at the end.
    """
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


async def serve(server: ServerProcess, ready: Callable[[str], None], changes: Changes) -> None:
    """Serve until the changes end.

    Args:
        server: The process.
        ready: Called with the description of the engine once the server answers.
        changes: Reloads, and the end.

    Raises:
        LazytileError: A part of the service cannot be opened.
    """
    try:
        await server.open()
        ready(server.engine)
        while (read := await changes.next()) is not None:
            try:
                await server.reload(read())
                LOG.info("settings, colormaps and catalogue were reloaded")
            except (LazytileError, OSError) as error:
                LOG.error("nothing was reloaded, the server goes on as before: %s", error)  # noqa: TRY400 - one line
    finally:
        await server.close()


def run_one(settings: Settings, announce: Callable[[str, str], None], read: Callable[[], Settings]) -> None:
    """Run one server process until SIGINT or SIGTERM; SIGHUP reloads.

    Args:
        settings: The settings.
        announce: Called with the address and the engine once the server answers.
        read: Reads the settings again.

    Raises:
        LazytileError: The server cannot start.
    """
    with public_socket(settings) as sock:
        address = address_of(settings, sock)

        async def main() -> None:
            changes = Changes()
            terminal = Terminal()

            def hang_up() -> None:
                if terminal.is_gone():
                    changes.end()
                else:
                    changes.reload(lambda: settings_after(settings, read))

            handlers = {signal.SIGINT: changes.end, signal.SIGTERM: changes.end, signal.SIGHUP: hang_up}
            with handled_signals(handlers):
                server = ServerProcess(settings, sock, has_process=True)

                def describe() -> dict[str, Any]:
                    return {
                        "address": address,
                        "engine": server.engine,
                        "conditions": listed(Conditions.current().all()),
                    }

                with administered(settings, read, describe):
                    await serve(server, lambda engine: announce(address, engine), changes)

        run(main(), settings.event_loop)
