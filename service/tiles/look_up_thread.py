"""A thread for look-ups that may block: their results go back to the event loop together where several are done."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
_Waiting = tuple[str, "asyncio.Future[Found]"]
MOST_TOGETHER = 32
"""Results that the loop gets at a time: the first of them waits for the last."""


class LookUpThread(Generic[Found]):
    """Calls one function in a thread. Half the time of an executor, a quarter where several look-ups wait.

    Belongs to one event loop.
    """

    def __init__(
        self, look_up: Callable[[str], Found], name: str, afterwards: Callable[[], bool] = lambda: False
    ) -> None:
        """Start the thread.

        Args:
            look_up: Looks a key up.
            name: Of the thread.
            afterwards: Called in the thread after results were delivered, and again while it returns True and no key
                waits. It must not raise.
        """
        self._look_up = look_up
        self._afterwards = afterwards
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Waiting[Found] | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def find(self, key: str) -> Found:
        """Return what the function returns for a key, or raise what it raises.

        Args:
            key: The key.

        Returns:
            Its result.
        """
        found: asyncio.Future[Found] = self._loop.create_future()
        self._waiting.put((key, found))
        return await found

    async def close(self, last: Callable[[], object]) -> None:
        """Finish what waits, and end the thread.

        Args:
            last: Called in the thread at its end.
        """
        self._last = last
        self._waiting.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            while item is not None:
                item = self._look_up_from(item)
            if self._is_closed:
                break
        self._last()

    def _look_up_from(self, item: _Waiting[Found]) -> _Waiting[Found] | None:
        """Look up a key and those that wait behind it; return the next one where one has come meanwhile."""
        done: list[tuple[asyncio.Future[Found], Found | None, BaseException | None]] = []
        following: _Waiting[Found] | None = item
        while following is not None:
            key, found = following
            try:
                done.append((found, self._look_up(key), None))
            except Exception as error:  # noqa: BLE001 - for whoever waits
                done.append((found, None, error))
            following = self._next_waiting() if len(done) < MOST_TOGETHER else None
        self._loop.call_soon_threadsafe(_deliver, done)
        while not self._is_closed and self._afterwards():
            following = self._next_waiting()
            if following is not None:
                return following
        return None

    def _next_waiting(self) -> _Waiting[Found] | None:
        """Return a key that waits already; None where none does, or the thread is to end."""
        try:
            following = self._waiting.get_nowait()
        except queue.Empty:
            return None
        self._is_closed = following is None
        return following


def _deliver(done: list[tuple[asyncio.Future[Found], Found | None, BaseException | None]]) -> None:
    for waiting, found, error in done:
        if waiting.done():
            continue  # its request was cancelled
        if error is None:
            waiting.set_result(found)  # type: ignore[arg-type] # without an error there is a result
        else:
            waiting.set_exception(error)
