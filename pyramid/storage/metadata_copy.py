"""A dataset's metadata and coordinates as files of this machine, for libraries that read folders."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.storage.object_path import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ROOT = "zarr.json"


@contextmanager
def local_metadata(
    folder: Path, levels: Collection[int], variables: Collection[str], extra: str = ""
) -> Iterator[Path]:
    """Yield a folder with a dataset's metadata and coordinates, without its data.

    Args:
        folder: Of the dataset. One on this machine is yielded itself.
        levels: Those that are needed.
        variables: Names of the arrays that hold data.
        extra: Another file that arrays of data may have beside their metadata.

    Yields:
        The folder; it must not be changed.

    Raises:
        FileNotFoundError: The dataset lacks metadata.
        StorageError: It cannot be read.
    """
    if not isinstance(folder, ObjectPath):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lazytile-metadata-") as name:
        target = Path(name)
        _fetch(folder, _ROOT, target)
        for level in levels:
            group = folder / str(level)
            _fetch(folder, f"{level}/{_ROOT}", target)
            for array in folder.storage.folders(group.key):
                if array in variables:
                    _fetch(folder, f"{level}/{array}/{_ROOT}", target)
                    if extra and (group / array / extra).exists():
                        _fetch(folder, f"{level}/{array}/{extra}", target)
                    continue
                for entry in folder.storage.list((group / array).key):
                    _fetch(folder, entry.key[len(folder.key) + 1 :], target)
        yield target


def _fetch(folder: ObjectPath, name: str, target: Path) -> None:
    data = (folder / name).read_bytes()
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
