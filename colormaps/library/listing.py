"""The colormap files of a catalog at one moment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.colormaps.core.names import check_name, is_name
from lazytile.colormaps.formats.readers import SUFFIXES
from lazytile.colormaps.library.catalog import ColormapCatalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ColormapFile:
    """A colormap file, and what changes whenever its content does."""

    path: Path
    changed: float
    """When it was changed, seconds since the epoch."""
    identity: tuple[int, int, int]
    """Modification time in nanoseconds, inode number and size."""


@dataclass(frozen=True, slots=True)
class ColormapListing(ColormapCatalog):
    """A catalog whose files were listed once: looking a name up touches no disk, reading a colormap does."""

    files: Mapping[str, ColormapFile] = field(default_factory=dict)
    """The files by name of the colormap."""
    version: str = ""
    """Differs between listings of different files or contents."""

    @classmethod
    def of(cls, catalog: ColormapCatalog) -> ColormapListing:
        """List the files of a catalog.

        Args:
            catalog: The catalog.

        Returns:
            Its files as they are now.
        """
        files: dict[str, ColormapFile] = {}
        preference = {suffix: number for number, suffix in enumerate(SUFFIXES)}
        for folder in catalog.folders():
            found = [path for path in folder.iterdir() if path.suffix in preference and is_name(path.stem)]
            for path in sorted(found, key=lambda each: preference[each.suffix]):
                try:
                    status = path.stat()
                except OSError:
                    continue  # removed in the meantime
                if path.stem not in files and path.is_file():
                    identity = (status.st_mtime_ns, status.st_ino, status.st_size)
                    files[path.stem] = ColormapFile(path, status.st_mtime, identity)
        text = repr(sorted((name, str(each.path), each.identity) for name, each in files.items()))
        version = hashlib.sha256(text.encode()).hexdigest()
        return cls(catalog.user_folder, catalog.bundled_folder, files, version)

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted. Computed names such as ``random`` are not among them."""
        return tuple(sorted(self.files))

    def path_of(self, name: str) -> Path | None:
        """Return the file of a colormap.

        Args:
            name: Of the colormap.

        Returns:
            The path; None where there is no such file.

        Raises:
            ColormapError: The name is invalid.
        """
        check_name(name)
        found = self.files.get(name)
        return None if found is None else found.path
