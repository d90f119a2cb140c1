"""One server process: an application on a listening socket, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lazytile.service.app.application import make_app
from lazytile.service.http.errors import ServiceError
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.service.http.settings import Settings

BACKLOG = 1024
MAX_LINE_BYTES = 64 << 10
"""Longest request line that aiohttp accepts; ``max_query_bytes`` is lower and is reported properly."""
KEEPALIVE_S = 75.0


def listen(host: str, port: int, *, share_port: bool = False) -> socket.socket:
    """Return a listening socket.

    Args:
        host: Address to listen on.
        port: Port, 0 for a free one.
        share_port: Allow several sockets on the port; the kernel distributes connections among them.

    Returns:
        The socket, not blocking.

    Raises:
        ServiceError: The port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ServiceError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return sock


def address_of(settings: Settings, sock: socket.socket) -> str:
    """Return the address to open in a browser.

    Args:
        settings: The settings.
        sock: The listening socket.

    Returns:
        The public URL if one is set, else the URL of the socket.
    """
    if settings.public_url is not None:
        return f"{settings.public_url}/"
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _BadHttpFilter(logging.Filter):
    """Drops aiohttp's log records of malformed HTTP: with a traceback for each, anyone could fill the disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def make_runner(settings: Settings) -> web.AppRunner:
    """Return the application with the limits and timeouts of its connections.

    Args:
        settings: The settings.

    Returns:
        A runner, not set up yet.
    """
    logger = logging.getLogger("lazytile.http")
    if not logger.filters:
        logger.addFilter(_BadHttpFilter())
    return web.AppRunner(
        make_app(settings),
        access_log=None,
        logger=logger,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_S,
        max_line_size=MAX_LINE_BYTES,
        shutdown_timeout=settings.shutdown_s,
    )


async def serve(settings: Settings, sock: socket.socket, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set. Requests then have ``shutdown_s`` to finish before they are cancelled.

    Args:
        settings: The settings.
        sock: The listening socket.
        ready: Called with the description of the engine once the server answers.
        stop: Ends the server.

    Raises:
        LazytileError: A part of the service cannot be opened.
    """
    runner = make_runner(settings)
    try:
        await runner.setup()
        await web.SockSite(runner, sock).start()
        ready(runner.app[APP_CONTEXT].broker.engine_description)
        await stop.wait()
    finally:
        await runner.cleanup()


@contextmanager
def stopping_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set an event on SIGINT and SIGTERM, in the running loop.

    Args:
        stop: The event.

    Yields:
        Nothing; the handlers are removed at the end.
    """
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def run_one(settings: Settings, announce: Callable[[str, str], None]) -> None:
    """Run one server process until SIGINT or SIGTERM.

    Args:
        settings: The settings.
        announce: Called with the address and the engine once the server answers.

    Raises:
        LazytileError: The server cannot start.
    """
    with listen(settings.host, settings.port) as sock:
        address = address_of(settings, sock)

        async def main() -> None:
            stop = asyncio.Event()
            with stopping_signals(stop):
                await serve(settings, sock, lambda engine: announce(address, engine), stop)

        asyncio.run(main())
