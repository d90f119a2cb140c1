"""How many stored chunks were read: by this process, and by workers for it, which say so with each result."""

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

    def add_all(self, reads: Reads) -> None:
        """Count what a worker has read.

        Args:
            reads: As the worker took it from its own counts.
        """
        with self._lock:
            self._count += max(0, reads.number)
            self._bytes += max(0, reads.nbytes)

    def take(self) -> Reads:
        """Return what was counted, and begin again at zero."""
        with self._lock:
            taken = Reads(self._count, self._bytes)
            self._count = self._bytes = 0
        return taken
