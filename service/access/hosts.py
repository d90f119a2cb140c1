"""Names of the server in requests: which ones it answers for, and how many different ones it repeats in documents."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from lazytile.service.http.errors import BusyError, MisdirectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEW_PER_S = 1.0
"""How many names that are new here are accepted in a second, on average: for each, documents are made and kept."""


class Hosts:
    """The Host headers that documents repeat. Bounded; thread-safe."""

    def __init__(self, allowed: Sequence[str], limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Accept names.

        Args:
            allowed: Names, with or without a port; ``*.`` at the beginning stands for one or more labels. None of them
                means that every name is accepted.
            limit: Most names that are known at a time, and most new ones at once.
            clock: Returns seconds.
        """
        self._allowed = tuple(each.lower() for each in allowed)
        self._limit = limit
        self._clock = clock
        self._known: OrderedDict[str, None] = OrderedDict()
        self._tokens = float(limit)
        self._refilled = clock()
        self._lock = threading.Lock()

    def check(self, host: str) -> None:
        """Check a name before it is repeated in a document.

        Args:
            host: The name, with a port or without.

        Raises:
            MisdirectedError: The server does not answer for this name.
            BusyError: Too many new names were used lately.
        """
        name = host.lower()
        if self._allowed and not any(_fits(name, each) for each in self._allowed):
            raise MisdirectedError("request", f"this server does not answer for the host {host[:255]!r}")
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return
            now = self._clock()
            self._tokens = min(self._limit, self._tokens + (now - self._refilled) * NEW_PER_S)
            self._refilled = now
            if self._tokens < 1:
                raise BusyError("too many different Host headers were used lately, try again later")
            self._tokens -= 1
            self._known[name] = None
            while len(self._known) > self._limit:
                self._known.popitem(last=False)


def _fits(name: str, pattern: str) -> bool:
    """Return whether a name is one that a pattern means; a pattern without a port means every port."""
    if not _has_port(pattern):
        name = name.rpartition(":")[0] if _has_port(name) else name
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return name == pattern


def _has_port(name: str) -> bool:
    """Return whether a name ends with a port; the colons of an IPv6 address are within brackets."""
    return ":" in name.rpartition("]")[2]
