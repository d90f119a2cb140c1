"""Colormaps from the network: GIBS, then the Sea Level Change Portal, stored in the user's folder.

Only the hosts in the settings are contacted, by https, within a time and a size; a redirect may not leave its host. A
response is read as a colormap before it is written, in one rename. A refresh sends the ETag and Last-Modified of the
last response, which are stored beside the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import aiohttp

from lazytile.colormaps.core.atomic_write import write_atomically
from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.core.names import check_name
from lazytile.colormaps.core.safe_xml import LIMIT_BYTES
from lazytile.colormaps.formats.readers import SUFFIXES, read_content

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_REDIRECTS = 3
_NOT_FOUND = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class OnlineSource:
    """A source of colormaps by name: ``base`` + name + ``suffix``."""

    base: str
    """URL up to the name, such as ``https://gibs.earthdata.nasa.gov/colormaps/v1.3/``."""
    suffix: str
    """Selects the format too, as for files."""

    def __post_init__(self) -> None:
        if self.suffix not in SUFFIXES:
            raise ColormapError(f"a colormap file ends in {', '.join(SUFFIXES)}, not {self.suffix!r}")

    def url_of(self, name: str) -> str:
        """Return the URL of a colormap.

        Args:
            name: Of the colormap.

        Returns:
            The URL.
        """
        return f"{self.base.rstrip('/')}/{quote(name, safe='')}{self.suffix}"


