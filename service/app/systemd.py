"""What systemd and a service have to do with each other: sockets that it passes, and the word that the server is ready.

The protocols of sd_listen_fds(3) and sd_notify(3) are a few variables and a datagram; no library is needed.
"""

from __future__ import annotations

import logging
import os
import socket

from lazytile.service.http.errors import ServiceError

LOG = logging.getLogger(__name__)
FIRST_FD = 3
"""SD_LISTEN_FDS_START."""
ADMIN = "admin"
"""Name (FileDescriptorName=) of the socket for the administrators' API."""


def passed_socket(name: str = "") -> socket.socket | None:
    """Return the listening socket that systemd, or another parent, has passed to this process.

    Args:
        name: ``admin`` for the socket of that name; empty for the first one of another name.

    Returns:
        The socket, not blocking; None where there is none.

    Raises:
        ServiceError: What was passed is no listening stream socket.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    try:
        count = int(os.environ.get("LISTEN_FDS", "0"))
    except ValueError:
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for number in range(count):
        if ((names[number] if number < len(names) else "") == ADMIN) is (name == ADMIN):
            return _listening(FIRST_FD + number)
    return None


def _listening(number: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=number)
        is_listening = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ServiceError(f"the socket that was passed as descriptor {number} cannot be used: {error}") from error
    if not is_listening:
        sock.close()
        raise ServiceError(f"descriptor {number} was passed as a socket, but it does not listen for connections")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def notify(state: str) -> None:
    """Send systemd a state; without it, or with another service manager, do nothing.

    Args:
        state: Such as ``READY=1``.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            sock.send(state.encode())
    except OSError as error:
        LOG.warning("systemd cannot be told %s: %s", state, error.strerror or error)
