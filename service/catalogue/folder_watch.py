"""Changes of the store and of the colormap folders, as the kernel reports them (inotify(7))."""

from __future__ import annotations

import errno
import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.store.dataset import NAME_PATTERN, SUFFIX
from lazytile.service.catalogue.local_disks import LocalDisks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOG = logging.getLogger(__name__)
_DESCRIPTION = "zarr.json"
_ENTRIES = 0x004 | 0x008 | 0x040 | 0x080 | 0x100 | 0x200
"""IN_ATTRIB, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE: an entry of a folder changed."""
_GONE = 0x400 | 0x800 | 0x2000 | 0x8000
"""IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_IGNORED: the folder itself is gone."""
_SELF = 0x400 | 0x800
_OVERFLOW = 0x4000
"""IN_Q_OVERFLOW: the kernel dropped events."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed."""

    names: frozenset[str] = frozenset()
    """Datasets that may have changed."""
    everything: bool = False
    """Whether any dataset may have."""
    colormaps: bool = False


class FolderWatch:
    """Watches a store, its datasets and the folders of colormaps.

    Folders that do not exist, file systems that other machines change, and systems or limits without inotify cannot be
    watched; ``sees`` and ``sees_colormaps`` tell.
    """

    def __init__(self, store: Path, colormaps: Iterable[Path], disks: LocalDisks | None = None) -> None:
        """Watch nothing yet; ``add`` does.

        Args:
            store: Folder of the datasets.
            colormaps: Folders of colormaps.
            disks: The file systems; by default those of this machine.
        """
        self._store = store
        self._colormaps = tuple(colormaps)
        self._disks = disks
        self._notify = _inotify()
        self._folders: dict[int, Path] = {}
        """The folder of each watch."""
        self._watches: dict[Path, int] = {}
        self._unseen: set[str] = set()
        """Datasets whose own folder cannot be watched. Never changed, only replaced: the loop reads it."""
        self._is_full = False
        self.sees_colormaps = False
        """Whether every change of a colormap file is seen."""

    def fileno(self) -> int | None:
        """Return what becomes readable when something changes; None where nothing can be watched."""
        return None if self._notify is None else int(self._notify.fileno())

    def sees(self, name: str) -> bool:
        """Return whether every change of a dataset is seen, also its creation.

        Args:
            name: Of the dataset.

        Returns:
            False where its folder, or the store, is not watched.
        """
        return self._store in self._watches and name not in self._unseen

    @property
    def sees_all(self) -> bool:
        """Whether every change of every dataset is seen."""
        return self._store in self._watches and not self._unseen

    def add_store(self) -> bool:
        """Watch the store itself, as it is now.

        Returns:
            Whether it has become another folder since the last call.
        """
        before = self._watches.get(self._store)
        self._watch(self._store, self._disks or LocalDisks())
        return self._watches.get(self._store) != before

    def add(self, names: Iterable[str]) -> None:
        """Watch the folders of datasets, before they are read. May block.

        Args:
            names: Of the datasets.
        """
        if self._store not in self._watches:
            return
        disks = self._disks or LocalDisks()
        unseen = set(self._unseen)
        for name in names:
            folder = self._store / f"{name}{SUFFIX}"
            if self._watch(folder, disks) or not folder.exists():
                unseen.discard(name)
            else:
                unseen.add(name)
        self._unseen = unseen

    def add_colormaps(self) -> None:
        """Watch the folders of colormaps."""
        disks = self._disks or LocalDisks()
        seen = [self._watch(folder, disks) for folder in self._colormaps]
        self.sees_colormaps = all(seen)

    def changes(self) -> Changes:
        """Return what has changed since the last call. Never blocks."""
        names: set[str] = set()
        everything = colormaps = False
        for number, mask, _, entry in () if self._notify is None else self._notify.read(timeout=0):
            folder = self._folders.get(number)
            if mask & _OVERFLOW:
                everything = colormaps = True
            elif folder is None:
                continue  # of a watch that was replaced
            elif folder == self._store:
                everything = everything or bool(mask & _GONE)
                name = entry.removesuffix(SUFFIX)
                if name != entry and NAME_PATTERN.fullmatch(name):
                    names.add(name)
            elif folder in self._colormaps:
                colormaps = True
            elif entry == _DESCRIPTION or mask & _GONE:
                names.add(folder.name.removesuffix(SUFFIX))
            if mask & _GONE and folder is not None:
                self._forget(folder, number)
        return Changes(frozenset(names), everything, colormaps)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._notify is not None:
            self._notify.close()
            self._notify = None
            self._watches.clear()

    def _watch(self, folder: Path, disks: LocalDisks) -> bool:
        """Watch a folder, or the one that has replaced it; tell whether its changes are seen."""
        number = None
        if self._notify is not None and disks.has(folder):
            try:
                number = int(self._notify.add_watch(folder, _ENTRIES | _SELF))
            except OSError as error:
                if error.errno == errno.ENOSPC and not self._is_full:
                    self._is_full = True
                    LOG.warning("some folders are polled: no more can be watched (fs.inotify.max_user_watches)")
        known = self._watches.get(folder)
        if known is not None and known != number:
            self._forget(folder, known)
        if number is None:
            return False
        self._folders[number] = folder
        self._watches[folder] = number
        return True

    def _forget(self, folder: Path, number: int) -> None:
        self._folders.pop(number, None)
        if self._watches.get(folder) == number:
            del self._watches[folder]


def _inotify() -> Any | None:
    """Return a queue of events of the kernel, None where there is none."""
    try:
        return importlib.import_module("inotify_simple").INotify(nonblocking=True)
    except (ImportError, OSError, AttributeError):
        return None  # not Linux, or fs.inotify.max_user_instances is reached
