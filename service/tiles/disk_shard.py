"""One database of the tile cache on disk: opened, and made again when it is deleted, damaged or replaced.

Only a database that SQLite calls malformed or no database, or that another program has made, is given up, and even that
is renamed, not deleted. A full disk, a lock or missing permission leaves it alone, and it is opened again later.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.file_lock import file_lock
from lazytile.service.http.errors import CacheError
from lazytile.service.tiles.bytes_disk import BytesCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.core.quiet_log import QuietLog

LOG = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 2.0
"""How long a lookup may wait for another process's write before it counts as a miss."""
CHECK_S = 1.0
"""How often to look whether the file is still the one that is open."""
PAUSE_S = 1.0
"""Pause before the file is opened again after it could not be, doubled each time."""
LONGEST_PAUSE_S = 10.0
DATABASE = "cache.db"
"""As diskcache names it."""
DAMAGED_FOLDER = "damaged"
KEPT_DAMAGED = 2
"""Databases that are kept when others are set aside."""
PAGES_IN_MEMORY = 256
"""Of 4 KiB, of each connection; popular tiles are in the memory tier."""
_APPLICATION_ID = 0x4C5A5443
"""Of https://www.sqlite.org/pragma.html#pragma_application_id: LZTC."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_REOPENED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""Failures that stay with a connection after their cause has gone."""


class ForeignDatabaseError(CacheError):
    """The database is another program's."""


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    cache: Any
    stamp: tuple[int, int]
    """Device and inode of the file."""


