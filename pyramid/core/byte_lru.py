"""A cache in memory that is bounded in bytes and computes each value once, however many threads request it.

It is a segmented LRU (Karedla, Love and Wherry, Caching strategies to improve disk system performance, 1994): values
that were used again are kept apart from those that were not, which are evicted first. Otherwise a client that never
asks for the same thing twice would evict what everybody else uses.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lazytile.pyramid.core.errors import NotComputedError
from lazytile.pyramid.core.stop_flag import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")

USED_SHARE = 0.8
"""Share of the limit that values take at most that were used again."""
RAW_SHARE = 0.25
"""Share of the limit that raw values keep where there is no room for all."""


class _Pending(Generic[Value]):
    """A value that one thread computes while others wait. Costs a twentieth of a ``Future``."""

    __slots__ = ("_done", "_error", "_value")

    def __init__(self) -> None:
        self._done = threading.Lock()
        self._done.acquire()
        self._error: BaseException | None = None

    def succeed(self, value: Value) -> None:
        self._value = value
        self._done.release()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.release()

    def wait(self) -> Value:
        with self._done:  # each waiting thread admits the next one
            if self._error is not None:
                raise self._error
            return self._value


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """The state of a cache and what happened to it since it was made."""

    limit_bytes: int
    size_bytes: int
    entries: int
    hits: int
    """Look-ups that found a value, or another thread computing it."""
    misses: int
    evictions: int
    """Values dropped to make room for others."""


class BytesLru(Generic[Value]):
    """The most recently used values up to a number of bytes, those used again before others. Thread-safe.

    A value larger than the limit is computed and returned but not stored. Raw values, from which others of the cache
    are made, make room first.
    """

    def __init__(self, limit_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_of
        self._new: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._used: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        """Values that were found at least once since they were stored."""
        self._used_bytes = 0
        self._raw: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._raw_bytes = 0
        self._pending: dict[Hashable, _Pending[Value]] = {}
        self._lock = threading.Lock()
        self._bytes = 0
        self._hits = self._misses = self._evictions = 0

    @property
    def statistics(self) -> CacheStatistics:
        """Size, limit and counters, all of one moment."""
        with self._lock:
            return CacheStatistics(
                self._limit_bytes,
                self._bytes,
                len(self._new) + len(self._used) + len(self._raw),
                self._hits,
                self._misses,
                self._evictions,
            )

    def get(self, key: Hashable, make: Callable[[], Value], *, raw: bool = False, waits: bool = True) -> Value:
        """Return the value of a key; compute it in one thread while others that request it wait.

        What ``make`` raises reaches every waiting thread, and nothing is stored. Where it was stopped, or its thread
        may not compute what it needs, one of the threads that wait computes the value instead.

        Args:
            key: Names the value.
            make: Computes the value where it is not in the cache.
            raw: Whether other values of this cache are made from it.
            waits: Whether to wait for a thread that computes it.

        Returns:
            The value.

        Raises:
            NotComputedError: Another thread computes it, and this one does not wait.
        """
        while True:
            with self._lock:
                found = self._find(key)
                if found is not None:
                    self._hits += 1
                    return found[0]
                pending = self._pending.get(key)
                if pending is None:
                    self._misses += 1
                    pending = self._pending[key] = _Pending()
                    break
                if not waits:
                    raise NotComputedError("another thread computes it")
                self._hits += 1
            try:
                return pending.wait()
            except (StoppedError, NotComputedError):
                continue  # that is about the other thread alone
        try:
            value = make()
            size = self._size_of(value)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            pending.fail(error)
            raise
        with self._lock:
            del self._pending[key]
            self._store(key, value, size, raw=raw)
        pending.succeed(value)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Store a value that was computed elsewhere, unless the key has one.

        Args:
            key: Names the value.
            value: The value.
        """
        size = self._size_of(value)
        with self._lock:
            self._store(key, value, size)

    def peek(self, key: Hashable, *, again: bool = False) -> Value | None:
        """Return the value of a key if it is stored, and mark it as used.

        Args:
            key: Names the value.
            again: Whether a miss of this look-up has been counted already.

        Returns:
            The value, or None.
        """
        with self._lock:
            found = self._find(key)
            if found is None:
                self._misses += not again
                return None
            self._hits += 1
            return found[0]

    def resize(self, limit_bytes: int) -> None:
        """Change the limit, and evict what no longer fits.

        Args:
            limit_bytes: The new limit.
        """
        with self._lock:
            self._limit_bytes = limit_bytes
            self._evict()

    def remove(self, key: Hashable) -> None:
        """Remove the value of a key; one that is not stored is ignored.

        Args:
            key: Names the value.
        """
        with self._lock:
            self._pop(key)

    def drop(self, is_dead: Callable[[Hashable], bool]) -> int:
        """Remove values by their keys.

        Args:
            is_dead: Whether to remove the value of a key.

        Returns:
            Number of values removed.
        """
        with self._lock:
            dead = [key for values in (self._new, self._used, self._raw) for key in values if is_dead(key)]
            for key in dead:
                self._pop(key)
            return len(dead)

    def clear(self) -> None:
        """Remove every value."""
        self.detach()

    def detach(self) -> tuple[OrderedDict[Hashable, tuple[Value, int]], ...]:
        """Remove every value, and return what holds them: to free a million of them takes long.

        Returns:
            Mappings, with each value under its key.
        """
        with self._lock:
            held = self._new, self._used, self._raw
            self._new, self._used, self._raw = OrderedDict(), OrderedDict(), OrderedDict()
            self._bytes = self._used_bytes = self._raw_bytes = 0
        return held

    def _find(self, key: Hashable) -> tuple[Value, int] | None:
        """Return a value with its size, and mark it as used."""
        found = self._used.get(key)
        if found is not None:
            self._used.move_to_end(key)
            return found
        found = self._new.pop(key, None)
        if found is None:
            found = self._raw.get(key)
            if found is not None:
                self._raw.move_to_end(key)
            return found
        self._used[key] = found
        self._used_bytes += found[1]
        while self._used_bytes > self._limit_bytes * USED_SHARE:
            other, entry = self._used.popitem(last=False)
            self._used_bytes -= entry[1]
            self._new[other] = entry
        return found

    def _pop(self, key: Hashable) -> None:
        found = self._new.pop(key, None)
        if found is None:
            found = self._used.pop(key, None)
            if found is not None:
                self._used_bytes -= found[1]
            else:
                found = self._raw.pop(key, None)
                if found is None:
                    return
                self._raw_bytes -= found[1]
        self._bytes -= found[1]

    def _store(self, key: Hashable, value: Value, size: int, *, raw: bool = False) -> None:
        if size > self._limit_bytes or key in self._new or key in self._used or key in self._raw:
            return
        if raw:
            self._raw[key] = (value, size)
            self._raw_bytes += size
        else:
            self._new[key] = (value, size)
        self._bytes += size
        self._evict()

    def _evict(self) -> None:
        while self._bytes > self._limit_bytes:
            if self._raw and (self._raw_bytes > self._limit_bytes * RAW_SHARE or not (self._new or self._used)):
                _, (_, size) = self._raw.popitem(last=False)
                self._raw_bytes -= size
            elif self._new:
                _, (_, size) = self._new.popitem(last=False)
            else:
                _, (_, size) = self._used.popitem(last=False)
                self._used_bytes -= size
            self._bytes -= size
            self._evictions += 1
