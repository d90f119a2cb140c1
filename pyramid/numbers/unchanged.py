"""Reading a dataset for a task, all of it from the generation that the task was made for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.store.store import StoredDataset

Found = TypeVar("Found")


class ReadingTask(Protocol):
    """A task that reads one dataset."""

    @property
    def store(self) -> str:
        """Folder of the store."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""

    @property
    def generation(self) -> str:
        """Generation of the dataset."""

    @property
    def limit_s(self) -> float:
        """How long the task may take where nothing else can stop it, seconds."""


def read_unchanged(
    task: ReadingTask, stop: StopFlag | None, read: Callable[[StoredDataset, Callable[[], bool]], Found]
) -> Found:
    """Read a dataset, and check before and after that it is what the task was made for.

    Args:
        task: The task.
        stop: Ends the reading once it is set; None: the task's time limit ends it.
        read: Reads; its second argument tells whether to stop, and it then raises ``StoppedError``.

    Returns:
        What ``read`` returns.

    Raises:
        GenerationChangedError: The dataset is no longer the one that the task was made for.
    """
    store = store_at(task.store)
    stored = store.dataset(task.dataset)
    _check(task, stored)
    end = time.monotonic() + task.limit_s

    def is_over() -> bool:
        return time.monotonic() > end if stop is None else stop.is_set

    found = read(stored, is_over)
    _check(task, store.dataset(task.dataset))
    return found


def _check(task: ReadingTask, stored: StoredDataset) -> None:
    if stored.description.generation != task.generation:
        raise GenerationChangedError(f"dataset {task.dataset} has been replaced, ask again")
