"""The bytes that precede the body of a tile, made once for a family: the headers that the usual path gave one of it."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp.http import SERVER_SOFTWARE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VARYING = frozenset({"etag", "server-timing", "x-request-id", "content-length", "date", "server", "connection"})
"""Headers that differ within a family, or that are added to every response."""
_SAFE = re.compile(r"[\t\x20-\x7e]*")
NOT_MODIFIED = 304


class Heads:
    """Status line and headers of the tiles of a family."""

    __slots__ = ("_found", "_known", "nbytes")

    def __init__(self, fields: Iterable[tuple[str, str]], content_type: str) -> None:
        """Take over what the headers of a tile say of its whole family.

        Args:
            fields: The headers of a response of the usual path, 200 or 304.
            content_type: Media type of the tiles.

        Raises:
            ValueError: A header cannot be sent as it is.
        """
        kept = [(name, value) for name, value in fields if name.lower() not in _VARYING | {"content-type"}]
        if any(_SAFE.fullmatch(text) is None for field in kept for text in field):
            raise ValueError("a header has characters that HTTP does not allow")
        common = "".join(f"{name}: {value}\r\n" for name, value in kept).encode()
        self._found = (b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n" % content_type.encode(), common)
        self._known = (b"HTTP/1.1 304 Not Modified\r\n", common)
        self.nbytes = 2 * len(common) + 200

    def found(self, etag: str, timing: str, request_id: str, length: int, tail: bytes) -> bytes:
        """Return the head of a tile.

        Args:
            etag: Its entity tag, quoted.
            timing: Value of Server-Timing.
            request_id: Value of X-Request-Id.
            length: Bytes of the body.
            tail: The headers of every response.

        Returns:
            Everything before the body.
        """
        start, common = self._found
        own = f"ETag: {etag}\r\nServer-Timing: {timing}\r\nX-Request-Id: {request_id}\r\nContent-Length: {length}\r\n"
        return b"".join((start, common, own.encode(), tail))

    def known(self, etag: str, timing: str, request_id: str, tail: bytes) -> bytes:
        """Return the response to a client that has the tile.

        Args:
            etag: The entity tag that is valid, quoted.
            timing: Value of Server-Timing.
            request_id: Value of X-Request-Id.
            tail: The headers of every response.

        Returns:
            The whole response.
        """
        start, common = self._known
        own = f"ETag: {etag}\r\nServer-Timing: {timing}\r\nX-Request-Id: {request_id}\r\n"
        return b"".join((start, common, own.encode(), tail))


class Tail:
    """The headers that aiohttp adds to every response, and the empty line; made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._bytes = b""

    def now(self) -> bytes:
        """Return Date and Server (RFC 9110, 6.6.1 and 10.2.4)."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._bytes = f"Date: {formatdate(second, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n".encode()
        return self._bytes


def is_template(headers: Mapping[str, str]) -> bool:
    """Return whether the headers of a response hold for its address, whatever else a request says.

    Args:
        headers: The headers of the response.

    Returns:
        False where it varies with the request's headers, or sets something for one client.
    """
    return not {"Vary", "Set-Cookie", "WWW-Authenticate", "Retry-After"} & set(headers)
