"""Generations of datasets in object storage: uploading one, publishing it, and removing those that count no more."""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.pointer import Published, current_pointers, generation_path, swap_pointer
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.upload_journal import UploadJournal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lazytile.pyramid.storage.object_path import ObjectPath

LOG = logging.getLogger(__name__)
STARTED = ".started"
"""Object of a generation that is being built: it shows at once whether the store can be written."""
_TOKEN_BYTES = 7
_STREAM_BYTES = 16 << 20
"""Larger files are not read whole before they are sent."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The objects of a generation that the next one takes over as they are."""

    generation: ObjectPath
    is_kept: Callable[[str], bool]
    """Of the key relative to the generation."""


class Upload:
    """A generation that becomes the one that counts."""

    def __init__(self, root: ObjectPath, name: str, folder: Path, kept: Kept | None = None) -> None:
        """Begin, or go on where a killed run stopped.

        Args:
            root: Of the store.
            name: Of the dataset.
            folder: Of this machine, with the journals of the build and of the upload, and the metadata.
            kept: What is copied from the generation before.

        Raises:
            StorageError: The store cannot be written.
            StoreError: Its pointer is damaged.
        """
        self._root, self._name, self._folder, self._kept = root, name, folder, kept
        self._before = current_pointers(root).refresh().datasets.get(name)
        self._journal = UploadJournal(folder)
        token = self._journal.token
        if token is None or (self._before is not None and token == self._before.token):
            token = self._journal.begin(secrets.token_hex(_TOKEN_BYTES))
        self.target = generation_path(root, name, Published(token, 0))
        """Where the generation is built."""
        self._put(STARTED, b"")

    def abandon(self) -> None:
        """Remove what was written, as far as that is possible; the next writer removes the rest when it is old."""
        try:
            storage = self.target.storage
            storage.delete([entry.key for entry in storage.list(self.target.key)])
        except StorageError as error:
            LOG.warning("the unfinished %s is left for a later writer to remove: %s", self.target, error)

    def publish(self) -> None:
        """Upload the metadata, copy what is kept, check that both are there, and make it the generation that counts.

        Raises:
            StorageError: The store cannot be written.
            StoreError: Another writer was faster, or an object is missing.
        """
        there = self._listed()
        files = {
            path.relative_to(self._folder).as_posix(): path
            for path in sorted(self._folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        expected = {name: path.stat().st_size for name, path in files.items()}
        self._each(
            lambda item: self._upload(item, there.get(item[0])),
            [(name, path) for name, path in files.items() if name != "zarr.json"],
        )
        expected |= self._copy(files, there)
        # The description last: a prefix without one is no dataset for anybody who lists the bucket.
        self._upload(("zarr.json", files["zarr.json"]), there.get("zarr.json"))
        self._check(expected)
        new = Published(self.target.name, time.time_ns())
        swap_pointer(self._root, self._name, self._before, new)
        _tidy(self._root, self._name, keep=new, replaced=self._before)

    def _put(self, name: str, data: bytes | Path) -> None:
        path = self.target / name
        path.storage.put(path.key, data)

    def _upload(self, item: tuple[str, Path], size_there: int | None) -> None:
        name, path = item
        size = path.stat().st_size
        if size > _STREAM_BYTES:
            digest = self._journal.digest_of(path)
            if size_there != size or not self._journal.has(name, digest):
                self._put(name, path)
                self._journal.add(name, digest)
            return
        data = path.read_bytes()
        digest = self._journal.digest(data)
        if size_there != size or not self._journal.has(name, digest):
            self._put(name, data)
            self._journal.add(name, digest)

    def _copy(self, files: dict[str, Path], there: dict[str, int]) -> dict[str, int]:
        """Copy what is kept of the generation before; return the sizes by name."""
        if self._kept is None:
            return {}
        source, is_kept = self._kept.generation, self._kept.is_kept
        start = len(source.key) + 1
        sizes = {entry.key[start:]: entry.size for entry in source.storage.list(source.key)}
        sizes = {name: size for name, size in sizes.items() if name not in files and is_kept(name)}

        def copy(name: str) -> None:
            source.storage.copy(f"{source.key}/{name}", f"{self.target.key}/{name}")

        try:
            self._each(copy, [name for name, size in sizes.items() if there.get(name) != size])
        except FileNotFoundError as error:
            raise StoreError(
                f"dataset {self._name} in {self._root} was changed meanwhile; repeat the command"
            ) from error
        return sizes

    def _listed(self) -> dict[str, int]:
        start = len(self.target.key) + 1
        return {entry.key[start:]: entry.size for entry in self.target.storage.list(self.target.key)}

    def _check(self, expected: dict[str, int]) -> None:
        there = self._listed()
        for name, size in expected.items():
            if there.get(name) != size:
                state = "is missing" if name not in there else f"has {there[name]} bytes"
                raise StoreError(
                    f"dataset {self._name} is not published: {self.target / name} {state}, expected {size}"
                )
        path = self.target / STARTED
        try:
            path.storage.delete([path.key])
        except StorageError as error:  # some may write and not remove
            LOG.warning("%s; it stays there, and no reader minds it", error)

    @staticmethod
    def _each(function: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Call a function for each item, several at a time; the first failure ends it."""
        threads = StorageOptions.current().requests
        with ThreadPoolExecutor(threads, thread_name_prefix="lazytile-upload") as pool:
            waiting = list(items)
            try:
                for start in range(0, len(waiting), 64 * threads):
                    for _ in pool.map(function, waiting[start : start + 64 * threads]):
                        pass
            finally:
                pool.shutdown(cancel_futures=True)


def remove_dataset(root: ObjectPath, name: str) -> None:
    """Remove a dataset: in one step for readers, then its objects.

    Args:
        root: Of the store.
        name: Of the dataset, which exists.

    Raises:
        StorageError: The store cannot be written.
        StoreError: Another writer has changed it.
    """
    before = current_pointers(root).refresh().datasets.get(name)
    swap_pointer(root, name, before, None)
    _tidy(root, name, keep=None, replaced=before)


def _tidy(root: ObjectPath, name: str, keep: Published | None, replaced: Published | None) -> None:
    """Remove the generation that was replaced, and those that nobody has finished for long."""
    dataset = root / f"{name}.zarr"
    storage = root.storage
    try:
        current_pointers(root).refresh()
        for token in storage.folders(dataset.key):
            if keep is not None and token == keep.token:
                continue
            entries = list(storage.list(f"{dataset.key}/{token}"))
            newest_s = max((entry.modified_s for entry in entries), default=0.0)
            is_replaced = replaced is not None and token == replaced.token
            if is_replaced or time.time() - newest_s > StorageOptions.current().unfinished_s:
                storage.delete(sorted((entry.key for entry in entries), key=lambda key: key.count("/")))
    except StorageError as error:
        LOG.warning("old generations of %s are left for the next writer to remove: %s", dataset, error)
