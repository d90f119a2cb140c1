"""What is wrong in a process at the moment: named problems that stand until they are cleared.

A part that meets a problem it can live with, or one that keeps the process from serving, reports it here. Monitors read
the list; ``/readyz`` shows it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from lazytile.pyramid.core import process

LIMIT = 256
"""Most conditions of a process at a time."""
MAX_PROBLEM_LENGTH = 500
_MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Condition:
    """One problem that stands."""

    key: str
    """Names the part at fault, such as ``dataset sst``."""
    problem: str
    """What is wrong, in one line."""
    ready: bool
    """Whether the process can serve nevertheless."""
    since: float
    """When it was first reported, in seconds since 1970."""


class Conditions:
    """The conditions of one process. Thread-safe; holds at most ``LIMIT``.

    Beyond the limit the oldest condition that does not keep the process from serving makes room.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        """Create an empty list.

        Args:
            limit: Most conditions to hold.
        """
        self._limit = limit
        self._standing: dict[str, Condition] = {}
        self._lock = threading.Lock()

    @staticmethod
    def current() -> Conditions:
        """Return the conditions of this process."""
        return process.current().resource(Conditions, Conditions)

    def report(self, key: str, problem: str, *, ready: bool) -> None:
        """Report a problem, or what a reported one has become; it stands until it is cleared.

        Args:
            key: Names the part at fault, such as ``dataset sst``.
            problem: What is wrong; line breaks become spaces, and a long text is cut.
            ready: Whether the process can serve nevertheless.
        """
        key, problem = _line(key, _MAX_KEY_LENGTH), _line(problem, MAX_PROBLEM_LENGTH)
        with self._lock:
            known = self._standing.get(key)
            if known is not None:
                self._standing[key] = replace(known, problem=problem, ready=ready)
                return
            if len(self._standing) >= self._limit:
                harmless = (each.key for each in self._standing.values() if each.ready)
                self._standing.pop(next(harmless, next(iter(self._standing))))
            self._standing[key] = Condition(key, problem, ready, time.time())

    def clear(self, key: str) -> None:
        """Remove a condition; one that does not stand is ignored.

        Args:
            key: As for ``report``.
        """
        with self._lock:
            self._standing.pop(_line(key, _MAX_KEY_LENGTH), None)

    def all(self) -> tuple[Condition, ...]:
        """Return every condition that stands, the oldest first."""
        with self._lock:
            return tuple(self._standing.values())


def _line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
