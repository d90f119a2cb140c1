"""A response that is bytes already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


class PreparedResponse(web.StreamResponse):
    """A response whose status line, headers and body are sent as they are, on a connection that stays open."""

    def __init__(self, status: int, content: bytes) -> None:
        """Respond with bytes.

        Args:
            status: Status in the content.
            content: The whole response.
        """
        super().__init__(status=status)
        self._content = content
        self._stays_open = True
        self._writer: AbstractStreamWriter | None = None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open. Requests that want it closed get other responses."""
        return self._stays_open

    def force_close(self) -> None:
        """Close the connection after this response (RFC 9112, 9.6)."""
        if self._stays_open:
            self._stays_open = False
            self._content = self._content.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    @property
    def body_length(self) -> int:
        """Bytes sent, headers included."""
        return len(self._content)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Take the connection of a request. The headers are part of the content.

        Args:
            request: The request.

        Returns:
            The writer of its connection.
        """
        self._writer = request.writer
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the content, once.

        Args:
            data: Sent after it.
        """
        if self._writer is not None:
            await self._writer.write_eof(self._content + data)
            self._writer = None
