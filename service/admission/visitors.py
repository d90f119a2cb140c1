"""The visitors of a server process: its connections, and what each has asked for so far."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from weakref import WeakKeyDictionary

from lazytile.service.admission.queue_order import Visitor


class Visitors:
    """Who asks for what the running task does. Belongs to one event loop."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._running: ContextVar[Visitor | None] = ContextVar("visitor", default=None)
        self._known: WeakKeyDictionary[object, Visitor] = WeakKeyDictionary()
        """By connection: aiohttp answers each request in a task, and a context, of its own."""

    @property
    def running(self) -> Visitor | None:
        """The visitor whom the running task answers; None for work of our own."""
        return self._running.get()

    def seen(self, connection: object | None) -> None:
        """Take note of a request whose work began at once: the visitor has had nothing that others wait for.

        Args:
            connection: The transport that it came by; None where that is closed.
        """
        if connection is not None and connection not in self._known:
            now = asyncio.get_running_loop().time()
            self._known[connection] = Visitor(now, now)

    def arrived(self, at: float, connection: object | None) -> None:
        """Take note of a request that the running task answers.

        Args:
            at: When it arrived, by the clock of the loop.
            connection: The transport that it came by; None where that is closed.
        """
        visitor = None if connection is None else self._known.get(connection)
        if visitor is None:
            visitor = Visitor(at, at)
            if connection is not None:
                self._known[connection] = visitor
        visitor.arrived = at
        visitor.requests += 1
        visitor.has_turn = False
        self._running.set(visitor)
