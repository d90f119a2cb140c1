"""The disk tier of the tile cache: diskcache with everything but bytes shut out.

diskcache pickles keys and values that are no plain SQLite types, and unpickles whatever it finds
(CVE-2025-69872): who can write the folder could run code in the server. Here keys are hexadecimal strings and values
are bytes, the folder is for its owner alone, and both directions of pickle raise.
"""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

from lazytile.pyramid.core.file_lock import file_lock
from lazytile.service.http.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOG = logging.getLogger(__name__)

FOLDER = "tiles-1"
"""Below the cache folder. All that is in it is ours, so that a damaged one may be thrown away."""
SHARDS = 4
LOCK_TIMEOUT_S = 2.0
"""How long a look-up may wait for another process's write before it counts as a miss."""
MIN_FILE_BYTES = 64 << 10
"""Smaller tiles, which is nearly all, lie in the database: one read instead of two, and no half-written file."""
CRC_BYTES = 4
_KEY = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")


class BytesDisk(diskcache.Disk):  # type: ignore[misc] # diskcache is untyped
    """Stores bytes under hexadecimal keys and refuses anything else, reading as well as writing."""

    def put(self, key: Any) -> tuple[str, bool]:
        """Return a key as it is stored. Raises ``CacheError`` for anything but 64 hexadecimal digits."""
        if type(key) is not str or not _KEY.fullmatch(key):
            raise CacheError(f"a cache key is 64 hexadecimal digits, got {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        """Return a stored key. Raises ``CacheError`` for one that would have to be unpickled."""
        if raw != 1 or type(key) is not str:
            raise CacheError("the cache holds a key that we did not write")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        """Store bytes. Raises ``CacheError`` for any other type."""
        if type(value) is not bytes or read:
            raise CacheError(f"the cache holds bytes only, got {type(value).__name__}")
        return super().store(value, read, key)

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        """Return stored bytes. Raises ``CacheError`` for what is pickled, text, or a file outside the cache."""
        if mode == MODE_RAW and type(value) is bytes and not read:
            return value
        if mode == MODE_BINARY and type(filename) is str and _FILE.fullmatch(filename) and not read:
            return Path(self._directory, filename).read_bytes()
        raise CacheError("the cache holds a value that we did not write")


class DiskTier:
    """Encoded tiles on disk, bounded in bytes, shared by processes. Blocking: call it from a thread.

    Nothing that is wrong with the files raises: a tile that cannot be had is a miss, one that cannot be kept is lost.
    """

    def __init__(self, folder: Path, limit_bytes: int, on_failure: Callable[[], object] | None = None) -> None:
        """Open or make the cache. Raises ``CacheError`` where the folder cannot be ours.

        ``on_failure`` is called, in whatever thread, each time the files fail us.
        """
        self.folder = folder / FOLDER
        self.errors = 0
        """How often the files failed us."""
        self._limit_bytes = limit_bytes
        self._on_failure = on_failure
        _make_private(folder)
        _make_private(self.folder)
        self._cache = self._open_or_replace()

    def _open_or_replace(self) -> Any:
        # Of several processes that start together one makes the tables.
        with file_lock(self.folder.parent / f"{FOLDER}.lock", mode=0o600):
            try:
                return self._open()
            except Exception as error:  # noqa: BLE001 - whatever is in the files, the remedy is the same
                LOG.warning("the tile cache in %s is damaged and is begun anew: %s", self.folder, error)
            try:
                shutil.rmtree(self.folder)
                _make_private(self.folder)
                return self._open()
            except (OSError, sqlite3.Error) as error:
                raise CacheError(f"no tile cache can be kept in {self.folder}: {error}") from error

    def _open(self) -> Any:
        # diskcache leaves its connection open where a file turns out to be no database: looked at first, ours closes.
        for path in self.folder.glob("*/cache.db"):
            with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return diskcache.FanoutCache(
            str(self.folder),
            shards=SHARDS,
            timeout=LOCK_TIMEOUT_S,
            disk=BytesDisk,
            size_limit=self._limit_bytes,
            disk_min_file_size=MIN_FILE_BYTES,
            # The memory tier knows what is popular; marking each use here would make every read a write.
            eviction_policy="least-recently-stored",
            cull_limit=20,
            tag_index=True,
            statistics=0,
        )

    def get(self, key: str) -> bytes | None:
        """Return a tile or None. One whose checksum is wrong is a miss and is deleted."""
        try:
            stored = self._cache.get(key)
            if stored is None:
                return None
            data: bytes = stored[CRC_BYTES:]
            if zlib.crc32(data).to_bytes(CRC_BYTES) == stored[:CRC_BYTES]:
                return data
            self._cache.delete(key)
            self._failed("a tile has a wrong checksum")
        except (CacheError, sqlite3.Error, OSError, diskcache.Timeout) as error:
            self._failed(error)
        return None

    def put(self, tiles: Mapping[str, bytes], tag: str) -> None:
        """Keep tiles under their keys; ``tag`` names the generation that they belong to."""
        try:
            for key, data in tiles.items():
                self._cache.set(key, zlib.crc32(data).to_bytes(CRC_BYTES) + data, tag=tag)
        except (CacheError, sqlite3.Error, OSError, diskcache.Timeout) as error:
            self._failed(error)

    def drop(self, tag: str) -> int:
        """Delete every tile of a generation; returns how many there were."""
        try:
            return int(self._cache.evict(tag))
        except (CacheError, sqlite3.Error, OSError, diskcache.Timeout) as error:
            self._failed(error)
            return 0

    def close(self) -> None:
        """Close the calling thread's connections."""
        self._cache.close()

    def _failed(self, reason: object) -> None:
        self.errors += 1
        if self._on_failure is not None:
            self._on_failure()
        if self.errors & (self.errors - 1) == 0:  # the 1st, 2nd, 4th, 8th ... so that a dead disk does not fill the log
            LOG.warning("tile cache in %s, failure %d: %s", self.folder, self.errors, reason)


def _make_private(folder: Path) -> None:
    """Make a folder, or one that is there, its owner's alone. Raises ``CacheError``."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise CacheError(f"the tile cache needs a folder of its own at {folder}: {error.strerror}") from error
