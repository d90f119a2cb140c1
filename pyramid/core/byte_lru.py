"""A cache in memory that is bounded in bytes and makes each value once, however many ask for it at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")


class _Pending(Generic[Value]):
    """A value that one thread makes and others wait for. Costs a twentieth of a ``Future``."""

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
        with self._done:  # each waiter lets the next one in
            if self._error is not None:
                raise self._error
            return self._value


class BytesLru(Generic[Value]):
    """Least recently used values up to a number of bytes, shared by threads.

    A value larger than the whole limit is made and returned but not kept.
    """

    def __init__(self, limit_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_of
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._pending: dict[Hashable, _Pending[Value]] = {}
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the values kept now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of ``key``, made by ``make`` in one thread while others that want it wait.

        What ``make`` raises reaches everyone who waited, and nothing is kept.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            pending = self._pending.get(key)
            mine = pending is None
            if pending is None:
                pending = self._pending[key] = _Pending()
        if not mine:
            return pending.wait()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            pending.fail(error)
            raise
        with self._lock:
            del self._pending[key]
            self._keep(key, value)
        pending.succeed(value)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value that was made elsewhere."""
        with self._lock:
            if key not in self._values:
                self._keep(key, value)

    def peek(self, key: Hashable) -> Value | None:
        """Return the value of ``key`` if it is kept, as a use of it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        return None

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def _keep(self, key: Hashable, value: Value) -> None:
        size = self._size_of(value)
        if size > self._limit_bytes:
            return
        self._values[key] = value
        self._bytes += size
        while self._bytes > self._limit_bytes:
            _, dropped = self._values.popitem(last=False)
            self._bytes -= self._size_of(dropped)
