"""Reading chunks of immutable objects, with an optional cache in a bounded folder of this machine in front."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.pyramid.storage.options import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.storage.object_path import ObjectPath

LOG = logging.getLogger(__name__)
_CRC_BYTES = 4
_KEPT = 0.9
"""Part of the limit that stays when the oldest files are removed."""


def cached_object(path: ObjectPath, limit: int, *, fresh: bool = False) -> bytes | None:
    """Return the content of an object that never changes.

    Args:
        path: Of the object.
        limit: Most bytes that are accepted.
        fresh: Whether to drop a copy in the cache, and read past it.

    Returns:
        The content; None where there is no such object.

    Raises:
        ObjectTooLargeError: It has more bytes.
        StorageError: It cannot be read.
    """

    def fetch() -> bytes | None:
        found = path.storage.get(path.key, limit)
        return None if found is None else found.data

    return _through_cache(str(path), fetch, fresh=fresh)


def cached_range(path: ObjectPath, start: int, stop: int, *, fresh: bool = False) -> bytes | None:
    """Return a part of an object that never changes.

    Args:
        path: Of the object.
        start: First byte.
        stop: The byte after the last.
        fresh: As for ``cached_object``.

    Returns:
        The part; None where there is no such object.

    Raises:
        StorageError: It cannot be read.
    """

    def fetch() -> bytes | None:
        found = path.storage.get_ranges(path.key, [(start, stop)])
        return None if found is None else found[0]

    return _through_cache(f"{path}#{start}-{stop}", fetch, fresh=fresh)


def _through_cache(name: str, fetch: Callable[[], bytes | None], *, fresh: bool) -> bytes | None:
    cache = ChunkCache.current()
    if cache is None:
        return fetch()
    if fresh:
        cache.discard(name)
        return fetch()
    data = cache.get(name)
    if data is None:
        data = fetch()
        if data is not None:
            cache.put(name, data)
    return data


class ChunkCache:
    """Files named by the hash of what they hold a copy of; each begins with its CRC-32. Thread-safe.

    Several processes may share the folder. Each counts what it writes and looks at the whole folder before it exceeds
    the limit, so together they may exceed it by what each has written since: a tenth of the limit at most.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Use a folder.

        Args:
            folder: It need not exist yet.
            limit_bytes: Of all its files together.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._room = 0
        """Bytes that may be written before the folder is looked at again."""

    @staticmethod
    def current() -> ChunkCache | None:
        """Return the cache of this process; None where none is set."""
        options = StorageOptions.current()
        if options.cache is None:
            return None
        folder, limit = options.cache, options.cache_bytes
        return process.current().resource(ChunkCache, lambda: ChunkCache(folder, limit))

    def get(self, name: str) -> bytes | None:
        """Return a copy.

        Args:
            name: Of what it is a copy of.

        Returns:
            The content; None where there is none, or it is damaged.
        """
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        content = data[_CRC_BYTES:]
        if len(data) < _CRC_BYTES or zlib.crc32(content).to_bytes(_CRC_BYTES, "little") != data[:_CRC_BYTES]:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # the least recently used go first
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep a copy, if there is room; a disk that is full or read-only is no error.

        Args:
            name: Of what it is a copy of.
            content: The content.
        """
        size = len(content) + _CRC_BYTES
        path = self._path(name)
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        try:
            if not self._make_room(size):
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(zlib.crc32(content).to_bytes(_CRC_BYTES, "little") + content)
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            log = process.current().resource("log of the chunk cache", lambda: QuietLog(LOG))
            log.warning("chunks are not cached in %s: %s", self._folder, error.strerror)

    def discard(self, name: str) -> None:
        """Remove a copy, if there is one.

        Args:
            name: Of what it is a copy of.
        """
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / digest[:2] / digest[2:]

    def _make_room(self, size: int) -> bool:
        """Count bytes that are to be written; remove the oldest files where they would exceed the limit."""
        if size > self._limit_bytes * (1 - _KEPT):
            return False
        with self._lock:
            if size > self._room:
                self._room = self._limit_bytes - self._shrink()
                # Others write too: look again after a tenth of the limit.
                self._room = min(self._room, int(self._limit_bytes * (1 - _KEPT)))
            if size > self._room:
                return False
            self._room -= size
        return True

    def _shrink(self) -> int:
        """Remove the oldest files where all of them exceed what is kept; return the bytes of the others."""
        found: list[tuple[float, int, str]] = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with suppress(OSError):
                    status = Path(folder, name).stat()
                    found.append((status.st_mtime, status.st_size, f"{folder}/{name}"))
        used, kept = sum(size for _, size, _ in found), int(self._limit_bytes * _KEPT)
        for _, size, path in sorted(found):
            if used <= kept:
                break
            with suppress(OSError):
                Path(path).unlink()
            used -= size
        return used
