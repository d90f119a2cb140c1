"""The disk tier of the tile cache: diskcache, limited to bytes.

diskcache pickles keys and values that are not plain SQLite types, and unpickles whatever it finds (CVE-2025-69872):
anybody who can write to the folder could run code in the server. Here keys are hexadecimal strings, values are bytes,
only the owner can open the folder, and both directions of pickle raise.
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
"""Below the cache folder. It holds nothing else, so a damaged one may be deleted."""
SHARDS = 4
LOCK_TIMEOUT_S = 2.0
"""How long a lookup may wait for another process's write before it counts as a miss."""
MIN_FILE_BYTES = 64 << 10
"""Smaller tiles, which are nearly all, go into the database: one read instead of two, and no partial files."""
CRC_BYTES = 4
_KEY = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")


class BytesDisk(diskcache.Disk):  # type: ignore[misc] # diskcache is untyped
    """Stores bytes under hexadecimal keys and rejects anything else, when reading and when writing."""

    def put(self, key: Any) -> tuple[str, bool]:
        """Return a key as it is stored.

        Args:
            key: The key.

        Returns:
            The key, and that it is stored as it is.

        Raises:
            CacheError: The key is not 64 hexadecimal digits.
        """
        if type(key) is not str or not _KEY.fullmatch(key):
            raise CacheError(f"a cache key is 64 hexadecimal digits, got {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        """Return a stored key.

        Args:
            key: The key in the database.
            raw: 1 for a key that is not pickled.

        Returns:
            The key.

        Raises:
            CacheError: The key would have to be unpickled.
        """
        if raw != 1 or type(key) is not str:
            raise CacheError("the cache holds a key that we did not write")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        """Store bytes.

        Args:
            value: The bytes.
            read: Whether ``value`` is a file; never here.
            key: The key.

        Returns:
            The columns of the row, as diskcache wants them.

        Raises:
            CacheError: The value is not bytes.
        """
        if type(value) is not bytes or read:
            raise CacheError(f"the cache holds bytes only, got {type(value).__name__}")
        return super().store(value, read, key)

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        """Return stored bytes.

        Args:
            mode: How diskcache stored the value.
            filename: The file that holds it, None for one in the database.
            value: The value in the database.
            read: Whether to return an open file; never here.

        Returns:
            The bytes.

        Raises:
            CacheError: The value is pickled, text, or in a file outside the cache.
        """
        if mode == MODE_RAW and type(value) is bytes and not read:
            return value
        if mode == MODE_BINARY and type(filename) is str and _FILE.fullmatch(filename) and not read:
            return Path(self._directory, filename).read_bytes()
        raise CacheError("the cache holds a value that we did not write")


class DiskTier:
    """Encoded tiles on disk, bounded in bytes, shared by processes. Blocking: call it from a thread.

    Failures of the files raise nothing: a tile that cannot be read is a miss, one that cannot be written is dropped.
    """

    def __init__(self, folder: Path, limit_bytes: int, on_failure: Callable[[], object] | None = None) -> None:
        """Open or create the cache.

        Args:
            folder: Folder of all caches.
            limit_bytes: Most bytes on disk; the oldest tiles go first.
            on_failure: Called, in any thread, on each failure of the files.

        Raises:
            CacheError: The folder cannot be made private.
        """
        self.folder = folder / FOLDER
        self.errors = 0
        """Failures of the files so far."""
        self._limit_bytes = limit_bytes
        self._on_failure = on_failure
        _make_private(folder)
        _make_private(self.folder)
        self._cache = self._open_or_replace()

    def _open_or_replace(self) -> Any:
        # Of several processes that start together, one creates the tables.
        with file_lock(self.folder.parent / f"{FOLDER}.lock", mode=0o600):
            try:
                return self._open()
            except Exception as error:  # noqa: BLE001 - whatever is in the files, the remedy is the same
                LOG.warning("the tile cache in %s is damaged, a new one replaces it: %s", self.folder, error)
            try:
                shutil.rmtree(self.folder)
                _make_private(self.folder)
                return self._open()
            except (OSError, sqlite3.Error) as error:
                raise CacheError(f"no tile cache can be created in {self.folder}: {error}") from error

    def _open(self) -> Any:
        # diskcache leaves its connection open where a file is not a database; this one is closed.
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
            # Popular tiles are in the memory tier; recording each use here would make every read a write.
            eviction_policy="least-recently-stored",
            cull_limit=20,
            tag_index=True,
            statistics=0,
        )

    def get(self, key: str) -> bytes | None:
        """Return a tile. One whose checksum is wrong is deleted.

        Args:
            key: Its key.

        Returns:
            The tile; None where there is none.
        """
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
        """Write tiles.

        Args:
            tiles: Tiles by key.
            tag: Names the generation that they belong to.
        """
        try:
            for key, data in tiles.items():
                self._cache.set(key, zlib.crc32(data).to_bytes(CRC_BYTES) + data, tag=tag)
        except (CacheError, sqlite3.Error, OSError, diskcache.Timeout) as error:
            self._failed(error)

    def drop(self, tag: str) -> int:
        """Delete every tile of a generation.

        Args:
            tag: Names the generation.

        Returns:
            Number of tiles deleted.
        """
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
    """Create a folder, and let only its owner open it. Raises ``CacheError``."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise CacheError(f"the tile cache needs a folder of its own at {folder}: {error.strerror}") from error
