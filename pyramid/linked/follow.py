"""Following the sources of linked datasets: one that has changed is registered anew, which gives it a new generation.

A look costs a few system calls or requests for each dataset, however many tiles are served. Of a folder of Zarr, whose
chunks may be rewritten under the same metadata, a part of the files is looked at each time, all of them in turn.
"""

from __future__ import annotations

import itertools
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import SourceError, StoreError, first_line
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.pyramid.linked.dated_stores import DatedObjects
from lazytile.pyramid.linked.foreign_arrays import witnessed_store
from lazytile.pyramid.linked.foreign_chunks import open_level, opened_source
from lazytile.pyramid.linked.link import link_again
from lazytile.pyramid.linked.record import CHANGED, FILE, read_record
from lazytile.pyramid.linked.source_version import version_of
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.pointer import dataset_folder, is_current
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.dataset import NAME_PATTERN, SUFFIX
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.linked.record import LinkRecord

LOG = logging.getLogger(__name__)
FILES_AT_ONCE = 5000
"""Files of a folder of Zarr that one look compares."""
OPENED_AHEAD = 16
"""Datasets whose sources are open before anybody asks."""
OBJECTS_AT_ONCE = 16
"""Objects of remote Zarr that one look asks the server for."""


class LinkFollower:
    """Looks at the sources of all linked datasets of a store. Belongs to one thread at a time."""

    def __init__(self, store: Path) -> None:
        """Look at nothing yet.

        Args:
            store: Folder of datasets, or a prefix of object storage.
        """
        self._store = store
        self._walks: dict[str, tuple[str, Iterator[bool]]] = {}
        """By dataset: the generation, and the walk through the folders of its source."""
        self._objects: dict[str, tuple[str, list[DatedObjects]]] = {}
        """By dataset: the generation, and the objects that witness it."""
        self._log = QuietLog(LOG)

    def look(self) -> list[str]:
        """Look at every source once, and register those anew that have changed. Blocking.

        Returns:
            The names of the datasets that were registered anew.
        """
        names = linked_names(self._store)
        self._walks = {name: each for name, each in self._walks.items() if name in names}
        self._objects = {name: each for name, each in self._objects.items() if name in names}
        return [name for name in names if self._renewed(name)]

    def _renewed(self, name: str) -> bool:
        condition = f"link of dataset {name}"
        folder = None
        try:
            folder = dataset_folder(self._store, name)
            record = read_record(folder)
            if not (folder / CHANGED).exists() and not self._has_changed(name, folder, record):
                Conditions.current().clear(condition)
                return False
            if not self._is_there(folder) or read_record(folder).generation != record.generation:
                return False  # another process was faster
            link_again(self._store, name)
        except (LazytileError, OSError) as error:
            if folder is None or not self._is_there(folder):
                return False  # it was removed meanwhile, or another process was faster
            self._report(condition, name, error)
            return False
        Conditions.current().clear(condition)
        LOG.info("dataset %s: its source has changed, and was registered anew", name)
        return True

    @staticmethod
    def _is_there(folder: Path) -> bool:
        """Return whether a dataset still has its folder; True where that cannot be told."""
        if not isinstance(folder, ObjectPath):
            return folder.exists()
        with suppress(StorageError, StoreError):
            return is_current(folder)
        return True

    def _report(self, condition: str, name: str, error: Exception) -> None:
        reason = first_line(error)
        what = "cannot be read" if isinstance(error, SourceError | StoreError) else "cannot be registered anew"
        Conditions.current().report(condition, f"its source {what}: {reason}", ready=True)
        self._log.warning("the source of dataset %s %s: %s", name, what, reason)

    def _has_changed(self, name: str, folder: Path, record: LinkRecord) -> bool:
        if version_of(record.paths) != record.version:
            return True
        if any(store.has_changed(OBJECTS_AT_ONCE) for store in self._witnesses(name, folder, record)):
            return True
        generation, walk = self._walks.get(name, ("", iter(())))
        if generation != record.generation:
            walk = iter(())
        found = list(itertools.islice(walk, FILES_AT_ONCE))
        if len(found) < FILES_AT_ONCE:
            walk = _changes_below(record)
            found += itertools.islice(walk, FILES_AT_ONCE - len(found))
        self._walks[name] = (record.generation, walk)
        return any(found)

    def _witnesses(self, name: str, folder: Path, record: LinkRecord) -> list[DatedObjects]:
        """Return the objects of a source that were read on linking, and those that this process has read since."""
        generation, stores = self._objects.get(name, ("", []))
        if generation != record.generation:
            paths = dict.fromkeys(path for path, _, _ in record.witnesses)
            found = [witnessed_store(record, path) for path in paths]
            stores = [each for each in found if isinstance(each, DatedObjects)]
            self._objects[name] = record.generation, stores
        opened = opened_source(folder, record.generation)
        read = [] if opened is None or opened.arrays is None else list(opened.arrays.objects.values())
        return [*stores, *read]


def open_sources(store: Path) -> None:
    """Open the sources of linked datasets in this process, which the first tile of each would else wait for. Blocking.

    Args:
        store: Folder of the datasets; at most ``OPENED_AHEAD`` of them.
    """
    opened = store_at(str(store))
    for name in linked_names(store)[:OPENED_AHEAD]:
        try:
            found = opened.dataset(name)
        except StoreError:
            continue  # whoever asks for it is told
        for variable in found.description.variables:
            open_level(found.path, found.description, variable.name, 0).open()


def linked_names(store: Path) -> list[str]:
    """Return the names of the linked datasets of a store.

    Args:
        store: Folder of datasets, or a prefix of object storage.

    Returns:
        The names, sorted; none where object storage does not answer.
    """
    if isinstance(store, ObjectPath):
        with suppress(StorageError, StoreError):
            return [each.description.name for each in store_at(str(store)).datasets() if each.description.linked]
        return []
    names = (path.parent.name.removesuffix(SUFFIX) for path in store.glob(f"*{SUFFIX}/{FILE}"))
    return sorted(name for name in names if NAME_PATTERN.fullmatch(name))


def _changes_below(record: LinkRecord) -> Iterator[bool]:
    """Yield for each file and folder of the source's folders of Zarr whether it was changed since the record's time."""
    pending = [path for path in record.paths if os.path.isdir(path)]  # noqa: PTH112 - URLs are among them
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir():
                        pending.append(entry.path)
                    yield entry.stat().st_ctime_ns > record.as_of_ns
        except FileNotFoundError:
            yield True
