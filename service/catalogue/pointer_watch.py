"""Changes of a store in object storage: its pointer is looked at again and again, never for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.pointer import current_pointers
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.service.catalogue.folder_watch import FolderWatch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lazytile.service.catalogue.local_disks import LocalDisks


class PointerWatch(FolderWatch):
    """Watches the pointer of a store, and the folders of colormaps as ``FolderWatch`` does.

    A change is seen at the next look. Until then requests get the generation before, which never changes.
    """

    def __init__(self, store: Path, colormaps: Iterable[Path], disks: LocalDisks | None = None) -> None:
        """Watch nothing yet.

        Args:
            store: In object storage.
            colormaps: Folders of colormaps.
            disks: The file systems; by default those of this machine.
        """
        super().__init__(store, colormaps, disks)
        assert isinstance(store, ObjectPath)
        self._pointers = current_pointers(store)
        self._etag: str | None = None

    def sees(self, name: str) -> bool:  # noqa: ARG002 - as in ``FolderWatch``
        """Return True: no request waits for a look at the pointer.

        Args:
            name: Of the dataset.

        Returns:
            True.
        """
        return True

    @property
    def sees_all(self) -> bool:
        """True, as ``sees``."""
        return True

    def add_store(self) -> bool:
        """Look at the pointer, unless it was looked at a moment ago.

        Returns:
            Whether it has changed since the last call, or cannot be read.
        """
        before = self._etag
        try:
            self._etag = self._pointers.get().etag
        except (StorageError, StoreError):
            return True
        return self._etag != before

    def add(self, names: Iterable[str]) -> None:
        """Watch nothing more: the pointer tells of every dataset.

        Args:
            names: Of the datasets.
        """
