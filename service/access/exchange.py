"""A request with its response, as logs and traces show it, and the batches in which they get them.

Noting an exchange costs a request about two microseconds; everything else happens in batches, between requests.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import web

    Consumer = Callable[[Sequence["Exchange"]], None]

FLUSH_S = 0.25
"""How long exchanges are gathered."""
BATCH = 256
"""Most exchanges that are handed over at once: their lines take less than two milliseconds of the event loop."""
GONE = 499
"""Status of an exchange whose client has left before the response, as nginx has it."""


class Exchange(NamedTuple):
    """A request and its response."""

    ended: float
    """When the response was ready, in seconds since 1970."""
    seconds: float
    """How long it took."""
    remote: str | None
    """Address that the request came from; that of a proxy, where there is one."""
    method: str
    target: str
    """Path and query as received."""
    headers: Mapping[str, str]
    """Of the request."""
    status: int
    size: int
    """Bytes of the body."""
    request_id: str
    timing: str
    """Server-Timing of the response, empty without one."""
    route: str
    """The part of the service, as ``route_of`` returns it."""


class Sent(NamedTuple):
    """What was sent, as in ``Exchange``."""

    status: int
    size: int
    request_id: str
    timing: str = ""


class Exchanges:
    """Gathers exchanges for those who want them. Belongs to one event loop."""

    def __init__(self, consumers: Sequence[Consumer] = ()) -> None:
        """Gather for consumers.

        Args:
            consumers: Each is called with batches of exchanges, on the loop; none blocks.
        """
        self._consumers = tuple(consumers)
        self._batch: list[Exchange] = []
        self._timer: asyncio.TimerHandle | None = None
        self.is_wanted = bool(self._consumers)
        """Whether anybody wants exchanges: otherwise noting them is a waste."""

    def add(self, request: web.BaseRequest, route: str, sent: Sent, seconds: float) -> None:
        """Note an exchange.

        Args:
            request: The request.
            route: The part of the service that it went to.
            sent: The response.
            seconds: How long it took.
        """
        if not self.is_wanted:
            return
        fields = (request.remote, request.method, request.raw_path, request.headers)
        self._batch.append(Exchange(time.time(), seconds, *fields, *sent, route))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._batch = self._batch, []
        if batch:
            for consume in self._consumers:
                consume(batch)
