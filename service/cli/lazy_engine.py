"""The engine of a command, started when there is something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lazytile.pyramid.engines.protocol import BulkEngine


class LazyEngine:
    """The ``BulkEngine`` that was asked for, started when there is something to do.

    What is wrong with a source or a layer is then said at once, not after a cluster has come up.
    """

    def __init__(self, engine: str, workers: int | None, dashboard: str | None) -> None:
        self._spec = EngineSpec.parse(engine)
        self._options = EngineOptions(workers=workers, dashboard=dashboard)
        self._engine: BulkEngine | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return self._opened().description

    @property
    def capacity(self) -> int:
        """How many tasks run at the same time."""
        return self._opened().capacity

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], *, label: str) -> Iterator[Any]:
        """Yield results as they finish."""
        return self._opened().map(function, items, label=label)

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
            self._engine = open_bulk_engine(self._spec, self._options)
        return self._engine
