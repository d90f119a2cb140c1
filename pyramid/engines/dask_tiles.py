"""Tiles on a Dask cluster: by direct calls to the workers, or as Dask tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, Self

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.dask_bulk import cluster_result, open_session
from lazytile.pyramid.engines.direct_calls import DirectCalls
from lazytile.pyramid.engines.pending_work import PendingWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec

LOG = logging.getLogger(__name__)


class TileCalls(Protocol):
    """A transport of tasks to workers and of tiles back."""

    @property
    def description(self) -> str:
        """Short description for people."""
        ...

    async def call(self, task: Any) -> tuple[bytes, ...]:
        """Render a task on some worker. Cancelling the call abandons the task.

        Args:
            task: A ``TileTask``.

        Returns:
            The encoded tiles.
        """
        ...

    async def close(self) -> None:
        """Wait until the workers know of every cancelled call."""
        ...


class SubmitCalls:
    """Tiles as ordinary Dask tasks: 8 to 11 ms per call, only the scheduler must be reachable. See ``TileCalls``."""

    description = "through the scheduler"

    def __init__(self, session: ClusterSession, function: Callable[[Any], tuple[bytes, ...]]) -> None:
        self._session = session
        self._function = function

    async def call(self, task: Any) -> tuple[bytes, ...]:
        """Submit under the task's own key, so that the cluster computes equal tasks of all its clients once."""
        future = self._session.client.submit(self._function, task, key=task.key, pure=True)
        tiles: tuple[bytes, ...] = await cluster_result(self._session, future)
        return tiles

    async def close(self) -> None:
        """Do nothing: Dask notifies the scheduler when a call is cancelled."""


async def open_dask_tile_engine(
    spec: EngineSpec,
    function: Callable[[Any], tuple[bytes, ...]],
    options: EngineOptions,
    locality: Callable[[Any], str] | None,
) -> DaskTileEngine:
    """Open a session and choose the transport: direct calls where every worker is reachable, else Dask tasks.

    Args:
        spec: The engine.
        function: Renders one task; importable on the workers.
        options: How to start the engine.
        locality: Names what a task reads, so that tasks of one name share a worker's caches.

    Returns:
        The engine.

    Raises:
        EngineError: The cluster cannot be opened.
    """
    session = await open_session(spec, options)
    try:
        direct = DirectCalls(session, function, locality)
        obstacle = await direct.start()
    except BaseException:
        await session.close()
        raise
    if not obstacle:
        return DaskTileEngine(session, direct)
    LOG.warning("tiles go through the scheduler of %s: %s", session.description, obstacle)
    return DaskTileEngine(session, SubmitCalls(session, function))


class DaskTileEngine:
    """Metatiles on a Dask cluster. See ``TileEngine``."""

    def __init__(self, session: ClusterSession, calls: TileCalls) -> None:
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
        """Number of threads of all workers at present."""
        return self._session.capacity

    def render_inline(self, task: Any) -> None:
        """Leave every task to the workers."""

    async def render(self, task: Any) -> tuple[bytes, ...]:
        """Render a task on a worker."""
        if self._closed:
            raise EngineError("the engine is closed")
        return await self._pending.run(self._calls.call(task))

    async def close(self) -> None:
        """Cancel pending calls and disconnect from the cluster."""
        if not self._closed:
            self._closed = True
            try:
                await self._pending.cancel()
                await self._calls.close()
            finally:
                await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
