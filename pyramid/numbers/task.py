"""Numbers as a task for an engine: frozen and picklable, computed where the chunks are, returned as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.numbers.statistics import Histogram, RegionStatistics, statistics, values_at
from lazytile.pyramid.numbers.unchanged import read_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.numbers.region import Region
    from lazytile.pyramid.numbers.statistics import PointCell, StatisticsOptions
    from lazytile.pyramid.store.store import StoredDataset


@dataclass(frozen=True, slots=True)
class NumbersTask:
    """Statistics of a ``region``, else values of a ``cell``."""

    store: str
    """Folder of the store, as the process that computes sees it."""
    dataset: str
    generation: str
    """Generation of the dataset."""
    variable: str
    indices: tuple[tuple[int, ...], ...]
    """Index along the leading dimensions: one for a region, any number for a cell."""
    region: Region | None = None
    options: StatisticsOptions | None = None
    cell: PointCell | None = None
    limit_s: float = 30.0
    """How long the computation may take where nothing else can stop it, seconds."""
    key: str = field(init=False, repr=False, compare=False)
    """Hash of everything that decides the numbers."""

    def __post_init__(self) -> None:
        rings = () if self.region is None else tuple(ring.tolist() for ring in self.region.rings)
        parts = (self.dataset, self.generation, self.variable, self.indices, rings, self.options, self.cell)
        # Made where the task is made, in a thread if it is long. The dataclass is frozen.
        object.__setattr__(self, "key", hashlib.sha256(repr(parts).encode()).hexdigest())

    @property
    def locality(self) -> str:
        """Name of what the task reads."""
        return repr((self.dataset, self.generation, self.variable))


def compute(task: NumbersTask, stop: StopFlag | None = None) -> tuple[bytes, ...]:
    """Compute a task.

    Args:
        task: The task.
        stop: Ends the computation once it is set; None: the task's time limit ends it.

    Returns:
        One JSON document, for ``read_statistics`` or ``read_values``.

    Raises:
        GenerationChangedError: The dataset is no longer the one that the task was made for.
        StoreError: A chunk cannot be read.
        StoppedError: ``stop`` was set, or the time limit has passed.
    """

    def read(stored: StoredDataset, is_over: Callable[[], bool]) -> Any:
        variable = stored.description.variable(task.variable)
        if task.region is not None and task.options is not None:
            return asdict(statistics(stored, variable, task.indices[0], task.region, task.options, is_over))
        if task.cell is not None:
            return values_at(stored, variable, task.indices, task.cell, is_over)
        return [None] * len(task.indices)

    return (json.dumps(read_unchanged(task, stop, read)).encode(),)


def read_statistics(document: bytes) -> RegionStatistics:
    """Read the document of a region.

    Args:
        document: JSON from ``compute``.

    Returns:
        The statistics.
    """
    found = json.loads(document)
    histogram = found.pop("histogram")
    percentiles = tuple(found.pop("percentiles"))
    counted = None if histogram is None else Histogram(**{name: tuple(each) for name, each in histogram.items()})
    return RegionStatistics(**found, percentiles=percentiles, histogram=counted)


def read_values(document: bytes) -> list[float | None]:
    """Read the document of a cell.

    Args:
        document: JSON from ``compute``.

    Returns:
        A value for each index, None for no data.
    """
    values: list[float | None] = json.loads(document)
    return values
