"""What the processes of a server tell each other: that they live, how many connections they hold, what is wrong.

A board is memory that the supervisor creates and every server process maps. Nothing on it waits for a lock, since a
process may be stopped or killed at any moment; a text that was cut off so has a wrong checksum, and counts as none.
"""

from __future__ import annotations

import json
import struct
import zlib
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core.conditions import Condition
from lazytile.service.access.rate_limit import ClientTable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.context import SpawnContext

TEXT_BYTES = 64 << 10
"""Room for the conditions of one process; those that do not fit are left out."""
_HEADER = struct.Struct(">II")
_ATTEMPTS = 3


class Board:
    """One place a process: places 0 to ``count - 1`` for server processes, the last one for the supervisor."""

    def __init__(self, context: SpawnContext, count: int, clients: int = 64, chunk_bytes: int = 0) -> None:
        """Create the memory.

        Args:
            context: Starts the processes that will share it.
            count: Number of server processes.
            clients: Number of clients whose requests are limited.
            chunk_bytes: Most bytes of chunks that each process keeps for all.
        """
        self.count = count
        self.clients = ClientTable(clients, context)
        """What they know of clients."""
        self.chunks: SharedChunks | None = None
        """What they have unpacked; None where the system has no memory for that."""
        with suppress(OSError):
            self.chunks = SharedChunks(count, chunk_bytes)
        # Declared by their typecodes: ctypes arrays in memory that spawned processes inherit.
        self._beats: Any = context.RawArray("d", count + 1)
        self._connections: Any = context.RawArray("q", count + 1)
        self._texts: Any = context.RawArray("B", (count + 1) * TEXT_BYTES)

    @property
    def supervisor(self) -> int:
        """Place of the supervisor."""
        return self.count

    def beat(self, place: int, now: float) -> None:
        """State that a process is alive.

        Args:
            place: Place of the process.
            now: Seconds of any clock that moves.
        """
        self._beats[place] = now

    def last_beat(self, place: int) -> float:
        """Return what a process stated last.

        Args:
            place: Place of the process.

        Returns:
            The seconds; 0 before the first beat.
        """
        return float(self._beats[place])

    def set_connections(self, place: int, number: int) -> None:
        """State how many connections a process holds.

        Args:
            place: Place of the process.
            number: The number; -1 for a process that accepts none.
        """
        self._connections[place] = number

    def fewest_connections(self, place: int) -> int:
        """Return how many connections the least busy of the other server processes holds.

        Args:
            place: Place of the process that asks.

        Returns:
            The number, as each last stated it; a large one where no other process accepts connections.
        """
        others = [n for at, n in enumerate(self._connections[: self.count]) if at != place and n >= 0]
        return min(others, default=1 << 30)

    def connections(self, place: int) -> int:
        """Return how many connections a process last stated.

        Args:
            place: Place of the process.

        Returns:
            The number; -1 for a process that accepts none.
        """
        return int(self._connections[place])

    def clear(self, place: int) -> None:
        """Remove everything that a process has stated, which has ended.

        Args:
            place: Place of the process.
        """
        self._beats[place] = 0.0
        self._connections[place] = -1
        self.publish(place, ())

    def publish(self, place: int, conditions: Iterable[Condition]) -> None:
        """State what is wrong in a process.

        Args:
            place: Place of the process.
            conditions: Its conditions.
        """
        entries = [json.dumps(asdict(each)).encode() for each in conditions]
        entries.sort(key=lambda entry: b'"ready": true' in entry)  # what stops the service is left out last
        while sum(map(len, entries)) + len(entries) + 2 > TEXT_BYTES - _HEADER.size:
            entries.pop()
        text = b"[" + b",".join(entries) + b"]"
        begin = place * TEXT_BYTES
        memory = memoryview(self._texts).cast("B")
        memory[begin + _HEADER.size : begin + _HEADER.size + len(text)] = text
        memory[begin : begin + _HEADER.size] = _HEADER.pack(len(text), zlib.crc32(text))

    def conditions(self, place: int) -> tuple[Condition, ...]:
        """Return what is wrong in a process, as it last stated.

        Args:
            place: Place of the process.

        Returns:
            Its conditions; none where the process is just writing them.
        """
        begin = place * TEXT_BYTES
        memory = memoryview(self._texts).cast("B")
        for _ in range(_ATTEMPTS):
            length, checksum = _HEADER.unpack(memory[begin : begin + _HEADER.size])
            text = bytes(memory[begin + _HEADER.size : begin + min(_HEADER.size + length, TEXT_BYTES)])
            if length and zlib.crc32(text) == checksum:
                return tuple(Condition(**each) for each in json.loads(text))
        return ()

    def conditions_of_others(self, place: int) -> tuple[Condition, ...]:
        """Return what is wrong in the other processes, the supervisor among them.

        Args:
            place: Place of the process that asks.

        Returns:
            Their conditions.
        """
        return tuple(each for at in range(self.count + 1) if at != place for each in self.conditions(at))
