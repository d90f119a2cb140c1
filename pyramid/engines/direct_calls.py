"""Tiles by direct calls to the workers: 0.5 ms per call, where a Dask task costs 8 to 11 ms.

A task through the scheduler waits for the timers that batch Dask's messages, which have no setting. So a plugin adds
an operation to every worker, as Dask's own P2P shuffle does; the server chooses the worker and calls the operation.
The server must reach every worker over the network: ``DirectCalls.start`` tries.
"""

from __future__ import annotations

import asyncio
import pickle
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin
from distributed.protocol.pickle import dumps

from lazytile import __version__
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.protocol import one_line
from lazytile.pyramid.engines.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lazytile.pyramid.engines.dask_session import ClusterSession

PROBE_TIMEOUT_S = 5.0
"""How long a worker may take to respond to the first direct call."""
RETRY_INTERVAL_S = 0.1
"""How long to wait while no worker is available."""
QUEUE_PER_THREAD = 2
"""Tasks per thread that the first choice may have before the second choice is considered."""
MAX_LOSSES = 2
"""Workers that may die during one task: the task itself is the likely cause of a second death."""


class TilePlugin(WorkerPlugin):
    """Adds the operations NAME, NAME-cancel and NAME-ping to a worker. Its state is created on the worker."""

    idempotent = True  # a second server with the same function shares the operation

    def __init__(self, function: Callable[[Any], tuple[bytes, ...]]) -> None:
        """Make the plugin of a function, named after it.

        Args:
            function: Renders one task.
        """
        digest = blake2b(_pickled((function, __version__)), digest_size=8).hexdigest()
        self.name = f"lazytile-tiles-{digest}"
        self.function = function
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
        self.pool = ThreadPoolExecutor(worker.state.nthreads, thread_name_prefix="lazytile-tile")
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
        for name in (self.name, f"{self.name}-cancel", f"{self.name}-ping"):
            worker.handlers.pop(name, None)
        if hasattr(self, "pool"):
            self.pool.shutdown(wait=False, cancel_futures=True)

    async def render(self, call: str, key: str, task: bytes) -> dict[str, Any]:
        """Render a task.

        Args:
            call: Identifier of the call, for ``cancel``.
            key: The task's key: equal keys in progress are rendered once.
            task: The pickled task.

        Returns:
            The ``tiles``, or a pickled ``error``; empty where the call was cancelled.
        """
        loop = asyncio.get_running_loop()

        def start() -> asyncio.Future[tuple[bytes, ...]]:
            return loop.run_in_executor(self.pool, self.function, pickle.loads(task))  # noqa: S301 - from our server

        work = asyncio.ensure_future(self.flights.run(key, start))
        self.calls[call] = work
        try:
            return {"tiles": list(await work)}
        except asyncio.CancelledError:
            if not work.cancelled():
                raise
            return {}
        except Exception as error:  # noqa: BLE001 - the caller raises it
            return {"error": _pickled_error(error)}
        finally:
            del self.calls[call]

    async def cancel(self, call: str) -> str:
        """Cancel a call. Work that another call waits for continues.

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


class DirectCalls:
    """Chooses a worker for each task and calls it. See ``TileCalls``."""

    description = "direct calls"

    def __init__(
        self,
        session: ClusterSession,
        function: Callable[[Any], tuple[bytes, ...]],
        locality: Callable[[Any], str] | None = None,
    ) -> None:
        self._session = session
        self._locality = locality or (lambda task: str(task.key))
        self._plugin = TilePlugin(function)
        self._load: Counter[str] = Counter()
        self._cancellations: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Register the plugin and call each worker; return the obstacle, or an empty text."""
        await self._session.client.register_plugin(self._plugin)
        for worker in self._session.workers.values():
            try:
                answer = await asyncio.wait_for(self._operation(worker.address, "-ping")(), PROBE_TIMEOUT_S)
            except (OSError, TimeoutError) as error:
                return f"the worker at {worker.address} cannot be called: {one_line(error)}"
            if answer != "OK":
                return f"the worker at {worker.address} did not accept the plugin"
        return ""

    async def call(self, task: Any) -> tuple[bytes, ...]:
        """Render a task on the worker that its locality selects, on another one where that dies."""
        locality = self._locality(task)
        data = pickle.dumps(task)
        deadline = time.monotonic() + self._session.lost_timeout_s
        dead: set[str] = set()
        unready: set[str] = set()
        while True:
            name = self._chosen(locality, dead | unready)
            if name is None:
                self._session.check()
                if time.monotonic() > deadline:
                    raise EngineError(f"no worker of {self._session.description} accepts tiles")
                await asyncio.sleep(RETRY_INTERVAL_S)
                await self._refresh()
                unready.clear()
                continue
            address = self._session.workers[name].address
            try:
                answer = await self._call_worker(name, address, task.key, data)
            except OSError as error:
                dead.add(address)
                if len(dead) == MAX_LOSSES:
                    raise EngineError(f"a tile of {self._session.description} lost its worker twice") from error
                await self._refresh()
                continue
            if answer is not None and "tiles" in answer:
                return tuple(answer["tiles"])
            if answer is not None and "error" in answer:
                raise pickle.loads(answer["error"])  # noqa: S301 - from a worker, which runs our code anyway
            unready.add(address)  # it is starting or shutting down

    def _chosen(self, locality: str, excluded: Collection[str]) -> str | None:
        """Return the name of the worker to call: the locality's first choice, or its second where that is busy."""
        names = [name for name, worker in self._session.workers.items() if worker.address not in excluded]
        best = sorted(names, key=partial(_weight, locality), reverse=True)[:2]
        if len(best) < 2:
            return best[0] if best else None
        first, second = best
        limit = QUEUE_PER_THREAD * self._session.workers[first].threads
        return second if self._load[first] >= limit > self._load[second] else first

    async def _call_worker(self, name: str, address: str, key: str, data: bytes) -> dict[str, Any] | None:
        call = uuid.uuid4().hex
        self._load[name] += 1
        try:
            # None: the worker does not have the operation, or not yet.
            answer: dict[str, Any] | None = await self._operation(address)(call=call, key=key, task=data)
        except asyncio.CancelledError:
            cancellation = asyncio.ensure_future(self._cancel(address, call))
            self._cancellations.add(cancellation)
            cancellation.add_done_callback(self._cancellations.discard)
            raise
        finally:
            self._load[name] -= 1
        return answer

    async def _cancel(self, address: str, call: str) -> None:
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._operation(address, "-cancel")(call=call), PROBE_TIMEOUT_S)

    async def _refresh(self) -> None:
        with suppress(OSError, TimeoutError):
            await self._session.refresh()

    def _operation(self, address: str, suffix: str = "") -> Any:
        return getattr(self._session.client.rpc(address), self._plugin.name + suffix)

    async def close(self) -> None:
        """Wait until the workers know of every cancelled call. The plugin stays: other servers may use it."""
        await asyncio.gather(*self._cancellations)


def _weight(locality: str, name: str) -> bytes:
    """Return a worker's weight in rendezvous hashing: when a worker joins or leaves, tasks of the others stay put."""
    return blake2b(f"{name}\0{locality}".encode(), digest_size=8).digest()
