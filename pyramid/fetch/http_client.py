"""Bounded HTTP requests: one URL with its redirects, its credentials and its retries.

Redirects are followed here and not by the library, because credentials depend on each step.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from lazytile import __version__
from lazytile.pyramid.core.errors import ResponseTooLargeError, SourceError, first_line
from lazytile.pyramid.fetch.credentials import NO_CREDENTIALS, Credentials, origin_of
from lazytile.pyramid.fetch.pace import Pace, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping

    import aiohttp

_Result = TypeVar("_Result")
LOG = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 20
_MAX_REDIRECTS = 10
_PATIENCE = 10
"""Multiples of the time limit after which a body that comes too slowly is given up."""
_MAX_WAIT_S = 60.0
_GAIN_BYTES = 1 << 20
"""An attempt that received this much restarts the count of failures."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How remote sources are fetched."""

    credentials: Credentials = NO_CREDENTIALS
    limit_bytes: int = 100 * 10**9
    """Of a download, and of what is unpacked from it."""
    timeout_s: float = 60.0
    """How long a server may be silent."""
    retries: int = 4
    """Attempts after the first that may fail in a row."""
    backoff_s: float = 1.0
    """Wait before the first retry; it doubles with each retry."""
    refresh: bool = False
    """Whether to fetch again what is already there."""

    def __post_init__(self) -> None:
        if self.limit_bytes < 1 or self.timeout_s <= 0 or self.retries < 0 or self.backoff_s < 0:
            raise SourceError("the limit and the timeout of downloads must be above 0, retries and backoff 0 or more")


