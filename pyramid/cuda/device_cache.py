"""What lies on the GPU: chunks, tables and palettes by key, the least recently used ones dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from lazytile.pyramid.cuda.device import DeviceArray


@dataclass(slots=True, eq=False)
class Upload:
    """An array on its way to the GPU, or there already."""

    key: Hashable
    host: NDArray[Any]
    """Keeps the identity of a table, which is its key, from being used again; of a chunk, an empty array once there."""
    nbytes: int
    is_chunk: bool
    offset: int = 0
    """In the slab that carries it."""
    array: DeviceArray | None = None
    """Where it is on the GPU; None until its batch is launched."""
    error: BaseException | None = None
    """Why it never came there."""

    @property
    def address(self) -> int:
        """Address on the GPU.

        Raises:
            BaseException: What stopped the batch that carried it.
        """
        if self.array is None:
            assert self.error is not None
            raise self.error
        return self.array.address


@dataclass(slots=True)
class CacheCounts:
    """What a cache of the GPU has done."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


class DeviceCache:
    """A least-recently-used cache bounded by bytes, with what is under way. Thread-safe.

    What a batch in flight uses stays allocated, as the batch refers to it, whether or not the cache still does.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.counts = CacheCounts()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Upload] = OrderedDict()
        self._bytes = 0

    @property
    def used_bytes(self) -> int:
        """Bytes of all entries."""
        return self._bytes

    def get(self, key: Hashable) -> Upload | None:
        """Return what lies under a key, on the GPU or on its way there.

        Args:
            key: The key.

        Returns:
            The entry, or None.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self.counts.misses += 1
                return None
            self.counts.hits += 1
            self._entries.move_to_end(key)
            return entry

    def add(self, entry: Upload) -> None:
        """Add what is on its way; drop old entries where there is no room.

        Args:
            entry: The entry.
        """
        with self._lock:
            self._remove(entry.key)
            self._entries[entry.key] = entry
            self._bytes += entry.nbytes
            while self._bytes > self.limit_bytes and len(self._entries) > 1:
                self._remove(next(iter(self._entries)))
                self.counts.evictions += 1

    def discard(self, entry: Upload) -> None:
        """Remove an entry, unless another one has taken its key.

        Args:
            entry: The entry.
        """
        with self._lock:
            if self._entries.get(entry.key) is entry:
                self._remove(entry.key)

    def shed(self) -> None:
        """Drop every entry that is on the GPU: its memory is needed."""
        with self._lock:
            for key in [key for key, entry in self._entries.items() if entry.array is not None]:
                self._remove(key)
                self.counts.evictions += 1

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.nbytes


@dataclass(slots=True, eq=False)
class Uploads:
    """What one job needs on the GPU, by the identity of the host array or by position."""

    tables: dict[int, Upload] = field(default_factory=dict)
    chunks: list[Upload] = field(default_factory=list)

    def table_address(self, array: NDArray[Any]) -> int:
        """Return the address of a table on the GPU.

        Args:
            array: The table on the host.

        Returns:
            The address.
        """
        return self.tables[id(array)].address
