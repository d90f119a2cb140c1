"""What a request has to pass before it is answered, on whichever path: the limit of its client's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from lazytile.service.http.errors import TooManyRequestsError

if TYPE_CHECKING:
    from lazytile.service.access.rate_limit import RateLimit

WAIT_S: web.RequestKey[int] = web.RequestKey("wait_s", int)
"""Seconds that the client of a request has to wait, once the request was counted."""
UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths for monitors, which are never refused."""


class Gate:
    """Checks requests, each one once."""

    def __init__(self, limit: RateLimit | None, *, has_tokens: bool) -> None:
        """Check requests.

        Args:
            limit: How often a client may ask; None without a limit.
            has_tokens: Whether tokens decide what a request may see.
        """
        self._limit = limit
        self._has_tokens = has_tokens
        self.is_open = limit is None and not has_tokens
        """Whether every request passes."""

    def admits(self, request: web.BaseRequest) -> bool:
        """Return whether a request may be answered before routing.

        Args:
            request: The request, which is counted.

        Returns:
            False where the middleware has to look at it.
        """
        if self._limit is not None:
            request[WAIT_S] = wait_s = self._limit.wait_s(request)
            if wait_s:
                return False
        return not (self._has_tokens and hdrs.AUTHORIZATION in request.headers)

    def check(self, request: web.Request) -> None:
        """Check a request that is answered by the application.

        Args:
            request: The request; it is counted unless that was done before routing.

        Raises:
            TooManyRequestsError: Its client asks too often.
        """
        if self._limit is None:
            return
        wait_s = request.get(WAIT_S)
        if wait_s is None:
            wait_s = self._limit.wait_s(request)
        if wait_s and request.path not in UNLIMITED:
            raise TooManyRequestsError(f"too many requests, try again in {wait_s} s", wait_s)
