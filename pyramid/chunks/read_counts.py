"""How many stored chunks this process has read."""

from __future__ import annotations

import threading
from typing import NamedTuple

from lazytile.pyramid.core import process


class Reads(NamedTuple):
    """A number of reads, and the bytes as they are stored."""

    number: int
    nbytes: int


class ReadCounts:
    """Counts the reads of chunks since they were last taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = self._bytes = 0

    @staticmethod
    def current() -> ReadCounts:
        """Return the counts of this process."""
        return process.current().resource(ReadCounts, ReadCounts)

    def add(self, nbytes: int) -> None:
        """Count a read.

        Args:
            nbytes: Bytes of the chunk as it is stored; 0 for one that is not there.
        """
        with self._lock:
            self._count += 1
            self._bytes += nbytes

    def take(self) -> Reads:
        """Return what was counted, and begin again at zero."""
        with self._lock:
            taken = Reads(self._count, self._bytes)
            self._count = self._bytes = 0
        return taken
