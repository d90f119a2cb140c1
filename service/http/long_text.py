"""Long texts, sent in pieces: between them the event loop answers others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECE_BYTES = 256 << 10
"""Copying so many to a socket takes a tenth of a millisecond or two."""


class LongText(web.Response):
    """A response whose body is handed to the connection in pieces."""

    def __init__(self, body: bytes, *, status: int, headers: Mapping[str, str]) -> None:
        """Respond with a text.

        Args:
            body: The text, encoded.
            status: HTTP status.
            headers: All headers but those of every response.
        """
        super().__init__(status=status, body=body, headers=headers)
        self._text = memoryview(body)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body.

        Args:
            data: Nothing: the body is known.
        """
        del data
        text, self._text = self._text, memoryview(b"")
        for start in range(0, len(text), PIECE_BYTES):
            await self.write(text[start : start + PIECE_BYTES])
            await asyncio.sleep(0)
        await web.StreamResponse.write_eof(self)
