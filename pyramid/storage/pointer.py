"""The pointer of a store in object storage: one small object that names the generation of each dataset that counts."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.protocol import ConflictError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

POINTER = "datasets.json"
"""Name of the object, in the store."""
FORMAT = 1
LEAST_S = 0.1
"""Looks that many threads ask for at once are one, if none is older."""
_LIMIT_BYTES = 64 << 20
_LATEST_NS = 2**63 - 1
_SWAPS = 40
"""Attempts to swap the pointer while other writers do."""
_PAUSE_S = 2.0
"""Longest pause between two of them."""


@dataclass(frozen=True, slots=True)
class Published:
    """The generation of a dataset that counts."""

    token: str
    """Name of its prefix below that of the dataset, hexadecimal digits, never used again."""
    published_ns: int
    """Time of publication, nanoseconds since 1970, by the writer's clock."""

    def __post_init__(self) -> None:
        int(self.token, 16)
        if not 0 <= self.published_ns <= _LATEST_NS:
            raise ValueError(f"published_ns is no time: {self.published_ns:.6g}")

    @property
    def stamp(self) -> tuple[int, int, int]:
        """What changes whenever the dataset does, the time first."""
        return self.published_ns, int(self.token, 16), 0


@dataclass(frozen=True, slots=True)
class Pointers:
    """The content of the pointer."""

    datasets: Mapping[str, Published] = field(default_factory=dict)
    etag: str = ""
    """Of the object; empty where there is none yet."""


def read_pointers(root: ObjectPath) -> Pointers:
    """Read the pointer of a store.

    Args:
        root: Of the store.

    Returns:
        Its content; nothing where there is no pointer yet.

    Raises:
        StorageError: It cannot be read.
        StoreError: It is damaged or of a newer format.
    """
    path = root / POINTER
    found = path.storage.get(path.key, _LIMIT_BYTES)
    if found is None:
        return Pointers()
    try:
        document: Any = parse_json(found.data)
        if document["format"] > FORMAT:
            raise StoreError(f"{path} has the format {document['format']}, this version reads {FORMAT}")
        datasets = {
            str(name): Published(str(entry["token"]), int(entry["published_ns"]))
            for name, entry in document["datasets"].items()
        }
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is no pointer of a store: {type(error).__name__}: {error}") from error
    return Pointers(datasets, found.etag)


def swap_pointer(root: ObjectPath, name: str, old: Published | None, new: Published | None) -> None:
    """Replace the generation of a dataset, if it is still the one that the writer began with.

    Args:
        root: Of the store.
        name: Of the dataset.
        old: Its generation before; None: there was none.
        new: Its generation afterwards; None: none.

    Raises:
        StoreError: Another writer was faster.
        StorageError: The pointer cannot be written.
    """
    path = root / POINTER
    for attempt in range(_SWAPS):
        before = read_pointers(root)
        there = before.datasets.get(name)
        if there == new:
            return  # the answer to an earlier attempt was lost
        if there != old:
            raise StoreError(f"dataset {name} in {root} was changed meanwhile by another writer; repeat the command")
        datasets = {**before.datasets, name: new}
        document = {
            "format": FORMAT,
            "datasets": {
                each: {"token": at.token, "published_ns": at.published_ns}
                for each, at in sorted(datasets.items())
                if at is not None
            },
        }
        data = json.dumps(document, indent=1).encode()
        try:
            path.storage.put(path.key, data, if_absent=not before.etag, if_match=before.etag or None)
        except ConflictError:
            time.sleep(random.uniform(0.01, min(_PAUSE_S, 0.05 * 2**attempt)))  # noqa: S311 - no secret
        else:
            return
    raise StoreError(f"{path} was changed by others {_SWAPS} times in a row; repeat the command")


class CurrentPointers:
    """The pointer as this process last saw it, looked at again after a few seconds. Thread-safe."""

    def __init__(self, root: ObjectPath, poll_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet.

        Args:
            root: Of the store.
            poll_s: A look holds for this time.
            clock: Seconds that only grow.
        """
        self._root = root
        self._poll_s = poll_s
        self._clock = clock
        self._seen: Pointers | None = None
        self._looked_at = 0.0
        self._lock = threading.Lock()

    def get(self) -> Pointers:
        """Return the pointer, at most ``poll_s`` old, or somewhat older while one thread looks, or nothing answers.

        Raises:
            StorageError: It was never read, and cannot be read now.
            StoreError: It is damaged, and was never read.
        """
        seen = self._seen
        if seen is None:
            return self.refresh(self._poll_s)
        if self._clock() - self._looked_at >= self._poll_s and self._lock.acquire(blocking=False):
            try:
                with suppress(StorageError, StoreError):  # a condition says so, and generations never change
                    self._look()
            finally:
                self._lock.release()
        return self._seen or seen

    def refresh(self, least_s: float = 0.0) -> Pointers:
        """Look at the pointer now.

        Args:
            least_s: A look that is no older holds.

        Returns:
            The pointer.

        Raises:
            StorageError: It cannot be read now.
            StoreError: It is damaged.
        """
        asked_at = self._clock()
        with self._lock:
            if self._seen is None or self._looked_at <= asked_at - least_s:
                self._look()
            assert self._seen is not None
            return self._seen

    def _look(self) -> None:
        self._looked_at = self._clock()  # also where it fails: the next look waits as long
        try:
            self._seen = read_pointers(self._root)
        except (StorageError, StoreError) as error:
            Conditions.current().report(f"store {self._root}", str(error), ready=True)
            raise
        Conditions.current().clear(f"store {self._root}")


def generation_path(root: ObjectPath, name: str, published: Published) -> ObjectPath:
    """Return the prefix of a generation.

    Args:
        root: Of the store.
        name: Of the dataset.
        published: The generation.

    Returns:
        The path ``ROOT/NAME.zarr/TOKEN``.
    """
    return root / f"{name}.zarr" / published.token


def dataset_folder(store: Path, name: str) -> Path:
    """Return the folder of a dataset; in object storage, the prefix of the generation that was seen last.

    Args:
        store: Of the dataset.
        name: Of the dataset.

    Returns:
        The folder.

    Raises:
        DatasetNotFoundError: Object storage has no such dataset.
        StoreUnavailableError: It cannot be reached.
    """
    if not isinstance(store, ObjectPath):
        return store / f"{name}.zarr"
    try:
        published = current_pointers(store).get().datasets.get(name)
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    if published is None:
        raise DatasetNotFoundError(f"the store {store} has no dataset {name!r}")
    return generation_path(store, name, published)


def is_current(generation: ObjectPath) -> bool:
    """Return whether a generation is the one that counts, by a look at the pointer.

    Args:
        generation: Its prefix.

    Returns:
        Whether it is.

    Raises:
        StorageError: The pointer cannot be read.
        StoreError: It is damaged.
    """
    dataset = generation.parent
    pointers = current_pointers(dataset.parent).refresh(LEAST_S)
    published = pointers.datasets.get(dataset.name.removesuffix(".zarr"))
    return published is not None and published.token == generation.name


def current_pointers(root: ObjectPath) -> CurrentPointers:
    """Return this process's view of a store's pointer.

    Args:
        root: Of the store.

    Returns:
        The view, one for all readers of the store.
    """
    return process.current().resource(
        ("pointers", str(root)), lambda: CurrentPointers(root, StorageOptions.current().poll_s)
    )
