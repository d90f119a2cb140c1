"""Tiles on a Dask cluster: by direct calls to the workers, or as Dask tasks."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

from lazytile.pyramid.cluster.bulk_share import BulkShare
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.cluster.shared_values import TaskPickler
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.dask_bulk import admitted_result, open_session
from lazytile.pyramid.engines.dask_session import SILENCE_S
from lazytile.pyramid.engines.dask_worker import render_pickled
from lazytile.pyramid.engines.direct_calls import DirectCalls
from lazytile.pyramid.engines.pending_work import PendingWork
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from types import TracebackType

    from lazytile.pyramid.cluster.places import Places
    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec, TileWork
    from lazytile.pyramid.engines.worker_admission import Admission

LOG = logging.getLogger(__name__)


class TileCalls(Protocol):
    """A transport of tasks to workers and of tiles back."""

    @property
    def description(self) -> str:
        """Short description for people."""
        ...

    async def call(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Render a task on some worker. Cancelling the call abandons the task.

        Args:
            task: A ``TileTask``.
            is_heavy: As for ``TileEngine.render``.

        Returns:
            The encoded tiles.
        """
        ...

    @property
    def idle_s(self) -> float:
        """For how long no worker has been available, seconds."""
        ...

    def take(self, admission: Admission) -> None:
        """Use the workers of another admission from now on.

        Args:
            admission: Of the same session.
        """
        ...

    async def close(self) -> None:
        """Wait until the workers know of every cancelled call."""
        ...


class SubmitCalls:
    """Tiles as ordinary Dask tasks: 8 to 11 ms per call, only the scheduler must be reachable. See ``TileCalls``."""

    def __init__(
        self, session: ClusterSession, admission: Admission, work: TileWork, share: BulkShare | None = None
    ) -> None:
        self._share = share
        self._session = session
        self._admission = admission
        self._function = work.function
        self._pickler = TaskPickler(work.shared)

    @property
    def description(self) -> str:
        """Short description for people."""
        return "through the scheduler" if self._share is None else "as bulk work"

    async def call(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Submit under the task's own key, so that the cluster computes equal tasks of all its clients once.

        Bulk work has keys of its own: a tile that a client waits for must not wait for its place.
        """
        pickled = self._pickler.pickled(task)
        for values in ({}, pickled.values):
            key: tuple[str, ...] = (f"tile-{len(values)}", str(task.key))
            if self._share is not None:
                key = ("bulk-tile", uuid.uuid4().hex)
            render = partial(render_pickled, is_heavy=True) if is_heavy and self._share is None else render_pickled
            arguments = (self._admission.token, self._function, pickled.data, values)
            found = await admitted_result(self._session, self._admission, key, render, *arguments, share=self._share)
            if found is not None:
                tiles: tuple[bytes, ...]
                tiles, reads = found
                ReadCounts.current().add_all(reads)
                return tiles
        raise EngineError(f"a worker of {self._session.description} does not keep the values that it is sent")

    @property
    def idle_s(self) -> float:
        """For how long no worker has been available, seconds."""
        return self._admission.empty_s

    def take(self, admission: Admission) -> None:
        """Use the workers of another admission from now on."""
        self._admission = admission

    async def close(self) -> None:
        """Do nothing: Dask notifies the scheduler when a call is cancelled."""


async def open_dask_tile_engine(
    spec: EngineSpec, work: TileWork, options: EngineOptions, *, patient: bool = False, is_bulk: bool = False
) -> DaskTileEngine:
    """Open a session and choose the transport: direct calls where every worker is reachable, else Dask tasks.

    Bulk work is always Dask tasks, which come after everybody's tiles.

    Args:
        spec: The engine.
        work: What it does.
        options: How to start the engine.
        patient: Whether an existing scheduler may have no fit workers yet.
        is_bulk: Whether nobody waits for the tiles.

    Returns:
        The engine.

    Raises:
        EngineError: The cluster cannot be opened, or none of its workers can do the work.
    """
    session = await open_session(spec, options, patient=patient)
    try:
        admission = await session.admit(work.places, patient=patient)
        if is_bulk:
            share = BulkShare(is_own=session.cluster is not None)
            return DaskTileEngine(session, SubmitCalls(session, admission, work, share), share)
        direct = DirectCalls(session, admission, work)
        obstacle = await direct.start()
    except BaseException as error:
        await session.close()
        if isinstance(error, OSError):
            raise EngineError(f"the engine {session.description} does not answer: {one_line(error)}") from error
        raise
    if not obstacle:
        return DaskTileEngine(session, direct)
    LOG.warning("tiles go through the scheduler of %s: %s", session.description, obstacle)
    return DaskTileEngine(session, SubmitCalls(session, admission, work))


class DaskTileEngine:
    """Metatiles on a Dask cluster, as long as its session lasts. See ``TileEngine``."""

    def __init__(self, session: ClusterSession, calls: TileCalls, share: BulkShare | None = None) -> None:
        self._share = share
        self._session = session
        self._calls = calls
        self._pending = PendingWork()
        self._closed = False

    @property
    def description(self) -> str:
        """One line for people."""
        return f"{self._session.description}, {self._calls.description}"

    @property
    def in_process(self) -> bool:
        """Whether tasks run in this process."""
        return False

    @property
    def capacity(self) -> int:
        """Number of threads of all workers at present; of bulk work, of places for it."""
        return self._session.capacity if self._share is None else self._share.capacity(self._session.workers)

    @property
    def workers(self) -> int:
        """Number of workers at present."""
        return len(self._session.workers)

    @property
    def kernels(self) -> frozenset[str]:
        """Names of what computes tiles on the workers that were admitted."""
        return frozenset().union(*(admission.kernels for admission in self._session.admissions))

    @property
    def loss(self) -> str:
        """Why the engine will never work again, for one line; empty while it may."""
        session = self._session
        if not session.loss and session.silence_s > SILENCE_S and isinstance(self._calls, SubmitCalls):
            return f"the Dask scheduler of {session.description} does not answer"
        return session.loss

    @property
    def problem(self) -> str:
        """Why the engine cannot work at the moment, for one line; empty where it can."""
        if self.loss or self._calls.idle_s <= self._session.options.unavailable_s:
            return self.loss
        refusals = [text for admission in self._session.admissions if (text := admission.refusal)]
        return f"{self._session.description} has no worker for tiles{': ' + refusals[0] if refusals else ''}"

    def render_inline(self, task: Any) -> None:
        """Leave every task to the workers."""

    async def render(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Render a task on a worker."""
        if self._closed:
            raise EngineError("the engine is closed")
        return await self._pending.run(self._calls.call(task, is_heavy=is_heavy))

    async def move(self, places: Places) -> None:
        """Inspect the workers for other places, then use those that see them."""
        before = list(self._session.admissions)
        self._calls.take(await self._session.admit(places))
        for admission in before:
            await self._session.release(admission)

    async def close(self, reason: EngineError | None = None) -> None:
        """Cancel pending calls and disconnect from the cluster.

        Args:
            reason: What the callers get; None: that the engine was closed.
        """
        if not self._closed:
            self._closed = True
            try:
                await self._pending.cancel(reason)
                await self._calls.close()
            finally:
                await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
