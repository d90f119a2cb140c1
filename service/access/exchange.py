"""A request with its response, as logs and traces show it, and the batches in which they get them.

A line of the access log is formatted at once and handed over in batches: to keep a request until then costs more, since
the next one finds none of its memory in the processor's cache. Only traces get the requests themselves.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

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


class LineLog(Protocol):
    """A log with a line for each exchange."""

    @property
    def line(self) -> Callable[[Exchange], str]:
        """Returns the line of an exchange."""

    def write(self, lines: Sequence[str]) -> None:
        """Write lines, soon; never waits.

        Args:
            lines: The lines, in order.
        """


class Exchanges:
    """Hands exchanges to those who want them. Belongs to one event loop."""

    def __init__(self, consumers: Sequence[Consumer] = (), access_log: LineLog | None = None) -> None:
        """Hand over to consumers.

        Args:
            consumers: Each is called with batches of exchanges, on the loop; none blocks.
            access_log: Gets a line for each; None without one.
        """
        self._consumers = tuple(consumers)
        self._line = None if access_log is None else access_log.line
        self._log = access_log
        self._lines: list[str] = []
        self._batch: list[Exchange] = []
        self._timer: asyncio.TimerHandle | None = None
        self.is_wanted = bool(self._consumers) or access_log is not None
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
        exchange = Exchange(time.time(), seconds, *fields, *sent, route)
        lines, batch = self._lines, self._batch
        if self._line is not None:
            lines.append(self._line(exchange))
        if self._consumers:
            batch.append(exchange)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        if len(lines) >= BATCH or len(batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines and self._log is not None:
            self._log.write(lines)
        batch, self._batch = self._batch, []
        if batch:
            for consume in self._consumers:
                consume(batch)
