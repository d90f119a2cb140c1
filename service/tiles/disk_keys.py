"""Which tiles may be on disk: known in memory, so that a tile that is on no disk costs no look-up in a thread.

A filter over hashed keys (Bloom, Communications of the ACM 13, 1970, with a byte for a bit): it may take a tile for
stored that is not, never the other way round but for tiles that others have stored since it was last read. Each
database numbers its rows, so the new ones are found by their numbers, whoever wrote them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lazytile.service.tiles.disk_cache import DiskTier

CURRENT_NS = 250_000_000
"""How long what was read holds. A tile that another program stores meanwhile may be rendered once more."""
STEP = 500
"""Rows that are read at a time: what waits for the thread waits a millisecond."""
TILE_BYTES = 4096
SLOTS_PER_TILE = 8
"""With two slots a tile, one tile in twenty is then looked up in vain."""
FEWEST_SLOTS, MOST_SLOTS = 1 << 16, 1 << 23
_NOTHING: tuple[int, str, float] = (0, "", 0.0)


@dataclass(slots=True)
class _Progress:
    """How far a database has been read."""

    cache: Any = None
    """The database as it was open then: another one at its place has other rows."""
    newest: tuple[int, str, float] = _NOTHING
    """Number, key and time of the last row that was read. A row is deleted and its number used again only together."""
    next_key: str | None = ""
    """The keys that were there at first are read in their order, after this one; None: all are."""


class DiskKeys:
    """Keys that may be in a disk tier. ``absent_since`` may be called in any thread, ``refresh`` belongs to one."""

    def __init__(self, disk: DiskTier, limit_bytes: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Know nothing yet: every key may be there.

        Args:
            disk: The tier.
            limit_bytes: Its limit. The filter has up to 8 MiB, less than a hundredth of that.
            clock: Nanoseconds, as of ``time.monotonic_ns``.
        """
        self._disk = disk
        self._clock = clock
        wanted = limit_bytes // TILE_BYTES * SLOTS_PER_TILE
        self._count = 1 << max(min(wanted, MOST_SLOTS), FEWEST_SLOTS).bit_length() - 1
        self._slots = bytearray(self._count)
        self._filled = 0
        self._added = 0
        """Keys read since the filter was empty."""
        self._progress = [_Progress() for _ in range(disk.shard_count)]
        self._read_ns = 0
        """When the last reading began that found everything; 0 while something is missing."""
        self._tried_ns = -CURRENT_NS
        self._has_more = True

    def absent_since(self, key: str) -> int | None:
        """Return when a tile was not on disk.

        Args:
            key: Its key.

        Returns:
            The time, by the clock; None where it may be on disk, or nothing is known at the moment.
        """
        read_ns = self._read_ns
        if not read_ns or self._clock() - read_ns > CURRENT_NS:
            return None
        number = hash(key)
        slots, count = self._slots, self._count
        return None if slots[number % count] and slots[(number >> 32) % count] else read_ns

    def refresh(self) -> bool:
        """Read what is new, if it is time to. Blocks for a few steps at most, and raises nothing.

        Returns:
            Whether there is more to read, for which to call again.
        """
        began = self._clock()
        if not self._has_more and began - self._tried_ns <= CURRENT_NS:
            return False
        self._tried_ns = began
        if self._filled > self._count // 2 and self._added > 2 * self._count // SLOTS_PER_TILE:
            self._forget()
        states = [self._disk.read(number, self._reader_of(each)) for number, each in enumerate(self._progress)]
        self._read_ns = began if all(states) else 0
        self._has_more = False in states  # None is a database that cannot be read: it is tried again later
        return self._has_more

    def _forget(self) -> None:
        """Begin again: the filter is full of tiles that were deleted since."""
        self._read_ns = 0
        self._slots = bytearray(self._count)
        self._filled = self._added = 0
        self._progress = [_Progress() for _ in self._progress]

    def _reader_of(self, progress: _Progress) -> Callable[[Any], bool]:
        def read(cache: Any) -> bool:
            """Read a step; return whether everything was read."""
            if progress.cache is not cache:
                self._begin(progress, cache)
            if progress.next_key is not None:
                rows = cache._sql(  # noqa: SLF001 - diskcache has no reading of keys in pieces
                    "SELECT key FROM Cache WHERE key > ? ORDER BY key LIMIT ?", (progress.next_key, STEP)
                ).fetchall()
                self._add([key for (key,) in rows])
                progress.next_key = rows[-1][0] if len(rows) == STEP else None
                if progress.next_key is not None:
                    return False
            rows = cache._sql(  # noqa: SLF001
                "SELECT rowid, key, store_time FROM Cache WHERE rowid >= ? ORDER BY rowid LIMIT ?",
                (progress.newest[0], STEP),
            ).fetchall()
            if progress.newest is not _NOTHING:
                if not rows or tuple(rows[0]) != progress.newest:
                    self._begin(progress, cache)
                    return False
                rows = rows[1:]
            if rows:
                self._add([key for _, key, _ in rows])
                progress.newest = tuple(rows[-1])
            return len(rows) < STEP - 1

        return read

    @staticmethod
    def _begin(progress: _Progress, cache: Any) -> None:
        rows = cache._sql("SELECT rowid, key, store_time FROM Cache ORDER BY rowid DESC LIMIT 1").fetchall()  # noqa: SLF001
        progress.cache, progress.next_key = cache, ""
        progress.newest = tuple(rows[0]) if rows else _NOTHING

    def _add(self, keys: Sequence[str]) -> None:
        slots, count = self._slots, self._count
        for key in keys:
            number = hash(key)
            for slot in (number % count, (number >> 32) % count):
                if not slots[slot]:
                    slots[slot] = 1
                    self._filled += 1
        self._added += len(keys)
