"""The caches of a process: named shares of one number of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.byte_lru import BytesLru

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.core.byte_lru import CacheStatistics

ENTRY_BYTES = 400
"""Memory of an entry besides its value: key, dictionary entry, object headers."""


@dataclass(frozen=True, slots=True)
class Share:
    """One cache, and its share of the memory in thousandths."""

    name: str
    front: int
    """Part of the server process where Dask workers render."""
    worker: int
    """Part of the processes that render. A process that does both has the sum."""
    summary: str
    """What it holds."""


SHARES = (
    Share("tiles", 340, 0, "encoded tiles"),
    Share("requests", 20, 0, "resolved addresses of tiles"),
    Share("documents", 50, 0, "capabilities and their parts, compressed texts"),
    Share("layers", 50, 0, "time axes, positions of labels and tile limits of layers"),
    Share("styles", 30, 0, "parsed colormaps, and palettes compiled for a layer"),
    Share("chunks", 40, 240, "decoded chunks"),
    Share("digests", 0, 10, "checksums of chunks"),
    Share("values", 10, 70, "values of tiles, which speed up a second style"),
    Share("maps", 10, 70, "positions of pixels in the data: axes and meshes"),
    Share("tables", 10, 30, "palette indices by code, and the empty tile of each style"),
    Share("memos", 10, 10, "small results that many tiles need, such as the unit of a CRS"),
)
_BY_NAME = {share.name: share for share in SHARES}
_SERVICE_ONLY = frozenset({"tiles", "requests", "documents"})


@dataclass(frozen=True, slots=True)
class CacheBudget:
    """How much memory the caches of one or more processes take, and how it is divided among them."""

    memory_bytes: int
    parts: tuple[tuple[str, int], ...]
    """Name and weight of each cache in use; the others have no memory."""

    @classmethod
    def server(cls, memory_bytes: int) -> CacheBudget:
        """Return the budget of a server that renders in its own process.

        Args:
            memory_bytes: Memory of all caches.

        Returns:
            The budget, with every cache in use.
        """
        return cls(memory_bytes, tuple((share.name, share.front + share.worker) for share in SHARES))

    @classmethod
    def renderer(cls, memory_bytes: int) -> CacheBudget:
        """Return the budget of a process that renders but has no clients: a Python program, an export.

        Args:
            memory_bytes: Memory of all caches.

        Returns:
            The budget, without the caches of a service.
        """
        return cls.server(memory_bytes).without(*_SERVICE_ONLY)

    def without(self, *names: str) -> CacheBudget:
        """Return a budget in which some caches are off and the others share their memory.

        Args:
            names: Caches to switch off.

        Returns:
            The budget of the remaining caches.
        """
        return CacheBudget(self.memory_bytes, tuple(part for part in self.parts if part[0] not in names))

    def front(self) -> CacheBudget:
        """Return the budget of a server process whose workers have memory of their own.

        Returns:
            The same memory, divided as a server process without rendering needs it.
        """
        return CacheBudget(self.memory_bytes, self._weights("front"))

    def split(self) -> tuple[CacheBudget, CacheBudget]:
        """Divide the memory between a server process and its Dask workers.

        Returns:
            The budgets of the server process and of all workers together.
        """
        front, worker = self._weights("front"), self._weights("worker")
        total = sum(weight for _, weight in (*front, *worker))
        front_bytes = self.memory_bytes * sum(weight for _, weight in front) // max(1, total)
        return CacheBudget(front_bytes, front), CacheBudget(self.memory_bytes - front_bytes, worker)

    def divided(self, processes: int) -> CacheBudget:
        """Return the budget of each of several equal processes.

        Args:
            processes: How many there are.

        Returns:
            The budget of one.
        """
        return CacheBudget(self.memory_bytes // processes, self.parts)

    def limits(self) -> dict[str, int]:
        """Return the limit of every cache.

        Returns:
            Bytes by name of the cache. Their sum is ``memory_bytes`` where any cache is in use.
        """
        total = sum(weight for _, weight in self.parts)
        limits = dict.fromkeys(_BY_NAME, 0)
        limits.update((name, self.memory_bytes * weight // total) for name, weight in self.parts)
        if self.parts:
            limits[self.parts[0][0]] += self.memory_bytes - sum(limits.values())  # the remainder of the divisions
        return limits

    def _weights(self, side: str) -> tuple[tuple[str, int], ...]:
        weights = ((name, int(getattr(_BY_NAME[name], side))) for name, _ in self.parts)
        return tuple((name, weight) for name, weight in weights if weight)


class Caches:
    """The caches of one process. Each share is one ``BytesLru``, which several kinds of values may use."""

    def __init__(self, budget: CacheBudget) -> None:
        self._caches: dict[str, BytesLru[Any]] = {
            name: BytesLru(limit, _size_of) for name, limit in budget.limits().items()
        }

    def __getitem__(self, name: str) -> BytesLru[Any]:
        return self._caches[name]

    def allot(self, budget: CacheBudget) -> None:
        """Change the limits to those of another budget.

        Args:
            budget: The memory and its division.
        """
        for name, limit in budget.limits().items():
            self._caches[name].resize(limit)

    def statistics(self) -> Iterator[tuple[str, CacheStatistics]]:
        """Yield the name and the statistics of each cache.

        Yields:
            Name and statistics.
        """
        for name, cache in self._caches.items():
            yield name, cache.statistics


def _size_of(value: Any) -> int:
    """Return the bytes of a value: ``bytes``, or anything that states its size as ``nbytes``."""
    return ENTRY_BYTES + (len(value) if isinstance(value, bytes) else int(value.nbytes))
