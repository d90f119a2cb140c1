"""The listening socket of a server, and how many of its connections a process may hold."""

from __future__ import annotations

import errno
import resource
import socket
import time
from typing import TYPE_CHECKING

from lazytile.service.app.systemd import passed_socket
from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from lazytile.service.http.settings import Settings

KEPT_DESCRIPTORS = 128
"""Of the limit of open files, for everything but connections: chunks, caches, libraries, other connections."""
MOST_CONNECTIONS = 4096
BACKLOG = 4096
"""Connections that wait to be accepted; Linux takes at most ``net.core.somaxconn`` of them."""
BIND_S = 2.0
"""How long to wait for a port whose last server is just ending."""
BIND_PAUSE_S = 0.1


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: Address to listen on.
        port: Port, 0 for a free one.

    Returns:
        The socket, not blocking.

    Raises:
        ServiceError: The port is in use, or the address is not one of this machine.
    """
    deadline = time.monotonic() + BIND_S
    while True:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise ServiceError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
            time.sleep(BIND_PAUSE_S)  # the processes of a killed server end as soon as they see that it is gone
        else:
            return sock


def public_socket(settings: Settings) -> socket.socket:
    """Return the socket that the server listens on.

    Args:
        settings: Host and port.

    Returns:
        The one that systemd has passed, else a new one; not blocking.

    Raises:
        ServiceError: It cannot be used.
    """
    return passed_socket() or listen(settings.host, settings.port)


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
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def connection_limit(settings: Settings) -> int:
    """Return how many connections a server process may hold.

    Args:
        settings: ``max_connections``.

    Returns:
        The setting; without it, what the limit of open files leaves.
    """
    if settings.max_connections is not None:
        return settings.max_connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(files // 4, min(files - KEPT_DESCRIPTORS, MOST_CONNECTIONS))
