"""Tiles by direct calls to the workers: 0.5 ms per call, where a Dask task costs 8 to 11 ms.

A task through the scheduler waits for the timers that batch Dask's messages, which have no setting. So a plugin adds
an operation to every worker, as Dask's own P2P shuffle does; the server chooses the worker and calls the operation.
The server must reach every worker over the network: ``DirectCalls.start`` tries.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.cluster.read_counts import ReadCounts, Reads
from lazytile.pyramid.cluster.shared_values import TaskPickler
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import (
    EngineError,
    EngineUnavailableError,
    GenerationChangedError,
    SourceUnavailableError,
    StoreError,
)
from lazytile.pyramid.engines.protocol import one_line
from lazytile.pyramid.engines.tile_plugin import TilePlugin

if TYPE_CHECKING:
    from collections.abc import Collection

    from lazytile.pyramid.cluster.shared_values import PickledTask
    from lazytile.pyramid.cluster.worker_address import WorkerAddress
    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import TileWork
    from lazytile.pyramid.engines.worker_admission import Admission

LOG = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 5.0
"""How long a worker may take to respond to the first direct call."""
RETRY_INTERVAL_S = 0.1
"""How long to wait while no worker is available."""
QUEUE_PER_THREAD = 2
"""Tasks per thread that the first choice may have before the second choice is considered."""
SILENCE_S = 3.0
"""How long a worker may render before it is asked whether it still answers."""
ANSWER_TIMEOUT_S = 2.0
PLUGIN_ATTEMPTS = 20
"""How often a worker that has just joined is asked for the plugin's operations."""
_NOT_THE_WORKERS = (GenerationChangedError, SourceUnavailableError)
"""Failures of a store that say nothing about the worker that met them."""
MAX_LOSSES = 2
"""Workers that may die during one task: the task itself is the likely cause of a second death."""


class _SilentError(Exception):
    """A worker has stopped to answer: it is stopped, it hangs, or the link to it is cut."""


@dataclass(slots=True)
class _CallState:
    """What a call has met so far."""

    task: PickledTask
    is_heavy: bool
    sends_values: bool = False
    """Whether the shared values go with the task: a worker asked for one."""
    dead: set[str] = field(default_factory=set)
    """Addresses of workers that died during the call."""
    unready: set[str] = field(default_factory=set)
    waits_since: float | None = None


