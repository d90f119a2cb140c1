"""A box of cells as a task for an engine: frozen and picklable, read and written where the chunks are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.numbers.unchanged import read_unchanged
from lazytile.pyramid.subsets.csv_table import csv_table
from lazytile.pyramid.subsets.geotiff_file import geotiff_file
from lazytile.pyramid.subsets.netcdf_file import netcdf_file
from lazytile.pyramid.subsets.subset import read_subset
from lazytile.pyramid.subsets.window import window_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.store.store import StoredDataset
    from lazytile.pyramid.subsets.subset import Subset


@dataclass(frozen=True, slots=True)
class SubsetTask:
    """A box of cells to be written as a file."""

    store: str
    """Folder of the store, as the process that computes sees it."""
    dataset: str
    generation: str
    """Generation of the dataset."""
    variable: str
    indices: tuple[tuple[int, ...], ...]
    """Index along the leading dimensions for each step; they differ along the time only."""
    box: Bounds
    """Degrees."""
    form: str
    """``csv``, ``tif`` or ``nc``."""
    max_cells: int
    """Most cells of all steps together."""
    limit_s: float = 30.0
    """How long it may take where nothing else can stop it, seconds."""
    key: str = field(init=False, repr=False, compare=False)
    """Hash of everything that decides the file."""

    def __post_init__(self) -> None:
        parts = (self.dataset, self.generation, self.variable, self.indices, self.box, self.form, self.max_cells)
        # Made where the task is made, in a thread if it is long. The dataclass is frozen.
        object.__setattr__(self, "key", hashlib.sha256(repr(parts).encode()).hexdigest())

    @property
    def locality(self) -> str:
        """Name of what the task reads."""
        return repr((self.dataset, self.generation, self.variable))


def write_subset(task: SubsetTask, stop: StopFlag | None = None) -> tuple[bytes, ...]:
    """Read a box of cells and write it as a file.

    Args:
        task: The task.
        stop: Ends the work once it is set; None: the task's time limit ends it.

    Returns:
        One file.

    Raises:
        GenerationChangedError: The dataset is no longer the one that the task was made for.
        InvalidParameterError: The box has no cell, too many, or cells that the format cannot hold.
        StoreError: A chunk cannot be read.
        StoppedError: ``stop`` was set, or the time limit has passed.
    """

    def read(stored: StoredDataset, is_over: Callable[[], bool]) -> tuple[Subset, Callable[[], bool]]:
        window = window_of(stored.description.grid, task.box, task.max_cells // len(task.indices))
        variable = stored.description.variable(task.variable)
        return read_subset(stored, variable, task.indices, window, is_over), is_over

    subset, is_over = read_unchanged(task, stop, read)
    if task.form == "csv":
        return (csv_table(subset, is_over),)
    return (geotiff_file(subset) if task.form == "tif" else netcdf_file(subset),)
