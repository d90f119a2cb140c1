"""The shared tier as a server process uses it: looking tiles up, keeping them after the reply, and taking turns.

Nothing here raises what happens in the shared place: it is a miss, a lost write, or a turn without a lease. Every
answer has a time limit, and after some failures in a row nothing is asked for a while.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.service.shared_cache.guarded_calls import GuardedCalls
from lazytile.service.shared_cache.opening import open_backend, place_of
from lazytile.service.shared_cache.sealed_value import HEAD_BYTES, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings
    from lazytile.service.shared_cache.backend import SharedBackend

PROBE = "0" * 64
"""A key that no tile has."""
WRITERS = 4
"""Writes at a time."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.2
"""How long to wait until a lease and its result are looked at again."""


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """Times and sizes."""

    timeout_s: float
    """Of each answer."""
    lease_s: float
    """How long a lease lasts, and how long anybody waits for one at most."""
    value_bytes: int
    """Of the largest tile that is kept."""
    waiting: int
    """Tasks whose tiles may wait to be written."""
    waiting_bytes: int
    """Bytes of all these tiles."""

    @classmethod
    def of(cls, settings: Settings) -> SharedLimits:
        """Return the limits that settings describe.

        Args:
            settings: The settings.

        Returns:
            The limits.
        """
        return cls(
            settings.shared_cache_timeout_s,
            settings.shared_lease_s,
            settings.shared_value_bytes,
            settings.cache_queue_length,
            settings.cache_queue_bytes,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of waiting for one's turn: the tiles of another host, or leave to compute them."""

    tiles: dict[str, bytes] | None
    owner: str = ""
    """Of the lease; empty without one."""


class SharedTier:
    """The tiles of all hosts. Belongs to one event loop."""

    def __init__(self, backend: SharedBackend, place: str, limits: SharedLimits, metrics: Metrics) -> None:
        """Use a place; nothing is asked of it yet.

        Args:
            backend: The place.
            place: What messages call it.
            limits: Times and sizes.
            metrics: Counts hits, misses, errors and bytes.
        """
        self._backend = backend
        self._limits = limits
        self._metrics = metrics
        self._calls = GuardedCalls(place, limits.timeout_s, metrics)
        self._queue: deque[tuple[Mapping[str, bytes], int, str, str]] = deque()
        """Tiles, their size, and key and owner of the lease that ends once they are written."""
        self._waiting_bytes = 0
        self._writers: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether anything may be asked at the moment: of a place that has failed, by one request at a time."""
        return self._calls.is_on

    async def find(self, keys: Sequence[str], *, again: bool = False) -> dict[str, bytes] | None:
        """Look tiles up.

        Args:
            keys: Of the tiles of one task.
            again: Whether they were not found a moment ago: then they are not counted as missed once more.

        Returns:
            All of them by key; None where one is missing.
        """
        found: dict[str, bytes] = {}
        for key in keys:
            value = await self._calls.ask(self._backend.get(key, self._limits.value_bytes + HEAD_BYTES), None)
            is_whole = value is not None and len(value) <= self._limits.value_bytes + HEAD_BYTES
            data = unseal(key, value) if value is not None and is_whole else None
            if value is not None and data is None:
                self._metrics.shared_cache.labels("damaged").inc()
            if data is None:
                if not again:
                    self._metrics.shared_cache.labels("miss").inc()
                return None
            found[key] = data
            self._metrics.shared_cache_bytes.labels("read").inc(len(data))
        self._metrics.shared_cache.labels("hit").inc()
        return found

    async def turn(self, key: str, keys: Sequence[str]) -> Turn:
        """Look tiles up; without them, take the lease of their task, or wait for the host that has it.

        Args:
            key: Of the task.
            keys: Of its tiles.

        Returns:
            The tiles, or the turn to compute them. Nobody waits for longer than a lease.
        """
        tiles = await self.find(keys)
        if tiles is not None:
            return Turn(tiles)
        owner, end, pause_s = secrets.token_hex(16), time.monotonic() + self._limits.lease_s, FIRST_PAUSE_S
        has_waited = False
        try:
            while self.is_on:
                if await self._calls.write(self._backend.take(key, owner, self._limits.lease_s), default=True):
                    # Another host may have written the tiles, and ended its lease, since they were looked up.
                    tiles = await self.find(keys, again=True)
                    if tiles is not None:
                        self._release(key, owner)
                        return Turn(tiles)
                    return Turn(None, owner)
                if not has_waited:
                    has_waited = True
                    self._metrics.shared_cache.labels("wait").inc()
                left_s = end - time.monotonic()
                if left_s <= 0:
                    break
                await asyncio.sleep(min(pause_s, left_s))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                tiles = await self.find(keys, again=True)
                if tiles is not None:
                    return Turn(tiles)
        except BaseException:
            self._release(key, owner)
            raise
        return Turn(None)

    def put(self, tiles: Mapping[str, bytes], key: str = "", owner: str = "") -> None:
        """Have tiles written, then end the lease of their task. Never waits; what does not fit is lost.

        Args:
            tiles: Tiles by key.
            key: Of the task.
            owner: Of the lease; empty without one.
        """
        kept = {each: data for each, data in tiles.items() if len(data) <= self._limits.value_bytes}
        size = sum(map(len, kept.values()))
        fits = len(self._queue) < self._limits.waiting and self._waiting_bytes + size <= self._limits.waiting_bytes
        if not fits or not self.is_on:
            self._metrics.shared_cache.labels("lost").inc(len(kept))
            kept, size = {}, 0
        self._queue.append((kept, size, key, owner))
        self._waiting_bytes += size
        if len(self._writers) < WRITERS:
            self._start(self._write_all())

    def give_up(self, key: str, owner: str) -> None:
        """End a lease whose tiles were not computed.

        Args:
            key: Of the task.
            owner: Of the lease; empty without one.
        """
        if owner:
            self._release(key, owner)

    async def recheck(self) -> None:
        """Look whether the place answers again, and takes something, after it has failed."""
        if self._calls.breaker.is_open and self.is_on:
            await self.find((PROBE,))
        if self._calls.write_breaker.is_open and self.is_on:
            owner = secrets.token_hex(16)
            await self._calls.write(self._backend.take(PROBE, owner, self._limits.lease_s), default=True)
            await self._calls.ask(self._backend.release(PROBE, owner), None)

    async def close(self, drain_s: float) -> None:
        """Write what waits, then close the connections.

        Args:
            drain_s: How long to write; what waits then is lost.
        """
        if self._writers:
            await asyncio.wait(self._writers, timeout=drain_s)
        for task in self._writers:
            task.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        await self._calls.ask(self._backend.close(), None)
        self._calls.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._writers.add(task)
        task.add_done_callback(self._writers.discard)

    def _release(self, key: str, owner: str) -> None:
        async def release() -> None:
            await self._calls.ask(self._backend.release(key, owner), None)

        self._start(release())

    async def _write_all(self) -> None:
        while self._queue:
            tiles, size, key, owner = self._queue.popleft()
            for each, data in tiles.items():
                if await self._calls.write(self._written(each, data), default=False):
                    self._metrics.shared_cache_bytes.labels("written").inc(len(data))
                else:
                    self._metrics.shared_cache.labels("lost").inc()
            self._waiting_bytes -= size
            if owner:
                await self._calls.ask(self._backend.release(key, owner), None)

    async def _written(self, key: str, data: bytes) -> bool:
        await self._backend.put(key, seal(key, data))
        return True


def open_shared_tier(
    settings: Settings, metrics: Metrics, open_place: Callable[[Settings], SharedBackend] = open_backend
) -> SharedTier | None:
    """Open the shared tier of the settings.

    Args:
        settings: The settings.
        metrics: As for ``SharedTier``.
        open_place: Opens the backend.

    Returns:
        The tier; None where the settings name none, or disable the tile cache.

    Raises:
        CacheError: The package that it needs is not installed.
    """
    if settings.shared_cache is None or settings.no_tile_cache:
        return None
    return SharedTier(open_place(settings), place_of(settings.shared_cache), SharedLimits.of(settings), metrics)
