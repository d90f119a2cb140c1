"""The responses that send objects: from memory, or from an open file by the system (sendfile(2))."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.zarr_http.byte_range import Selection
    from lazytile.service.zarr_http.bytes_in_flight import Reservation
    from lazytile.service.zarr_http.shard_object import FileObject
    from lazytile.service.zarr_http.stored_object import WholeObject

BINARY = "application/octet-stream"
PIECE_BYTES = 1 << 20
"""Bytes of a file that are handed to the system at a time; a client must take as many within its time limit."""


class DataResponse(web.Response):
    """A part of an object in memory."""

    def __init__(
        self, found: WholeObject, selection: Selection, reservation: Reservation, headers: Mapping[str, str]
    ) -> None:
        """Respond with bytes.

        Args:
            found: The object.
            selection: Which bytes of it.
            reservation: Released when they are sent.
            headers: Further headers.
        """
        data = found.data if selection.status == 200 else found.data[selection.start : selection.stop]
        super().__init__(status=selection.status, body=data, headers={hdrs.CONTENT_TYPE: BINARY, **headers})
        self._reservation = reservation
        weakref.finalize(self, reservation.release)  # where the client has gone before anything was sent

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body.

        Args:
            data: Nothing: the body is known.
        """
        try:
            await super().write_eof(data)
        finally:
            self._reservation.release()


class FileResponse(web.StreamResponse):
    """A part of a file. Unlike aiohttp's own it sends a file that is open, whose content was checked."""

    def __init__(
        self,
        request: web.Request,
        found: FileObject,
        selection: Selection,
        reservation: Reservation,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> None:
        """Respond with a part of a file.

        Args:
            request: The request.
            found: The file.
            selection: Which bytes of it.
            reservation: Released when they are sent.
            headers: Further headers.
            timeout_s: How long the client may take for each ``PIECE_BYTES``.
        """
        super().__init__(status=selection.status, headers={hdrs.CONTENT_TYPE: BINARY, **headers})
        self.content_length = selection.stop - selection.start
        self._asked = request
        self._found = found
        self._selection = selection
        self._reservation = reservation
        self._timeout_s = timeout_s
        weakref.finalize(self, reservation.release)  # as above

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body.

        Args:
            data: Nothing: the body is known.
        """
        try:
            if self._asked.method != hdrs.METH_HEAD and self._selection.has_body:
                await self._send()
            await super().write_eof(data)
        finally:
            self._reservation.release()
            self._found.close()

    async def _send(self) -> None:
        position, stop = self._selection.start, self._selection.stop
        try:
            while position < stop:
                count = min(PIECE_BYTES, stop - position)
                async with asyncio.timeout(self._timeout_s):
                    await self._send_piece(position, count)
                position += count
        except (TimeoutError, EOFError) as error:
            # The length was promised: only closing the connection tells the client that the body is not whole.
            if self._asked.transport is not None:
                self._asked.transport.abort()
            raise ConnectionResetError("the client reads too slowly, or the file became shorter") from error

    async def _send_piece(self, position: int, count: int) -> None:
        loop, transport, file = asyncio.get_running_loop(), self._asked.transport, self._found.file
        if transport is None:
            raise ConnectionResetError("the client has gone")
        try:
            sent = await loop.sendfile(transport, file, position, count)
        except NotImplementedError:  # uvloop has none
            data = await loop.run_in_executor(None, os.pread, file.fileno(), count, position)
            await self.write(data)
            sent = len(data)
        if sent != count:
            raise EOFError
