"""The operations that a plugin adds to every worker, as Dask's own P2P shuffle does, for direct calls."""

from __future__ import annotations

import asyncio
import pickle
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin
from distributed.protocol.pickle import dumps

from lazytile import __version__
from lazytile.pyramid.cluster.inspection import incarnation, is_inspected
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.cluster.shared_values import UnknownValueError, keep_values, unpickled
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.pending_work import run_in_thread
from lazytile.pyramid.engines.protocol import one_line
from lazytile.pyramid.engines.single_flight import SingleFlight
from lazytile.pyramid.engines.threads import Niceness, nice_pool

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import ThreadPoolExecutor

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.engines.protocol import TileWork


class TilePlugin(WorkerPlugin):
    """Adds the operations NAME, NAME-cancel and NAME-ping to a worker. Its state is created on the worker."""

    idempotent = True  # a second server with the same function shares the operation

    def __init__(self, work: TileWork) -> None:
        """Make the plugin of a function, named after it.

        Args:
            work: What renders one task, and whether it can be stopped.
        """
        digest = blake2b(_pickled((work.function, work.stoppable, __version__)), digest_size=8).hexdigest()
        self.name = f"lazytile-tiles-{digest}"
        self.function = work.function
        self.stoppable = work.stoppable
        self.version = __version__

    def setup(self, worker: Any) -> None:
        """Register the operations on a worker.

        Args:
            worker: The Dask worker.

        Raises:
            EngineError: The worker has another version of lazytile; it then has no operations.
        """
        if self.version != __version__:
            raise EngineError(f"the worker at {worker.address} has lazytile {__version__}, the server {self.version}")
        self.is_open = True
        self.pool = nice_pool(worker.state.nthreads, "lazytile-tile", Niceness.ON_WORKER)
        self.heavy_pool = nice_pool(worker.state.nthreads, "lazytile-heavy", Niceness.HEAVY)
        # Each server shares the equal work of its own requests; this shares that of several servers.
        self.flights: SingleFlight[tuple[bytes, ...]] = SingleFlight()
        self.calls: dict[str, asyncio.Task[tuple[bytes, ...]]] = {}
        worker.handlers[self.name] = self.render
        worker.handlers[f"{self.name}-cancel"] = self.cancel
        worker.handlers[f"{self.name}-ping"] = self.ping

    def teardown(self, worker: Any) -> None:
        """Remove the operations and cancel what waits.

        Args:
            worker: The Dask worker.
        """
        self.is_open = False
        for name in (self.name, f"{self.name}-cancel", f"{self.name}-ping"):
            worker.handlers.pop(name, None)
        if hasattr(self, "pool"):
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.heavy_pool.shutdown(wait=False, cancel_futures=True)

    async def render(  # noqa: PLR0917 - Dask passes the parts of a message by name
        self,
        call: str,
        key: str,
        task: bytes,
        admission: str,
        values: dict[str, bytes] | None = None,
        is_heavy: bool = False,
    ) -> dict[str, Any]:
        """Render a task.

        Args:
            call: Identifier of the call, for ``cancel``.
            key: The task's key: equal keys in progress are rendered once.
            task: The pickled task.
            admission: Token of the inspection that this process must have passed.
            values: The shared values of the task, where this process asked for them.
            is_heavy: Whether the task takes long: it then keeps no thread from light ones.

        Returns:
            The ``tiles``, with what this process has read since its last answer (``reads``); or a pickled ``error``;
            or what is ``missing``: the inspection of this process, by its incarnation, or shared values; empty where
            the call was cancelled or the worker is shutting down.
        """
        if not is_inspected(admission):
            return {"missing": "inspection", "incarnation": incarnation()}
        try:
            keep_values(values or {})
            tiles = await self._tiles(call, key, task, self.heavy_pool if is_heavy else self.pool)
        except UnknownValueError:
            return {"missing": "values"}
        except Exception as error:  # noqa: BLE001 - the caller raises it
            return {"error": _pickled_error(error)}
        return {} if tiles is None else {"tiles": list(tiles), "reads": list(ReadCounts.current().take())}

    async def _tiles(self, call: str, key: str, task: bytes, pool: ThreadPoolExecutor) -> tuple[bytes, ...] | None:
        """Return the tiles of a task; None where the call was cancelled or the worker is shutting down."""
        if self._is_shut_down():
            return None

        def start() -> Coroutine[Any, Any, tuple[bytes, ...]]:
            return run_in_thread(lambda stop: self._rendered(task, stop), pool)

        work = asyncio.ensure_future(self.flights.run(key, start))
        self.calls[call] = work
        try:
            return await work
        except asyncio.CancelledError:
            if not work.cancelled():
                raise
            return None
        except (EngineError, RuntimeError):
            if self._is_shut_down():  # the pool refuses work, or has cancelled it
                return None
            raise
        finally:
            del self.calls[call]

    def _is_shut_down(self) -> bool:
        return not self.is_open

    def _rendered(self, task: bytes, stop: StopFlag) -> tuple[bytes, ...]:
        value = unpickled(task)
        return self.function(value) if self.stoppable is None else self.stoppable(value, stop)

    async def cancel(self, call: str) -> str:
        """Cancel a call: its work stops. Work that another call waits for continues.

        Args:
            call: Identifier of the call.

        Returns:
            ``OK``.
        """
        if call in self.calls:
            self.calls[call].cancel()
        return "OK"

    async def ping(self) -> str:
        """Return ``OK``: direct calls arrive."""
        return "OK"


def _pickled(value: Any) -> bytes:
    data: bytes = dumps(value)  # type: ignore[no-untyped-call]
    return data


def _pickled_error(error: Exception) -> bytes:
    try:
        data = _pickled(error)
        pickle.loads(data)  # noqa: S301 - our own bytes: an exception may pickle and yet not come back
    except Exception:  # noqa: BLE001 - any exception of a foreign class
        data = _pickled(EngineError(f"a tile failed on a worker: {one_line(error)}"))
    return data
