"""The options of commands that serve one map to one person: address, port and browser."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer

PORT = 8080
HostOption = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="PORT",
        min=0,
        max=65535,
        help="Port to listen on [default: 8080, or a free one if it is used].",
    ),
]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Only print the address.")]


def free_port(host: str) -> int:
    """Return the usual port, or 0 for any free one if it is used.

    Args:
        host: Address to listen on.

    Returns:
        The port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, PORT))
        except OSError:
            return 0
    return PORT


def has_display() -> bool:
    """Return whether a browser has a screen: without one, a browser of the terminal would take the terminal over."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
