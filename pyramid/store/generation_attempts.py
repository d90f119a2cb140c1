"""Work on a dataset that is replaced while the work is in progress: recognizing it, and trying again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from lazytile.pyramid.core.errors import GenerationChangedError, StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.pointer import is_current
from lazytile.pyramid.storage.protocol import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from lazytile.pyramid.store.dataset import Dataset

ATTEMPTS = 2
"""A dataset may be replaced after a request is resolved; the second attempt resolves the new one."""


def generation_attempts() -> Iterator[GenerationAttempt]:
    """Yield attempts until one succeeds; for synchronous and asynchronous code alike.

    Each attempt must resolve again what depends on a generation::

        for attempt in generation_attempts():
            with attempt:
                tile = render(resolve(address))

    Yields:
        Context managers. All but the last suppress ``GenerationChangedError``; other exceptions pass through.
    """
    for number in range(1, ATTEMPTS + 1):
        attempt = GenerationAttempt(is_first=number == 1, is_last=number == ATTEMPTS)
        yield attempt
        if attempt.has_succeeded:
            return


class GenerationAttempt:
    """One attempt."""

    def __init__(self, *, is_first: bool, is_last: bool) -> None:
        self.is_repeated = not is_first
        """Whether the dataset was replaced during the attempt before: it must be read again."""
        self._is_last = is_last
        self.has_succeeded = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.has_succeeded = error is None
        return isinstance(error, GenerationChangedError) and not self._is_last


class OpenedFolder(Protocol):
    """A dataset that was opened, and what its folder was like then."""

    path: Path
    description: Dataset
    stamp: tuple[int, int, int]
    """Of the file that the description was read from."""


def is_opened(stored: OpenedFolder, root: int | None = None) -> bool:
    """Return whether a folder still holds the state of a dataset that was opened.

    Args:
        stored: The dataset.
        root: Its folder, open; None: whatever has its name now.

    Returns:
        Whether it does.

    Raises:
        StoreUnavailableError: Object storage does not tell.
    """
    if isinstance(stored.path, ObjectPath):
        try:
            return is_current(stored.path)
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
    try:
        status = os.stat(stored.path / "zarr.json" if root is None else "zarr.json", dir_fd=root)
    except OSError:
        return False
    return (status.st_mtime_ns, status.st_ino, status.st_size) == stored.stamp


def check_opened(stored: OpenedFolder, root: int | None = None) -> None:
    """Check that a folder still holds the state of a dataset that was opened.

    Args:
        stored: The dataset.
        root: Its folder, open; None: whatever has its name now.

    Raises:
        GenerationChangedError: It no longer does.
    """
    if not is_opened(stored, root):
        raise GenerationChangedError(f"dataset {stored.description.name} has been replaced, repeat the request")
