"""An event loop in its own thread: synchronous programs use the asynchronous client of a cluster through it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

CLEAN_UP_TIMEOUT_S = 30.0
"""Limit for an interrupted start or stop of workers to clean up."""

Value = TypeVar("Value")


class LoopThread:
    """An event loop in its own thread, for synchronous callers of asynchronous code."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lazytile-engine", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()

    def start(self, work: Coroutine[Any, Any, Value]) -> Future[Value]:
        """Start a coroutine on the loop.

        Args:
            work: The coroutine.

        Returns:
            Its result to come.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine on the loop and wait for it. An interrupt cancels it and waits until it has cleaned up.

        Args:
            work: The coroutine.

        Returns:
            Its result.
        """
        ended = threading.Event()

        async def tracked() -> Value:
            try:
                return await work
            finally:
                ended.set()

        future = self.start(tracked())
        try:
            return future.result()
        except BaseException:
            if future.cancel():
                ended.wait(CLEAN_UP_TIMEOUT_S)
            raise

    def close(self) -> None:
        """Cancel the coroutines on the loop and end the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
