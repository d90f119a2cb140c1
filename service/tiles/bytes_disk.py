"""diskcache, limited to bytes.

diskcache pickles keys and values that are not plain SQLite types, and unpickles whatever it finds (CVE-2025-69872):
anybody who can write to the folder could run code in the server. Here keys are hexadecimal strings, values are bytes in
the database, and both directions of pickle raise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import diskcache
from diskcache.core import MODE_RAW, UNKNOWN

from lazytile.service.http.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = re.compile(r"[0-9a-f]{64}")
_DELETION = "DELETE FROM Cache"
_COUNT = "SELECT count(*), ifnull(sum(length(value)), 0) FROM Cache"


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
        """Return bytes as a row holds them.

        Args:
            value: The bytes.
            read: Whether ``value`` is a file; never here.
            key: The key.

        Returns:
            The columns of the row, as diskcache wants them. No value is in a file of its own: a full disk would leave a
            part of it behind, and a read would be two.

        Raises:
            CacheError: The value is not bytes.
        """
        del key
        if type(value) is not bytes or read:
            raise CacheError(f"the cache holds bytes only, got {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        """Return stored bytes.

        Args:
            mode: How diskcache stored the value.
            filename: The file that holds it; never here.
            value: The value in the database.
            read: Whether to return an open file; never here.

        Returns:
            The bytes.

        Raises:
            CacheError: The value is pickled, text, or in a file.
        """
        if mode == MODE_RAW and filename is None and type(value) is bytes and not read:
            return value
        raise CacheError("the cache holds a value that we did not write")


class BytesCache(diskcache.Cache):  # type: ignore[misc] # diskcache is untyped
    """A ``diskcache.Cache`` of bytes that says what it evicts."""

    def __init__(self, folder: str, on_evicted: Callable[[int, int], object] | None, **options: Any) -> None:
        """Open the cache.

        Args:
            folder: Its folder.
            on_evicted: Called with the number of values evicted to make room, and their bytes.
            options: As for ``diskcache.Cache``.
        """
        self._on_evicted = on_evicted
        super().__init__(folder, disk=BytesDisk, **options)

    def _cull(self, now: float, sql: Callable[..., Any], cleanup: Callable[..., Any], limit: int | None = None) -> None:
        """Evict what is oldest; diskcache calls it within the transaction that stores a value."""
        evicted = [0, 0]

        def counting(statement: str, *arguments: Any) -> Any:
            if statement.startswith(_DELETION):
                ((count, size),) = sql(_COUNT + statement.removeprefix(_DELETION), *arguments).fetchall()
                evicted[0] += count
                evicted[1] += size
            return sql(statement, *arguments)

        super()._cull(now, counting, cleanup, limit)
        if evicted[0] and self._on_evicted is not None:
            self._on_evicted(*evicted)
