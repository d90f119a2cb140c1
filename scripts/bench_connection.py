"""A client of tiles over one connection, which takes less than a quick server: the standard library takes more."""

from __future__ import annotations

import re
import socket
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 120


def seconds_of(port: int, paths: list[str] | Iterator[str]) -> list[float]:
    """Request paths over one connection, check that each is a tile, and return how long each took."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path in paths:
            began = time.perf_counter()
            status, body = answer_of(connection, path)
            found.append(time.perf_counter() - began)
            is_tile = body[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", body[16:24]) == (256, 256)
            if status != 200 or not is_tile:
                raise SystemExit(f"{path}: {status} {body[:200]!r}")
    return found


def answer_of(connection: socket.socket, path: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += received(connection)
    length = re.search(rb"\ncontent-length: *(\d+)", data[:end].lower())
    if length is None:
        raise SystemExit(f"{path}: an answer without its length: {bytes(data[:end])!r}")
    size = end + 4 + int(length[1])
    while len(data) < size:
        data += received(connection)
    return int(data[9:12]), bytes(data[end + 4 :])


def received(connection: socket.socket) -> bytes:
    """Return the next bytes of a connection."""
    part = connection.recv(1 << 16)
    if not part:
        raise OSError("the connection was closed")
    return part
