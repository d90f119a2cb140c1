"""Values that many tasks share, sent once to each worker and by their hash from then on.

A task names a palette and a tile matrix set, which take nine tenths of its pickled bytes and are the same for thousands
of tasks. They are pickled apart, under the hash of their bytes (``pickle`` calls such references persistent ids). A
worker keeps the values that it has received, as many as fit; it asks for one that it does not have, and the task comes
again with its values.
"""

from __future__ import annotations

import io
import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUES = 512
"""Most values that a server remembers as pickled and a worker as values."""
MAX_BYTES = 32 << 20
"""Most bytes of them, as pickled."""


class UnknownValueError(EngineError):
    """A task refers to a value that this process does not have."""


@dataclass(frozen=True, slots=True)
class PickledTask:
    """A task as it travels."""

    data: bytes
    """With references to the shared values."""
    values: dict[str, bytes]
    """The pickled values by hash, for a worker that does not have them."""


class _Bounded:
    """The most recently used values by key, as many as the limits allow."""

    def __init__(self) -> None:
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Any) -> Any:
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: Any, value: Any, size: int) -> None:
        _, before = self._held.pop(key, (None, 0))
        self._held[key] = (value, size)
        self._bytes += size - before
        while len(self._held) > 1 and (len(self._held) > MAX_VALUES or self._bytes > MAX_BYTES):
            _, (_, dropped) = self._held.popitem(last=False)
            self._bytes -= dropped


@dataclass(frozen=True, slots=True)
class _Sent:
    value: Any
    """Held, so that no other object gets its identity."""
    digest: str
    data: bytes


class TaskPickler:
    """Pickles tasks. Belongs to one thread."""

    def __init__(self, shared: tuple[type, ...]) -> None:
        """Make a pickler.

        Args:
            shared: Classes whose values travel by hash. The values never change.
        """
        self._shared = frozenset(shared)
        self._sent = _Bounded()

    def pickled(self, task: Any) -> PickledTask:
        """Pickle a task.

        Args:
            task: The task.

        Returns:
            Its bytes, and those of the shared values in it.
        """
        values: dict[str, bytes] = {}
        shared, sent = self._shared, self._sent_value

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: Any) -> str | None:
                if type(value) not in shared:
                    return None
                each = sent(value)
                values[each.digest] = each.data
                return each.digest

        buffer = io.BytesIO()
        Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(task)
        return PickledTask(buffer.getvalue(), values)

    def _sent_value(self, value: Any) -> _Sent:
        found: _Sent | None = self._sent.get(id(value))
        if found is None or found.value is not value:
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            found = _Sent(value, _digest(data), data)
            self._sent.put(id(value), found, len(data))
        return found


class _KnownValues:
    """The values that a worker process has received. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values = _Bounded()

    def add(self, digest: str, data: bytes) -> None:
        if _digest(data) != digest:
            raise EngineError(f"a shared value arrived with the wrong hash {digest}")
        value = pickle.loads(data)  # noqa: S301 - from our server
        with self._lock:
            self._values.put(digest, value, len(data))

    def get(self, digest: str) -> Any:
        with self._lock:
            value = self._values.get(digest)
        if value is None:
            raise UnknownValueError(f"this worker does not have the value {digest}")
        return value


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, digest: Any) -> Any:
        return _known().get(digest)


def _known() -> _KnownValues:
    return process.current().resource("shared values", _KnownValues)


def keep_values(values: Mapping[str, bytes]) -> None:
    """Keep shared values on a worker.

    Args:
        values: Pickled values by hash.

    Raises:
        EngineError: A value does not have its hash.
    """
    for digest, data in values.items():
        _known().add(digest, data)


def unpickled(data: bytes) -> Any:
    """Return a task on a worker.

    Args:
        data: As ``PickledTask`` has it.

    Returns:
        The task.

    Raises:
        UnknownValueError: This process does not have a value of it.
    """
    return _Unpickler(io.BytesIO(data)).load()


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