class Client:
    """Requests one URL."""

    def __init__(self, url: str, options: HttpOptions) -> None:
        self.url = checked_url(url)
        self._options = options

    def get(self, limit_bytes: int, *, accept: str = "*/*") -> tuple[int, bytes]:
        """Return status and body of a response.

        Args:
            limit_bytes: Of the body.
            accept: Media types, for the header ``Accept``.

        Returns:
            Status and body, of whichever status.

        Raises:
            SourceError: No response came.
            ResponseTooLargeError: The body has over ``limit_bytes``.
        """
        return run(self.read(limit_bytes, accept=accept))

    async def read(self, limit_bytes: int, *, accept: str = "*/*") -> tuple[int, bytes]:
        """Return status and body of a response, on an event loop.

        Args:
            limit_bytes: Of the body.
            accept: Media types, for the header ``Accept``.

        Returns:
            Status and body, of whichever status.

        Raises:
            SourceError: No response came.
            ResponseTooLargeError: The body has over ``limit_bytes``.
        """

        async def attempt(session: aiohttp.ClientSession) -> tuple[int, bytes]:
            async with self.response(session, {"Accept": accept}) as response:
                if response.status in _TRANSIENT - {500}:
                    raise TransientError(_status(response), _retry_after(response))
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise SourceError(f"{self.url}: the server sends compression that was not requested")
                body = bytearray()
                pace = self.pace()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    body += chunk
                    pace.check(len(body))
                    if len(body) > limit_bytes:
                        raise ResponseTooLargeError(
                            f"{self.url}: the response exceeds the limit of {limit_bytes} bytes"
                        )
                return response.status, bytes(body)

        return await self.retried(attempt, lambda: 0)

    async def retried(
        self, attempt: Callable[[aiohttp.ClientSession], Awaitable[_Result]], size: Callable[[], int]
    ) -> _Result:
        """Return the result of the first attempt that succeeds.

        Args:
            attempt: Is called with a new session.
            size: Returns how many bytes have arrived so far; progress restarts the count of failures.

        Returns:
            What the attempt returns.

        Raises:
            SourceError: Retries are exhausted, or retrying cannot help.
        """
        import aiohttp  # noqa: PLC0415 - most sources are files, and loading it takes longer than converting a small one

        failures = 0
        while True:
            before = size()
            try:
                async with self._session() as session:
                    return await attempt(session)
            except (
                aiohttp.ClientConnectorCertificateError,
                aiohttp.ClientConnectorDNSError,
                aiohttp.InvalidURL,
            ) as error:
                raise SourceError(f"{self.url} cannot be reached: {_text(error)}") from error
            except (TransientError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                failures = 1 if size() - before > _GAIN_BYTES else failures + 1
                reason = self._reason(error)
                if failures > self._options.retries:
                    raise SourceError(f"{self.url}: {reason}; {failures} attempts failed") from error
                wait_s = self._options.backoff_s * 2 ** (failures - 1)
                if isinstance(error, TransientError):
                    wait_s = max(wait_s, error.wait_s)
                LOG.info("%s: %s; retrying", self.url, reason)
                await asyncio.sleep(min(wait_s, _MAX_WAIT_S))

    def pace(self) -> Pace:
        """Return the check of a body's speed that begins now."""
        return Pace(_PATIENCE * self._options.timeout_s)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"the server was silent for {self._options.timeout_s:g} s"
        import aiohttp  # noqa: PLC0415 - as above

        if isinstance(error, aiohttp.ClientPayloadError):
            return "the response was cut short"
        return _text(error)

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - as above

        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._options.timeout_s, sock_read=self._options.timeout_s
        )
        # Logins pass their session on in cookies, from hosts without a name too.
        return aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.CookieJar(unsafe=True), auto_decompress=False, trust_env=False
        )

    @asynccontextmanager
    async def response(
        self, session: aiohttp.ClientSession, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the response at the end of the redirects, its body not yet read.

        Args:
            session: Of the attempt.
            headers: Of the request, besides those of every request.

        Yields:
            The response.

        Raises:
            SourceError: A redirect must not be followed, or there are too many.
        """
        from yarl import URL  # noqa: PLC0415 - as above

        url = self.url
        for _ in range(_MAX_REDIRECTS + 1):
            sent = {"Accept-Encoding": "identity", "User-Agent": f"lazytile/{__version__}", **headers}
            authorization = self._options.credentials.authorization(url, self.url)
            if authorization is not None:
                sent["Authorization"] = authorization
            proxy = _proxy(url)
            async with session.get(
                URL(url, encoded=True), headers=sent, allow_redirects=False, proxy=proxy
            ) as response:
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    yield response
                    return
                url = self._next(url, response.headers["Location"])
        raise SourceError(f"{self.url} redirects more than {_MAX_REDIRECTS} times")

    def _next(self, url: str, location: str) -> str:
        """Return where a redirect leads, or raise ``SourceError`` where it must not be followed."""
        parts = urlsplit(urljoin(url, location))
        # A redirect may not choose the password.
        target = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        scheme, host, _ = origin_of(target)
        if scheme not in ("http", "https"):
            raise SourceError(f"{self.url} redirects to the scheme {scheme!r}; only http and https are followed")
        if scheme == "http" and urlsplit(url).scheme == "https":
            raise SourceError(f"{self.url} redirects from https to plain http at {host}, which is not followed")
        return target

    def check_status(self, response: aiohttp.ClientResponse) -> None:
        """Raise an error for a status that brings no data.

        Args:
            response: Whose status it is.

        Raises:
            TransientError: The same request may succeed later.
            SourceError: It will not.
        """
        status = response.status
        host = response.url.host
        if status in _TRANSIENT:
            raise TransientError(_status(response), _retry_after(response))
        if status == 401:
            raise SourceError(
                f"{self.url}: {host} requires a login (401); put it into the .netrc file, or use --token-file"
            )
        if status == 403:
            raise SourceError(f"{self.url}: {host} denies access (403 {response.reason or 'Forbidden'})")
        if status in (404, 410):
            raise SourceError(f"{self.url}: {host} has no such file ({status})")
        if status not in (200, 206):
            raise SourceError(f"{self.url}: {_status(response)}")


def checked_url(url: str) -> str:
    """Return an ``http`` or ``https`` URL that may be requested.

    Args:
        url: As the user gave it.

    Returns:
        The URL without its fragment.

    Raises:
        SourceError: It is invalid or holds a password.
    """
    from yarl import URL  # noqa: PLC0415 - as above

    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise SourceError(f"the URL of {parts.hostname} holds a password; put it into the .netrc file instead")
    origin_of(url)
    try:
        return str(URL(urlunsplit(parts._replace(fragment=""))))
    except ValueError as error:
        raise SourceError(f"{url} is not a URL: {error}") from error


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of asynchronous work, also where an event loop is running, as in a notebook.

    Args:
        work: To wait for.

    Returns:
        Its result.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _status(response: aiohttp.ClientResponse) -> str:
    return f"{response.url.host} responds with {response.status} {response.reason or ''}".rstrip()


def _retry_after(response: aiohttp.ClientResponse) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0  # a date: the usual wait is enough


def _text(error: Exception) -> str:
    """Return the text of an error without aiohttp's note on certificates, which is in that of plain http too."""
    return first_line(error).replace(" ssl:default", "")