class DirectCalls:
    """Chooses a worker for each task and calls it. See ``TileCalls``."""

    description = "direct calls"

    def __init__(self, session: ClusterSession, admission: Admission, work: TileWork) -> None:
        self._session = session
        self._admission = admission
        self._locality = work.locality or (lambda task: str(task.key))
        self._pickler = TaskPickler(work.shared)
        self._plugin = TilePlugin(work)
        self._load: Counter[str] = Counter()
        self._cancellations: set[asyncio.Task[None]] = set()
        self._silent: dict[str, asyncio.Task[None]] = {}
        """Workers that do not answer, by address, with the task that waits for an answer."""
        self._used_at = time.monotonic()

    async def start(self) -> str:
        """Register the plugin and call each worker; return the obstacle, or an empty text."""
        await self._session.client.register_plugin(self._plugin)
        for worker in self._admission.workers.values():
            if problem := await self._reach(worker.address):
                return f"the worker at {worker.address} {problem}"
        # A worker that joins later and cannot be reached is left out.
        self._admission.reach = self._reach
        return ""

    async def _reach(self, address: str) -> str:
        """Call a worker; return the problem, or an empty text."""
        for _ in range(PLUGIN_ATTEMPTS):
            try:
                answer = await asyncio.wait_for(self._operation(address, "-ping")(), PROBE_TIMEOUT_S)
            except (OSError, TimeoutError) as error:
                return f"cannot be called: {one_line(error)}"
            if answer == "OK":
                return ""
            await asyncio.sleep(RETRY_INTERVAL_S)  # a worker takes the plugin after it has joined
        return "did not accept the plugin"

    def take(self, admission: Admission) -> None:
        """Call the workers of another admission from now on."""
        admission.reach = self._reach
        self._admission = admission

    @property
    def idle_s(self) -> float:
        """For how long no worker has been available, seconds."""
        if self._usable():
            self._used_at = time.monotonic()
        return time.monotonic() - self._used_at

    async def call(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Render a task on the worker that its locality selects, on another one where that dies or is silent."""
        locality, state = self._locality(task), _CallState(self._pickler.pickled(task), is_heavy)
        while True:
            name = self._chosen(locality, state.dead | state.unready)
            if name is None:
                await self._wait(state)
                continue
            address = self._admission.workers[name].address
            try:
                answer = await self._call_worker(name, address, str(task.key), state)
            except _SilentError:
                continue
            except OSError as error:
                state.dead.add(address)
                if len(state.dead) == MAX_LOSSES and not self._session.loss:
                    raise EngineError(f"a tile of {self._session.description} lost its worker twice") from error
                await self._refresh()
                continue
            tiles = await self._tiles_of(answer, name, address, state)
            if tiles is not None:
                return tiles

    async def _wait(self, state: _CallState) -> None:
        """Wait for a worker. Raises ``EngineUnavailableError`` where that takes too long."""
        state.waits_since = state.waits_since or time.monotonic()
        if self._session.loss or time.monotonic() - state.waits_since > self._session.options.unavailable_s:
            text = self._session.loss or f"no worker of {self._session.description} accepts tiles"
            raise EngineUnavailableError(text)
        await asyncio.sleep(RETRY_INTERVAL_S)
        await self._refresh()
        state.unready.clear()

    async def _tiles_of(
        self, answer: dict[str, Any] | None, name: str, address: str, state: _CallState
    ) -> tuple[bytes, ...] | None:
        """Return the tiles of an answer, or None where the task is to be sent again; raise the task's exception."""
        match answer:
            case {"tiles": tiles, "reads": [int(number), int(nbytes)]}:
                ReadCounts.current().add_all(Reads(number, nbytes))
                return tuple(tiles)
            case {"error": data}:
                failure = pickle.loads(data)  # noqa: S301 - from a worker, which runs our code anyway
                if await self._is_fit(name, address, failure):
                    raise failure
            case {"missing": "values"} if not state.sends_values:
                state.sends_values = True
            case {"missing": "inspection", "incarnation": text}:
                state.unready.add(address)
                self._admission.doubt(address, text)
            case _:
                state.unready.add(address)  # it is starting or shutting down
        return None

    async def _is_fit(self, name: str, address: str, failure: Exception) -> bool:
        """Return whether a worker that failed still sees the store: else the failure is the worker's."""
        if isinstance(failure, StoreError) and not isinstance(failure, _NOT_THE_WORKERS):
            self._admission.doubt(address)
            await self._admission.settled()
        return name in self._admission.workers

    def _usable(self) -> dict[str, WorkerAddress]:
        """Return the admitted workers that answer."""
        if not self._silent:
            return self._admission.workers
        workers = self._admission.workers
        return {name: worker for name, worker in workers.items() if worker.address not in self._silent}

    def _chosen(self, locality: str, excluded: Collection[str]) -> str | None:
        """Return the name of the worker to call: the locality's first choice, or its second where that is busy."""
        workers = self._usable()
        names = [name for name, worker in workers.items() if worker.address not in excluded]
        best = sorted(names, key=partial(_weight, locality), reverse=True)[:2]
        if len(best) < 2:
            return best[0] if best else None
        first, second = best
        limit = QUEUE_PER_THREAD * workers[first].threads
        return second if self._load[first] >= limit > self._load[second] else first

    async def _call_worker(self, name: str, address: str, key: str, state: _CallState) -> dict[str, Any] | None:
        """Call a worker. Raises ``_SilentError`` where it does not answer any more."""
        call = uuid.uuid4().hex
        self._load[name] += 1
        values = state.task.values if state.sends_values else None
        operation, token = self._operation(address), self._admission.token
        # None: the worker does not have the operation, or not yet.
        work: asyncio.Future[dict[str, Any] | None] = asyncio.ensure_future(
            operation(call=call, key=key, task=state.task.data, admission=token, values=values, is_heavy=state.is_heavy)
        )
        work.add_done_callback(_noted)  # also where the caller leaves at the same moment
        try:
            while True:
                done, _ = await asyncio.wait({work}, timeout=SILENCE_S)
                if work.cancelled():
                    raise OSError(f"the connection to {address} was given up")
                if done:
                    return work.result()
                if address in self._silent or not await self._answers(address):
                    self._watch_silent(address)
                    raise _SilentError
        finally:
            self._load[name] -= 1
            if not work.done():
                work.cancel()
                cancellation = asyncio.ensure_future(self._cancel(address, call))
                self._cancellations.add(cancellation)
                cancellation.add_done_callback(self._cancellations.discard)

    async def _answers(self, address: str) -> bool:
        """Return whether a worker's event loop answers. Raises ``OSError`` where the worker is gone."""
        try:
            await asyncio.wait_for(self._operation(address, "-ping")(), ANSWER_TIMEOUT_S)
        except TimeoutError:
            return False
        return True

    def _watch_silent(self, address: str) -> None:
        """Leave a worker out until it answers again."""
        if address not in self._silent:
            LOG.warning("the worker at %s does not answer and gets no tiles until it does", address)
            Conditions.current().report(f"worker {address}", "does not answer", ready=True)
            self._silent[address] = asyncio.ensure_future(self._until_answer(address))

    async def _until_answer(self, address: str) -> None:
        try:
            while any(worker.address == address for worker in self._session.workers.values()):
                with suppress(OSError):
                    if await self._answers(address):
                        LOG.warning("the worker at %s answers again", address)
                        break
                await asyncio.sleep(1.0)
        finally:
            del self._silent[address]
            Conditions.current().clear(f"worker {address}")

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
        for watch in self._silent.values():
            watch.cancel()
        await asyncio.gather(*self._cancellations, *self._silent.values(), return_exceptions=True)


def _noted(work: asyncio.Future[Any]) -> None:
    """Take note of an exception that nobody waits for any more: asyncio would log it with its traceback."""
    if not work.cancelled():
        work.exception()


def _weight(locality: str, name: str) -> bytes:
    """Return a worker's weight in rendezvous hashing: when a worker joins or leaves, tasks of the others stay put."""
    return blake2b(f"{name}\0{locality}".encode(), digest_size=8).digest()
