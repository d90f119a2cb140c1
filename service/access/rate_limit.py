"""Limits of the requests of each client, in a table of fixed size that all server processes share.

The algorithm is GCRA (ITU-T I.371): of a client one number is kept, the time at which it will have used nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
import time
from typing import TYPE_CHECKING, Any

from lazytile.service.http.proxies import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import BaseContext

    from aiohttp import web

    from lazytile.service.http.proxies import Network

WAYS = 8
"""Places in which a client may be; where all are taken, it replaces the one that has been idle for longest."""
IPV6_PREFIX = 64
"""A client has a whole network of IPv6 addresses."""


class ClientTable:
    """Times of clients, in memory that processes may share. Of two writes at once, one may count for nothing."""

    def __init__(self, size: int, context: BaseContext) -> None:
        """Create the table.

        Args:
            size: Number of clients.
            context: Starts the processes that will share it.
        """
        self._sets = max(1, -(-size // WAYS))
        self._clients: Any = context.RawArray("Q", self._sets * WAYS)
        self._times: Any = context.RawArray("d", self._sets * WAYS)
        self._salt = secrets.token_bytes(16)

    def place(self, client: str) -> int:
        """Return the place of a client; one that is new there begins unused.

        Args:
            client: Its address.

        Returns:
            Its index in the table.
        """
        digest = hashlib.blake2b(client.encode(), digest_size=16, key=self._salt).digest()
        tag = int.from_bytes(digest[:8]) | 1
        first = int.from_bytes(digest[8:]) % self._sets * WAYS
        places = range(first, first + WAYS)
        for at in places:
            if self._clients[at] == tag:
                return at
        oldest = min(places, key=lambda at: float(self._times[at]))
        self._clients[oldest], self._times[oldest] = tag, 0.0
        return oldest

    def time(self, place: int) -> float:
        """Return the time at a place.

        Args:
            place: Of a client.

        Returns:
            Seconds of the clock.
        """
        return float(self._times[place])

    def set_time(self, place: int, seconds: float) -> None:
        """Set the time at a place.

        Args:
            place: Of a client.
            seconds: Of the clock.
        """
        self._times[place] = seconds


class RateLimit:
    """How often a client may ask."""

    def __init__(
        self,
        table: ClientTable,
        per_s: float,
        burst: int,
        proxies: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Limit clients.

        Args:
            table: Their times.
            per_s: Requests per second.
            burst: Requests at once.
            proxies: Networks of trusted proxies, which say whom they forward.
            clock: Returns seconds, the same in all processes.
        """
        self._table = table
        self._interval_s = 1 / per_s
        self._tolerance_s = (burst - 1) / per_s
        self._proxies = proxies
        self._clock = clock

    def wait_s(self, request: web.BaseRequest) -> int:
        """Count a request.

        Args:
            request: The request.

        Returns:
            0 where it may be answered; else the whole seconds after which the client may ask again.
        """
        return self.count(client_of(request.remote, request.headers, self._proxies))

    def count(self, client: str) -> int:
        """Count a request of a client.

        Args:
            client: Its address.

        Returns:
            As ``wait_s``.
        """
        now, place = self._clock(), self._table.place(_network_of(client))
        due = max(now, self._table.time(place))
        early_s = due - now - self._tolerance_s
        if early_s > 1e-9:
            return max(1, math.ceil(early_s))
        self._table.set_time(place, due + self._interval_s)
        return 0


def _network_of(client: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network."""
    if ":" not in client:
        return client
    try:
        address = ipaddress.IPv6Address(client.partition("%")[0])
    except ValueError:
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False))