DEFAULT_SOURCES = (
    OnlineSource("https://gibs.earthdata.nasa.gov/colormaps/v1.3/", ".xml"),
    OnlineSource("https://gibs.earthdata.nasa.gov/colormaps/v1.0/", ".xml"),
    OnlineSource("https://sealevel.nasa.gov/data-analysis-tool/jpl/assets/colorbars/", ".json"),
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of fetching a colormap."""

    name: str
    path: Path
    url: str
    outcome: str
    """``new``, ``changed``, ``unchanged`` (says the server) or ``kept`` (the file existed, no request was made)."""


class _NotFoundError(Exception):
    """This source has no colormap of the name."""


@dataclass(frozen=True, slots=True)
class OnlineColormaps:
    """Fetches colormaps into a folder."""

    folder: Path
    sources: tuple[OnlineSource, ...] = DEFAULT_SOURCES
    """Tried in this order, until one has the name."""
    timeout_s: float = 10.0
    """For one request, from the connection to the last byte."""
    limit_bytes: int = LIMIT_BYTES
    allow_loopback_http: bool = False
    """Whether a source may be plain http on this machine, for tests and mirrors."""

    def __post_init__(self) -> None:
        for source in self.sources:
            if not self._may_contact(source.base):
                raise ColormapError(f"colormaps are fetched by https only, not from {source.base}")

    async def fetch(self, name: str, *, refresh: bool = False) -> Fetched:
        """Fetch a colormap into the folder.

        Args:
            name: Of the colormap.
            refresh: Whether to ask the source if an existing file has changed; otherwise it stays as it is.

        Returns:
            The outcome.

        Raises:
            ColormapNotFoundError: No source has the name.
            ColormapError: No source responds with a colormap; the text has the error of each. The folder is unchanged.
        """
        check_name(name)
        for source in self.sources:
            path = self.folder / f"{name}{source.suffix}"
            if path.is_file() and not refresh:
                return Fetched(name, path, _validators(path).get("url", ""), "kept")
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        # No compression: a small response must not exceed the limit when unpacked.
        headers = {"Accept-Encoding": "identity", "User-Agent": "lazytile"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, auto_decompress=False) as session:
            errors: list[str] = []
            silent: set[str] = set()
            for source in self.sources:
                url = source.url_of(name)
                if urlsplit(url).netloc in silent:
                    continue
                try:
                    return await self._from_source(session, source, name)
                except _NotFoundError:
                    continue
                except ColormapError as error:
                    errors.append(f"{url}: {error}")
                except (aiohttp.ClientError, OSError) as error:
                    if isinstance(error, TimeoutError | aiohttp.ClientConnectorError):
                        silent.add(urlsplit(url).netloc)  # its other addresses would take as long
                    errors.append(f"{url}: {self._reason(error)}")
        if errors:
            raise ColormapError(f"colormap {name} cannot be fetched: {'; '.join(errors)}")
        hosts = ", ".join(dict.fromkeys(source.base for source in self.sources))
        raise ColormapNotFoundError(f"there is no colormap {name!r} at {hosts or 'any source: none is set'}")

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no response within {self.timeout_s:g} s"
        return str(error) or type(error).__name__

    async def prefetch(self, names: Sequence[str]) -> tuple[tuple[Fetched, ...], tuple[str, ...]]:
        """Fetch some colormaps into the folder, a few at a time.

        Args:
            names: Of the colormaps.

        Returns:
            What was fetched, and the errors of what was not.
        """
        semaphore = asyncio.Semaphore(4)

        async def one(name: str) -> Fetched | str:
            async with semaphore:
                try:
                    return await self.fetch(name)
                except ColormapError as error:
                    return str(error)

        results = await asyncio.gather(*(one(name) for name in dict.fromkeys(names)))
        fetched = tuple(result for result in results if isinstance(result, Fetched))
        return fetched, tuple(result for result in results if isinstance(result, str))

    async def _from_source(self, session: aiohttp.ClientSession, source: OnlineSource, name: str) -> Fetched:
        path = self.folder / f"{name}{source.suffix}"
        url, validators, conditions = source.url_of(name), _validators(path), {}
        if path.is_file() and not validators:
            raise ColormapError(f"{path.name} in the folder was not fetched, so it is not replaced")
        if path.is_file() and validators.get("url") == url and validators.get("sha256") == _sha256(path.read_bytes()):
            pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last_modified"))
            conditions = {header: validators[key] for header, key in pairs if validators.get(key)}
        content, received = await self._get(session, url, conditions)
        if content is None:
            return Fetched(name, path, url, "unchanged")
        await asyncio.to_thread(read_content, content, name, path.name)
        outcome = "changed" if path.is_file() else "new"
        # The file first: after a kill between the two the digest does not fit, and the validators are not used.
        write_atomically(path, content)
        validators = {"url": url, "sha256": _sha256(content), "etag": received.get("ETag", "")}
        validators["last_modified"] = received.get("Last-Modified", "")
        write_atomically(_validators_path(path), json.dumps(validators, indent=1).encode())
        return Fetched(name, path, url, outcome)

    async def _get(
        self, session: aiohttp.ClientSession, url: str, conditions: Mapping[str, str]
    ) -> tuple[bytes | None, Mapping[str, str]]:
        """Return the body (None: unchanged) and the headers of a response."""
        for _ in range(_MAX_REDIRECTS + 1):
            async with session.get(url, headers=conditions, allow_redirects=False) as response:
                if response.status in {301, 302, 303, 307, 308}:
                    target = urljoin(url, response.headers.get("Location", ""))
                    if urlsplit(target)[:2] != urlsplit(url)[:2]:
                        raise ColormapError(f"redirects to another host, {target[:200]}")
                    url = target
                    continue
                if response.status in _NOT_FOUND:
                    raise _NotFoundError
                if response.status == 304 and conditions:
                    return None, response.headers
                if response.status != 200:
                    raise ColormapError(f"responds with HTTP {response.status}")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise ColormapError("responds with compression, which was not requested")
                return await self._body(response), response.headers
        raise ColormapError(f"redirects more than {_MAX_REDIRECTS} times")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        if (response.content_length or 0) <= self.limit_bytes:
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > self.limit_bytes:
                    break
            else:
                return bytes(body)
        raise ColormapError(f"responds with more than the {self.limit_bytes} bytes that a colormap may have")

    def _may_contact(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return self.allow_loopback_http and parts.scheme == "http" and parts.hostname in _LOOPBACK


def _validators_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.http")


def _validators(path: Path) -> dict[str, str]:
    """Return what was noted of a fetched file's response; empty for a file that was not fetched."""
    try:
        document: Any = json.loads(_validators_path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in document.items()} if isinstance(document, dict) else {}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