class DiskShard:
    """One database. Blocking; each thread has a connection of its own."""

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        log: QuietLog,
        on_evicted: Callable[[int, int], object] | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: Folder of the database, in the tier's folder, in the folder of all caches.
            limit_bytes: Most bytes on disk; the oldest tiles go first.
            log: Where to report what happened to the files.
            on_evicted: As for ``BytesCache``.
        """
        self.folder = folder
        self._root = folder.parent.parent
        self._limit_bytes = limit_bytes
        self._log = log
        self._on_evicted = on_evicted
        self._lock = threading.RLock()
        self._local = threading.local()
        self._opened: _Opened | None = None
        self._damaged: tuple[int, int] | None = None
        """Stamp of a file that turned out to be damaged while it was open."""
        self._check_at = self._retry_at = 0.0
        self._pause_s = PAUSE_S
        self._reason: object = ""

    def use(self) -> Any:
        """Return the open database, for this thread.

        Returns:
            A ``diskcache.Cache``.

        Raises:
            CacheError: It cannot be opened at the moment.
        """
        opened = self._opened
        if opened is None or time.monotonic() >= self._check_at:
            opened = self._checked()
        mine = getattr(self._local, "cache", None)
        if mine is not opened.cache:
            if mine is not None:
                mine.close()
            self._local.cache = opened.cache
        return opened.cache

    def _checked(self) -> _Opened:
        """Return the database, opened if it is not, or is no longer the file of its name."""
        with self._lock:
            now = time.monotonic()
            if self._opened is not None:
                if now < self._check_at or self._stamp() == self._opened.stamp:
                    self._check_at = max(self._check_at, now + CHECK_S)
                    return self._opened
                self._log.warning("the tile cache in %s was deleted or replaced, it is opened anew", self.folder.parent)
                self._opened, self._retry_at = None, 0.0
            if now < self._retry_at:
                raise CacheError(f"the tile cache is closed: {self._reason}")
            try:
                self._opened = self._open_or_replace()
            except Exception as error:
                self._reason, self._retry_at = error, now + self._pause_s
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
                raise CacheError(f"the tile cache cannot be opened: {error}") from error
            self._pause_s, self._check_at, self._damaged = PAUSE_S, now + CHECK_S, None
            return self._opened

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = (self.folder / DATABASE).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open_or_replace(self) -> _Opened:
        for folder in (self._root, self.folder.parent, self.folder):
            make_private(folder)
        # Of several processes that start together, one creates the tables or sets a damaged file aside.
        with file_lock(self._root / f"{self.folder.parent.name}.lock", mode=0o600):
            if self._damaged is not None and self._stamp() == self._damaged:
                self._set_aside("it is malformed")
            try:
                return self._open()
            except Exception as error:
                if not is_damage(error):
                    raise
                self._set_aside(error)
            return self._open()

    def _set_aside(self, reason: object) -> None:
        """Rename the folder of a damaged database, and keep the last few of such. Raises ``OSError``."""
        place = self._root / DAMAGED_FOLDER
        make_private(place)
        target = place / f"{time.time_ns():020d}-{self.folder.name}"
        self.folder.rename(target)
        make_private(self.folder)
        LOG.warning("a database of the tile cache was set aside as %s, a new one replaces it: %s", target, reason)
        for old in sorted(place.iterdir())[:-KEPT_DAMAGED]:
            shutil.rmtree(old, ignore_errors=True)

    def _open(self) -> _Opened:
        self._mark()
        cache = BytesCache(
            str(self.folder),
            self._on_evicted,
            timeout=LOCK_TIMEOUT_S,
            size_limit=self._limit_bytes,
            # Popular tiles are in the memory tier; recording each use here would make every read a write.
            eviction_policy="least-recently-stored",
            cull_limit=20,
            tag_index=True,
            statistics=0,
            sqlite_cache_size=PAGES_IN_MEMORY,
            sqlite_mmap_size=0,  # a mapped file that is cut off kills the process that reads it
        )
        stamp = self._stamp()
        if stamp is None:
            cache.close()
            raise CacheError(f"{self.folder / DATABASE} was deleted while it was opened")
        return _Opened(cache, stamp)

    def _mark(self) -> None:
        """Check that the database is ours or new, and mark a new one. diskcache would fill another program's."""
        # diskcache leaves its connection open where a file is no database; this one is closed.
        with closing(sqlite3.connect(self.folder / DATABASE, timeout=LOCK_TIMEOUT_S)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            if mark == _APPLICATION_ID:
                return
            if tables or mark:
                raise ForeignDatabaseError("another program has made it")
            connection.execute("PRAGMA auto_vacuum = 1")  # only before the first page is written
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def failed(self, error: Exception) -> None:
        """Do what a failure calls for: replace a damaged database, open one again that has become unusable.

        Args:
            error: What a use of the database raised.
        """
        code = _code(error)
        with self._lock:
            opened = self._opened
            if opened is None or opened.cache is not getattr(self._local, "cache", None):
                return  # it was replaced meanwhile
            if code in _DAMAGE or (code == sqlite3.SQLITE_ERROR and is_damage(error)):
                self._damaged, self._opened = opened.stamp, None
            elif code in _REOPENED and time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + self._pause_s
                try:
                    self._opened = self._open()
                except Exception:  # noqa: BLE001 - the old connection may still read
                    self._opened = opened

    def close(self) -> None:
        """Close the calling thread's connection."""
        mine = getattr(self._local, "cache", None)
        opened = None if self._opened is None else self._opened.cache
        for cache in (mine, opened):
            if cache is not None:  # an empty cache is false
                cache.close()
        self._local.cache = None


def _code(error: BaseException) -> int | None:
    """Return SQLite's primary code of an error (https://www.sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: Exception) -> bool:
    """Return whether what is in a file is at fault, and not the disk, a lock or a permission.

    Args:
        error: What opening the database raised.

    Returns:
        True for what SQLite calls malformed or no database, for tables of another form, and for a foreign database.
    """
    if isinstance(error, ForeignDatabaseError):
        return True
    if isinstance(error, sqlite3.Error):
        # Code 1 is a statement that does not fit the tables; diskcache's own statements fit those that it made.
        return _code(error) in (*_DAMAGE, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA)
    return isinstance(error, KeyError | TypeError | ValueError | AttributeError | AssertionError)


def make_private(folder: Path) -> None:
    """Create a folder, and let only its owner open it.

    Args:
        folder: The folder.

    Raises:
        CacheError: It cannot be created, or is not ours.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise CacheError(f"the tile cache needs a folder of its own at {folder}: {error.strerror}") from error
