"""Writes to the disk cache, made after the reply: in order, in one thread, bounded in number and bytes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Write = tuple[Mapping[str, bytes], str, int, Callable[[], object]]

CONDITION = "tile cache writes"
GATHER_S = 0.02
"""How long tiles are gathered before the thread gets them: waking it costs the loop more than a tile's own overhead.
Another process that waits for one of them looks every 5 to 50 ms."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How much may wait to be written."""

    count: int
    """Tasks of tiles."""
    nbytes: int
    """Bytes of all their tiles."""


class WriteBehind:
    """Tiles that are to be written. What does not fit is lost: the cache is a copy, and a slow disk delays no reply.

    ``add`` belongs to one event loop; the writes happen in a thread of their own.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, bytes], str], object],
        limits: WriteLimits,
        on_lost: Callable[[int], object],
    ) -> None:
        """Write nothing yet.

        Args:
            write: Writes tiles of one generation; called in the thread.
            limits: How much may wait.
            on_lost: Called with the number of tiles that are not written.
        """
        self._write = write
        self._limits = limits
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lazytile-cache-write")
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        """Tiles by key that are not on disk yet."""
        self._count = self._bytes = 0
        self._is_losing = False
        self._queued: list[_Write] = []
        """What the thread was not given yet."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, tiles: Mapping[str, bytes], tag: str, done: Callable[[], object] = lambda: None) -> bool:
        """Have tiles written. Never waits.

        Args:
            tiles: Tiles by key.
            tag: Names the generation that they belong to.
            done: Called once they are on disk or lost, in any thread.

        Returns:
            False where too much waits already: then the tiles are lost.
        """
        size = sum(map(len, tiles.values()))
        with self._lock:
            fits = self._count < self._limits.count and self._bytes + size <= self._limits.nbytes
            if fits:
                self._count += 1
                self._bytes += size
                self._waiting.update(tiles)
        if not fits:
            self._lose(len(tiles))
            done()
            return False
        self._queued.append((tiles, tag, size, done))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._start)
        return True

    def find(self, key: str) -> bytes | None:
        """Return a tile that is not on disk yet.

        Args:
            key: Key of the tile.

        Returns:
            The tile, or None.
        """
        return self._waiting.get(key)

    async def after(self, work: Callable[[], object]) -> None:
        """Call a function in the thread once everything that was added before is written.

        Args:
            work: The function.
        """
        self._start()
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self, last: Callable[[], object], timeout_s: float) -> None:
        """Write what waits, then end the thread.

        Args:
            last: Called in the thread after the last write.
            timeout_s: How long to write; what waits then is lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self.after(last)
        except TimeoutError:
            with self._lock:
                lost = len(self._waiting)
            self._lose(lost)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        """Hand what is queued to the thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queued:
            queued, self._queued = self._queued, []
            self._thread.submit(self._write_all, queued)

    def _write_all(self, queued: list[_Write]) -> None:
        for tiles, tag, size, done in queued:
            try:
                self._written(tiles, tag, size)
            finally:
                done()

    def _written(self, tiles: Mapping[str, bytes], tag: str, size: int) -> None:
        try:
            self._write(tiles, tag)
        finally:
            with self._lock:
                self._count -= 1
                self._bytes -= size
                for key in tiles:
                    self._waiting.pop(key, None)
                is_over = self._is_losing and not self._count
                self._is_losing = self._is_losing and not is_over
            if is_over:
                Conditions.current().clear(CONDITION)

    def _lose(self, count: int) -> None:
        self._is_losing = True
        self._on_lost(count)
        Conditions.current().report(CONDITION, "tiles are not kept: the disk is slower than the renderer", ready=True)
