"""Chunks in memory that the processes of a server share: what one has unpacked, the others need not unpack again.

Each process writes to its own part of the memory only and reads all parts; nobody waits for anybody. A part is a ring:
new chunks overwrite the oldest. Whoever reads a chunk copies what it needs, and looks afterwards whether the chunk was
overwritten meanwhile; then it has found nothing.
"""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing.reduction
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

MEMORY_SHARE = 0.25
"""Share of a process's cache of decoded chunks that its part of the memory takes, once it is used."""
LARGEST_SHARE = 4
"""A chunk that is larger than this part of the ring would drive out most others."""
LEAST_BYTES = 1 << 20
"""A smaller ring is of no use."""
_WORD, _ENTRY_WORDS, _WAYS, _ROWS = 8, 4, 4, 512
_RESERVED, _LIMIT = 0, 1
"""Words of the header: the position up to which the ring is or is being written, which only grows, and its size."""
_INDEX = 4096
"""Where the index begins, in bytes. An entry is two words of a key, the position of a chunk and its number of bytes."""
_RING = _INDEX + _ROWS * _WAYS * _ENTRY_WORDS * _WORD
_ALIGNMENT = 64
_FIRST = 1 << 20
"""The first position: an entry of zeros is before every chunk."""


class SharedChunks:
    """Memory of several processes. Inherited by those that ``multiprocessing`` spawns; thread-safe."""

    def __init__(self, count: int, part_bytes: int) -> None:
        """Create the memory, which takes none before it is written to.

        Args:
            count: Number of processes.
            part_bytes: Most bytes of chunks of each.

        Raises:
            OSError: The system has no memory of this kind.
        """
        if not hasattr(os, "memfd_create"):
            raise OSError("this system has no memory without a name")
        self._count, self._part = count, _RING + -(-part_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self._descriptor = os.memfd_create("lazytile-chunks", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, count * self._part)
        self._open()

    def _open(self) -> None:
        self._map = mmap.mmap(self._descriptor, self._count * self._part)
        self._memory = memoryview(self._map)
        self._words = self._memory.cast("Q")
        self._lock = threading.Lock()
        self._place = -1
        self._limit = self._position = self._begun = 0
        self._being_written: set[int] = set()
        self._on_use: Callable[[], object] | None = None

    def __getstate__(self) -> tuple[Any, int, int]:
        return multiprocessing.reduction.DupFd(self._descriptor), self._count, self._part

    def __setstate__(self, state: tuple[Any, int, int]) -> None:
        descriptor, self._count, self._part = state
        self._descriptor = descriptor.detach()
        self._open()

    @staticmethod
    def current() -> SharedChunks | None:
        """Return the memory that this process shares; None where it shares none."""
        found: tuple[SharedChunks | None] = process.current().resource(SharedChunks, lambda: (None,))
        return found[0]

    @property
    def held_bytes(self) -> int:
        """Bytes of the memory that this process has filled."""
        with self._lock:
            return min(self._limit, self._position - self._begun)

    def install(self, place: int) -> None:
        """Take a part of the memory for this process as it was just installed; what was there is forgotten.

        The cache of decoded chunks gives up as much memory, as soon as the part is used.

        Args:
            place: Of this process, from 0.
        """
        cache = process.cache("chunks")
        whole = cache.statistics.limit_bytes
        limit = min(int(whole * MEMORY_SHARE), self._part - _RING) // _ALIGNMENT * _ALIGNMENT
        limit = limit if limit >= LEAST_BYTES else 0
        with self._lock:
            self._place, self._limit = place, limit
            start = place * self._part // _WORD
            # After all that a reader may have seen, whatever the limit was; the ring begins at a multiple of it.
            position = max(_FIRST, self._words[start + _RESERVED]) + 2 * self._part
            self._position = self._begun = -(-position // max(1, limit)) * max(1, limit)
            self._words[start + _RESERVED] = self._position
            self._words[start + _INDEX // _WORD : start + _RING // _WORD] = memoryview(bytes(_RING - _INDEX)).cast("Q")
            self._words[start + _LIMIT] = limit
            self._on_use = lambda: cache.resize(whole - limit)
            if hasattr(mmap, "MADV_REMOVE") and self._part > _RING:
                self._map.madvise(mmap.MADV_REMOVE, place * self._part + _RING, self._part - _RING)
        process.current().replace(SharedChunks, (self,))

    def takes(self, nbytes: int) -> bool:
        """Return whether chunks of a size are kept.

        Args:
            nbytes: Of an unpacked chunk.

        Returns:
            Whether they are.
        """
        return 0 < nbytes * LARGEST_SHARE <= self._limit

    def find(self, key: Hashable, use: Callable[[memoryview], None]) -> bool:
        """Look a chunk up.

        Args:
            key: Names the chunk and its content; equal keys of several processes have equal ``repr``.
            use: Copies what is needed of its bytes, which may be anything if this returns False.

        Returns:
            Whether it was found.
        """
        name, row = _name_of(key)
        for place in range(self._count):
            start = place * self._part // _WORD
            first = start + (_INDEX + row * _WAYS * _ENTRY_WORDS * _WORD) // _WORD
            entries = self._words[first : first + _WAYS * _ENTRY_WORDS].tolist()
            for at in range(0, len(entries), _ENTRY_WORDS):
                if tuple(entries[at : at + 2]) == name and self._read(start, first + at, use):
                    return True
        return False

    def _read(self, start: int, entry: int, use: Callable[[memoryview], None]) -> bool:
        """Let a chunk be copied; return whether it was whole all the time."""
        seen = self._words[entry : entry + _ENTRY_WORDS].tolist()
        _, _, position, nbytes = seen
        limit = self._words[start + _LIMIT]
        if not limit or not 0 < nbytes <= limit or position % limit + nbytes > limit:
            return False
        at = start * _WORD + _RING + position % limit
        if not self._is_there(start, position):
            return False
        use(self._memory[at : at + nbytes])
        self._finish()
        return (
            self._is_there(start, position)
            and self._words[start + _LIMIT] == limit
            and self._words[entry : entry + _ENTRY_WORDS].tolist() == seen
        )

    def _finish(self) -> None:
        """Have all reads and writes before this done before those that follow it."""
        for _ in range(2):
            with self._lock:
                pass  # to take and to leave a lock is half a barrier each

    def _is_there(self, start: int, position: int) -> bool:
        return bool(self._words[start + _RESERVED] - position <= self._words[start + _LIMIT])

    def put(self, key: Hashable, nbytes: int, make: Callable[[], Any]) -> bool:
        """Keep a chunk.

        Args:
            key: As for ``find``.
            nbytes: Of the chunk.
            make: Returns its bytes, in any contiguous buffer. What it raises is raised here, and nothing is kept.

        Returns:
            Whether it was called; not where there is no room, or too many threads are writing.
        """
        with self._room(nbytes) as position:
            if position is None:
                return False
            at = self._place * self._part + _RING + position % self._limit
            # A system call: memory that is new need not be mapped page by page, which takes twice as long as copying.
            if not _is_written(self._descriptor, make(), at, nbytes):
                return True
            self._finish()
            name, row = _name_of(key)
            first = (self._place * self._part + _INDEX + row * _WAYS * _ENTRY_WORDS * _WORD) // _WORD
            with self._lock:
                ways = [first + way * _ENTRY_WORDS for way in range(_WAYS)]
                entry = min(ways, key=lambda each: self._words[each + 2])
                self._words[entry + 2] = 0
                self._words[entry], self._words[entry + 1] = name
                self._words[entry + 3] = nbytes
                self._words[entry + 2] = position
        return True

    @contextmanager
    def _room(self, nbytes: int) -> Iterator[int | None]:
        """Reserve room in the ring while the context lasts; yield its position, None where there is none."""
        with self._lock:
            position = self._position
            if self.takes(nbytes) and position % self._limit + nbytes > self._limit:
                position += self._limit - position % self._limit
            end = position + -(-nbytes // _ALIGNMENT) * _ALIGNMENT
            is_free = self.takes(nbytes) and all(end - each <= self._limit for each in self._being_written)
            on_use = self._on_use if is_free else None
            if is_free:
                self._being_written.add(position)
                self._position = self._words[self._place * self._part // _WORD + _RESERVED] = end
                self._on_use = None
        if on_use is not None:
            on_use()
        if not is_free:
            yield None
            return
        try:
            yield position
        finally:
            with self._lock:
                self._being_written.discard(position)


def _is_written(descriptor: int, data: Any, at: int, nbytes: int) -> bool:
    """Write bytes; return whether all were written, not where no memory is left."""
    try:
        return os.pwrite(descriptor, data, at) == nbytes
    except OSError:
        return False


def _name_of(key: Hashable) -> tuple[tuple[int, int], int]:
    """Return two words that stand for a key, and its row in the index."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    first, second = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
    return (first, second), second % _ROWS
