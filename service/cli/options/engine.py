"""The engine that a command works on, started when there is something to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from lazytile.pyramid.cluster.places import NOWHERE, Places
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import EngineError, EngineStartError
from lazytile.pyramid.core.memory_size import default_memory_bytes, machine_memory_bytes, parse_memory
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.service.cli.options.common import (
    DashboardOption,  # noqa: TC001 - Typer reads annotations
    EngineOption,  # noqa: TC001
    ExportMemoryOption,  # noqa: TC001
    WorkersOption,  # noqa: TC001
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lazytile.pyramid.engines.protocol import BulkEngine


@dataclass(frozen=True, slots=True)
class BulkEngineOptions:
    """The options that select an engine."""

    engine: EngineOption = "auto"
    workers: WorkersOption = None
    dashboard: DashboardOption = None

    def open(self) -> LazyEngine:
        """Return the engine, not started yet.

        Raises:
            EngineError: There is no such engine.
        """
        return LazyEngine(self.engine, self.workers, self.dashboard)


@dataclass(frozen=True, slots=True)
class RenderingEngineOptions(BulkEngineOptions):
    """The options that select an engine for rendering, which has caches."""

    memory: ExportMemoryOption = None

    def open(self) -> LazyEngine:
        """Install the caches of this process and return the engine, not started yet.

        Raises:
            EngineError: There is no such engine, or the memory is no size.
        """
        processes = 1
        if EngineSpec.parse(self.engine).kind in {"local", "cuda"}:
            processes = self.workers or processor_count()
        return LazyEngine(self.engine, self.workers, self.dashboard, install_caches(self.memory, processes))


def install_caches(memory: str | None, processes: int = 1) -> CacheBudget:
    """Make the caches of this process.

    By default they are small: an export needs most chunks once. A cache that has room for all of them is filled with
    them instead of using the memory of the last ones again, and new memory costs more than the chunks in it.

    Args:
        memory: The option ``--memory``.
        processes: Number of processes that share them.

    Returns:
        Their budget, which the workers of an engine divide among them.

    Raises:
        EngineError: The option is no size.
    """
    try:
        if memory is None:
            size = min(default_memory_bytes(), processes * process.LIBRARY_BYTES)
        else:
            size = parse_memory(memory, machine_memory_bytes())
    except ValueError as error:
        raise EngineError(f"--memory {error}") from error
    budget = CacheBudget.renderer(size)
    process.install(budget)
    return budget


class LazyEngine:
    """An engine that starts with its first task, so that an invalid source or layer is reported at once.

    See ``BulkEngine``.
    """

    def __init__(
        self, engine: str, workers: int | None, dashboard: str | None, caches: CacheBudget | None = None
    ) -> None:
        self._spec = EngineSpec.parse(engine)
        self._options = EngineOptions(workers=workers, dashboard=dashboard, caches=caches)
        self._engine: BulkEngine | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return self._opened().description

    @property
    def capacity(self) -> int:
        """How many tasks run at the same time."""
        return self._opened().capacity

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], *, label: str, places: Places = NOWHERE
    ) -> Iterator[Any]:
        """Yield results as they finish."""
        return self._opened().map(function, items, label=label, places=places)

    def close(self) -> None:
        """Stop the engine if it was started."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> BulkEngine:
        if self._engine is None:
            options = self._options
            if self._spec.kind == "cuda" and options.caches is not None:  # only what renders has caches
                from lazytile.pyramid.cuda.worker import start_kernel  # noqa: PLC0415 - imports NumPy

                options = replace(options, start_gpu=start_kernel)
            try:
                self._engine = open_bulk_engine(self._spec, options)
            except EngineError as error:
                raise EngineStartError(str(error)) from error
        return self._engine
