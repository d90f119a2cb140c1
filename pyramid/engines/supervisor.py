"""The supervisor of a tile engine on a cluster: it notices a loss, answers meanwhile, and connects again.

While the cluster is not available every task is refused at once, or rendered by threads of this process where that is
set. A change of state is one line in the log and one condition of the process.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Self

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import EngineError, EngineUnavailableError
from lazytile.pyramid.engines.dask_session import is_cancelled
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from lazytile.pyramid.cluster.places import Places
    from lazytile.pyramid.engines.dask_tiles import DaskTileEngine
    from lazytile.pyramid.engines.protocol import TileEngine

LOG = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.25
"""How often the engine's state is looked at."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 4.0
"""Between two attempts to connect; each pause is twice the one before, less a random part of up to a half."""
CONDITION = "engine"


class SupervisedTileEngine:
    """A tile engine on a cluster that is opened again whenever it is lost. See ``TileEngine``."""

    def __init__(
        self,
        name: str,
        reopen: Callable[[Places], Awaitable[DaskTileEngine]],
        places: Places,
        engine: DaskTileEngine | None,
        *,
        problem: str = "",
        fallback: Callable[[], TileEngine] | None = None,
    ) -> None:
        """Supervise an engine.

        Args:
            name: Of the engine, for messages.
            reopen: Opens the engine again, for tasks that read some places.
            places: What tasks read at first.
            engine: The open engine; None where it could not be opened yet.
            problem: Why it could not.
            fallback: Opens the engine that renders meanwhile; None: tasks are refused.
        """
        self._name = name
        self._reopen = reopen
        self._places = places
        self._engine = engine
        self._open_fallback = fallback
        self._fallback: TileEngine | None = None
        self._problem = ""
        """Why the engine cannot work at the moment."""
        self._since = 0.0
        self._is_closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self._description = engine.description if engine is not None else name
        self._capacity = engine.capacity if engine is not None else 1
        self._note(problem)
        self._supervision = asyncio.create_task(self._supervise())

    @property
    def description(self) -> str:
        """One line for people."""
        return f"{self._description}, not available: {self._problem}" if self._problem else self._description

    @property
    def capacity(self) -> int:
        """Number of threads of all workers; while the cluster is not available, as before."""
        if self._engine is not None:
            self._capacity = self._engine.capacity
        return self._capacity

    @property
    def workers(self) -> int:
        """Number of workers at present; none while the cluster is not available."""
        return 0 if self._engine is None else self._engine.workers

    @property
    def in_process(self) -> bool:
        """Whether tasks run in this process: as a rule they do not."""
        return False

    @property
    def kernels(self) -> frozenset[str]:
        """Names of what computes tiles on the workers; none while the cluster is not available."""
        return frozenset() if self._engine is None else self._engine.kernels

    def render_inline(self, task: Any) -> None:
        """Leave every task to the workers."""

    async def render(self, task: Any, *, is_heavy: bool = False) -> tuple[bytes, ...]:
        """Render a task on a worker; refuse it, or render it here, while the cluster is not available."""
        if self._is_closed:
            raise EngineError("the engine is closed")
        if self._engine is not None and not self._problem:
            try:
                return await self._engine.render(task, is_heavy=is_heavy)
            except EngineUnavailableError:
                if self._open_fallback is None:
                    raise
        if self._open_fallback is None:
            raise EngineUnavailableError(self._problem or f"the engine {self._name} is not available")
        if self._fallback is None:
            self._fallback = self._open_fallback()
        return await self._fallback.render(task, is_heavy=is_heavy)

    async def _supervise(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            engine = self._engine
            if engine is None:
                try:
                    engine = self._engine = await self._reopen(self._places)
                except (Exception, asyncio.CancelledError) as error:
                    if is_cancelled():
                        raise
                    self._note(str(error) if isinstance(error, EngineError) else one_line(error))
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - so that fronts do not meet
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                pause_s = FIRST_PAUSE_S
                self._description = engine.description
            self._note(engine.problem)
            if engine.loss:
                self._engine = None
                self._close(engine)
            else:
                await asyncio.sleep(CHECK_INTERVAL_S)

    def _note(self, problem: str) -> None:
        """Log and report a change of state."""
        if problem == self._problem:
            return
        was_available, self._problem = not self._problem, problem
        if not problem:
            LOG.warning("the engine %s is available again after %.1f s", self._name, time.monotonic() - self._since)
            Conditions.current().clear(CONDITION)
            return
        has_fallback = self._open_fallback is not None
        meanwhile = "threads of this process render tiles meanwhile" if has_fallback else "tiles are refused meanwhile"
        if was_available:
            self._since = time.monotonic()
            LOG.warning("the engine %s is not available: %s; %s", self._name, problem, meanwhile)
        Conditions.current().report(CONDITION, f"{problem}; {meanwhile}", ready=has_fallback)

    def _close(self, engine: DaskTileEngine) -> None:
        """Close a lost engine in the background; its callers learn of the loss at once."""
        closing = asyncio.create_task(engine.close(EngineUnavailableError(engine.loss)))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def move(self, places: Places) -> None:
        """Inspect the workers for other places; while the cluster is lost, those of the next session."""
        if places != self._places:
            if self._engine is not None:
                await self._engine.move(places)
            self._places = places

    async def close(self) -> None:
        """Stop to supervise, and close the engine and what stood in for it."""
        self._is_closed = True
        self._supervision.cancel()
        await asyncio.gather(self._supervision, return_exceptions=True)
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
        if self._fallback is not None:
            await self._fallback.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
        Conditions.current().clear(CONDITION)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
