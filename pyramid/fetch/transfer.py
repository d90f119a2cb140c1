"""The download of one URL to one file, resumed after a kill or a lost connection.

The body goes to a part file. A note beside it holds the validator that the server sent with the body (RFC 9110, 8.8),
so that a later attempt, in this process or another, can request the rest of the same content (``Range`` with
``If-Range``, RFC 9110, 13.1.5). Where the server sends the whole again, because the content changed or it does not
support ranges, the file is begun again.
"""

from __future__ import annotations

import email.utils
import json
import logging
import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.fetch.http_client import CHUNK_BYTES, Client, HttpOptions
from lazytile.pyramid.fetch.pace import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import aiohttp

    Progress = Callable[[int, int | None], None]

LOG = logging.getLogger(__name__)
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)", re.IGNORECASE | re.DOTALL)
_HTML_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Version:
    """What a server states to distinguish one content of a URL from another."""

    etag: str = ""
    last_modified: str = ""
    dated: bool = False
    """Whether ``last_modified`` is old enough to be a strong validator (RFC 9110, 8.8.2.2)."""

    @property
    def range_condition(self) -> str:
        """Value of ``If-Range``; empty where no validator proves that the content is the same byte for byte."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified if self.dated else ""

    @property
    def conditions(self) -> dict[str, str]:
        """Headers that request the content only if it has changed."""
        if self.etag:
            return {"If-None-Match": self.etag}
        return {"If-Modified-Since": self.last_modified} if self.last_modified else {}


class Part:
    """The file that a body is written to, and the note of which content it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> Version:
        """Return the version of the content that was begun; without validators where that is unknown."""
        try:
            return Version(**parse_json(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Version()

    def begin(self, version: Version) -> None:
        """Empty the file and note whose bytes will follow, in this order, so that a kill leaves no wrong note.

        Args:
            version: Of the content.
        """
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        """Write bytes at the end.

        Args:
            chunk: Of the body.
        """
        with self.path.open("ab") as file:
            file.write(chunk)

    def sync(self) -> None:
        """Wait until the bytes are on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove file and note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class Transfer:
    """The download of one URL."""

    def __init__(self, url: str, options: HttpOptions, progress: Progress | None = None) -> None:
        self._client = Client(url, options)
        self._url = self._client.url
        self._limit_bytes = options.limit_bytes
        self._progress = progress

    async def fetch(self, part: Part, known: Version | None = None) -> Version | None:
        """Download the content to a part file.

        Args:
            part: Holds what an earlier attempt received.
            known: Version that need not be sent again.

        Returns:
            The version of the content; None where it is still the ``known`` one.

        Raises:
            SourceError: The server refuses, its response holds no data, or retries are exhausted.
        """

        async def attempt(session: aiohttp.ClientSession) -> Version | None:
            return await self._attempt(session, part, known)

        return await self._client.retried(attempt, lambda: part.size)

    async def _attempt(self, session: aiohttp.ClientSession, part: Part, known: Version | None) -> Version | None:
        start, begun = part.size, part.version()
        headers = known.conditions if known is not None else {}
        if start and begun.range_condition:
            headers = {"Range": f"bytes={start}-", "If-Range": begun.range_condition}
        async with self._client.response(session, headers) as response:
            if response.status == 304 and known is not None:
                part.discard()
                return None
            if response.status == 416 and "Range" in headers:
                if response.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{start}":
                    return begun  # a kill came after the last byte
                part.discard()
                raise TransientError("the server cannot resume what it began to send")
            self._client.check_status(response)
            if response.status == 206:
                start, total = self._placed(response, start)
                version = begun
                if response.headers.get("ETag", begun.etag) != begun.etag:
                    part.discard()
                    raise TransientError("the file changed while it was being sent")
                LOG.info("%s: resuming after %d bytes", self._url, start)
            else:
                start, total, version = 0, response.content_length, _version(response)
                part.begin(version)
            await self._body(response, part, start, total)
            return version

    async def _body(self, response: aiohttp.ClientResponse, part: Part, start: int, total: int | None) -> None:
        """Append the body to the part file."""
        limit = self._limit_bytes
        at = start
        if total is not None and total > limit:
            part.discard()
            raise SourceError(f"{self._url} has {total} bytes, which exceeds the limit of {limit}")
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip"):  # gzip is unpacked like a file of that kind
            part.discard()
            raise SourceError(f"{self._url}: the server sends compression {encoding[:20]!r}, which was not requested")
        pace = self._client.pace()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            if at == 0 and _HTML.match(chunk[:_HTML_BYTES]):
                part.discard()
                raise SourceError(
                    f"{self._url} is a web page, not data; it may require a login, or not be a direct link"
                )
            at += len(chunk)
            if at > limit:
                part.discard()
                raise SourceError(f"{self._url} exceeds the limit of {limit} bytes")
            pace.check(at - start)
            part.append(chunk)
            if self._progress is not None:
                self._progress(at, total)
        if total is not None and at != total:
            raise TransientError(f"the response was cut short: {at} of {total} bytes")
        part.sync()

    def _placed(self, response: aiohttp.ClientResponse, start: int) -> tuple[int, int | None]:
        """Return first byte and whole length of a partial response, or raise where it is not the part requested."""
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if match is None or int(match[1]) != start:
            raise SourceError(f"{self._url}: the server sends a part other than the one from byte {start} on")
        return start, None if match[2] == "*" else int(match[2])


def _version(response: aiohttp.ClientResponse) -> Version:
    modified = response.headers.get("Last-Modified", "")
    dated = False
    try:
        served = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
        dated = (served - email.utils.parsedate_to_datetime(modified)).total_seconds() >= 1
    except (ValueError, TypeError):
        pass  # without a valid date the header is a weak validator
    return Version(response.headers.get("ETag", ""), modified, dated)
