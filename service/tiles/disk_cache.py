"""The disk tier of the tile cache: databases of bytes under hashed keys, which only the owner can open.

A tile is believed only when its checksum fits its bytes and its key: a damaged database may also hand out another
tile's row.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import diskcache

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.service.tiles.disk_shard import DiskShard, make_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Result = TypeVar("Result")
LOG = logging.getLogger(__name__)

FOLDER = "tiles-2"
"""Below the cache folder. It holds nothing else."""
EARLIER_FOLDERS = ("tiles-1",)
"""Of earlier versions, whose checksums do not cover the key."""
FORGET_S = 60.0
"""A failure that has not been seen again for this time is over: there may be nothing more to write."""
SHARDS = 4
CRC_BYTES = 4
PROBE = "0" * 64
"""A key that no tile has."""


class DiskTier:
    """Encoded tiles on disk, bounded in bytes, shared by processes. Blocking: call it from a thread.

    Failures of the files raise nothing: a tile that cannot be read is a miss, one that cannot be written is dropped.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        on_failure: Callable[[], object] | None = None,
        on_evicted: Callable[[int, int], object] | None = None,
    ) -> None:
        """Open or create the cache. What cannot be opened now, as on a full disk, is opened later.

        Args:
            folder: Folder of all caches.
            limit_bytes: Most bytes on disk; the oldest tiles go first.
            on_failure: Called, in any thread, on each failure of the files.
            on_evicted: Called, in any thread, with the number of tiles evicted to make room, and their bytes.

        Raises:
            CacheError: The folder cannot be made private.
        """
        self.folder = folder / FOLDER
        self.errors = 0
        """Failures of the files so far."""
        self._on_failure = on_failure
        self._failing: dict[str, float] = {}
        """When each condition that stands was last seen, by its key."""
        self._lock = threading.Lock()
        make_private(folder)
        for name in EARLIER_FOLDERS:
            if (folder / name).is_dir():
                LOG.info("the tile cache %s of an earlier version is deleted", folder / name)
                shutil.rmtree(folder / name, ignore_errors=True)
        log = QuietLog(LOG)
        self._shards = [
            DiskShard(self.folder / f"{number:03d}", limit_bytes // SHARDS, log, on_evicted) for number in range(SHARDS)
        ]
        for shard in self._shards:
            self._attempt(shard, "opening", lambda _: None)

    def _attempt(self, shard: DiskShard, action: str, work: Callable[[Any], Result]) -> Result | None:
        """Do something with the open database; None where it fails, which is counted, logged and reported."""
        opening = f"tile cache {shard.folder.name}"
        key = opening
        try:
            cache = shard.use()
            key = f"{opening}, {action}"
            result = work(cache)
        except Exception as raised:  # noqa: BLE001 - whatever is in the files, no request fails for it
            error = _failure_of(raised)
            if error is None:
                return None  # another process has held the lock for long: a miss, or a tile that is not kept
            shard.failed(error)
            self._failed(error)
            with self._lock:
                self._failing[key] = time.monotonic()
            Conditions.current().report(key, str(error), ready=True)
            return None
        if self._failing:
            self._succeeded(opening, key)
        return result

    def _succeeded(self, *keys: str) -> None:
        """Clear the conditions of these keys, and those that have not been seen again for long."""
        now = time.monotonic()
        with self._lock:
            cleared = [key for key, seen in self._failing.items() if key in keys or now - seen > FORGET_S]
            for key in cleared:
                del self._failing[key]
        for key in cleared:
            Conditions.current().clear(key)

    def _failed(self, reason: object) -> None:
        self.errors += 1
        if self._on_failure is not None:
            self._on_failure()
        if self.errors & (self.errors - 1) == 0:  # the 1st, 2nd, 4th, 8th ... so that a dead disk does not fill the log
            LOG.warning("tile cache in %s, failure %d: %s", self.folder, self.errors, reason)

    def _shard_of(self, key: str) -> DiskShard:
        return self._shards[zlib.crc32(key.encode()) % SHARDS]

    def get(self, key: str) -> bytes | None:
        """Return a tile. One whose checksum is wrong is deleted.

        Args:
            key: Its key.

        Returns:
            The tile; None where there is none.
        """

        def read(cache: Any) -> bytes | None:
            stored = cache.get(key)
            if stored is None:
                return None
            data: bytes = stored[CRC_BYTES:]
            if _checksum(key, data) == stored[:CRC_BYTES]:
                return data
            self._failed("a tile has a wrong checksum")
            cache.delete(key)
            return None

        return self._attempt(self._shard_of(key), "reading", read)

    @property
    def shard_count(self) -> int:
        """Number of databases."""
        return len(self._shards)

    def read(self, number: int, work: Callable[[Any], Result]) -> Result | None:
        """Read something else than a tile from a database.

        Args:
            number: Of the database.
            work: Takes the open ``diskcache.Cache``.

        Returns:
            What it returns; None where the database cannot be read.
        """
        return self._attempt(self._shards[number], "reading", work)

    def put(self, tiles: Mapping[str, bytes], tag: str) -> None:
        """Write tiles.

        Args:
            tiles: Tiles by key.
            tag: Names the generation that they belong to.
        """
        for key, data in tiles.items():
            stored = _checksum(key, data) + data
            self._attempt(self._shard_of(key), "writing", partial(_set, key=key, value=stored, tag=tag))

    def drop(self, tag: str) -> int:
        """Delete every tile of a generation.

        Args:
            tag: Names the generation; tags that go on after it with a ``|`` belong to it.

        Returns:
            Number of tiles deleted.
        """
        return self.drop_where(lambda found: found == tag or found.startswith(f"{tag}|"))

    def drop_where(self, is_dead: Callable[[str], bool]) -> int:
        """Delete every tile with some tags.

        Args:
            is_dead: Whether to delete the tiles with a tag.

        Returns:
            Number of tiles deleted.
        """

        def drop(cache: Any) -> int:
            # diskcache has no look-up by the beginning of a tag; there is an index.
            rows = cache._sql("SELECT DISTINCT tag FROM Cache").fetchall()  # noqa: SLF001
            return sum(int(cache.evict(tag)) for (tag,) in rows if is_dead(tag or ""))

        return sum(self._attempt(shard, "writing", drop) or 0 for shard in self._shards)

    @property
    def is_failing(self) -> bool:
        """Whether a condition stands."""
        return bool(self._failing)

    def recheck(self) -> None:
        """Read and write in each database that has failed: there may be no other use that shows that it works again."""
        for shard in self._shards:
            if any(key.startswith(f"tile cache {shard.folder.name}") for key in tuple(self._failing)):
                self._attempt(shard, "reading", lambda cache: cache.get(PROBE))
                self._attempt(shard, "writing", lambda cache: cache.set(PROBE, _checksum(PROBE, b""), tag="probe"))

    def close(self) -> None:
        """Close the calling thread's connections."""
        for shard in self._shards:
            shard.close()


def _failure_of(raised: Exception) -> Exception | None:
    """Return what went wrong in the files; None for a lock that another process holds.

    diskcache raises ``Timeout`` whatever keeps a transaction from beginning, a disk that became read-only too.
    """
    if not isinstance(raised, diskcache.Timeout):
        return raised
    cause = raised.__context__
    if not isinstance(cause, sqlite3.Error):
        return None
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF
    return None if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else cause


def _set(cache: Any, key: str, value: bytes, tag: str) -> None:
    cache.set(key, value, tag=tag)


def _checksum(key: str, data: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(key.encode())).to_bytes(CRC_BYTES)
