"""A dataset's metadata and coordinates as files of this machine, for libraries that read folders."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import GenerationChangedError, StoreError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.pointer import is_current

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ROOT = "zarr.json"
_COORDINATE = ("c/0", "checksums/plane")
"""What a coordinate has besides its metadata: one chunk, and its checksum; that of the CRS has neither."""


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
        GenerationChangedError: In object storage, the dataset was changed meanwhile: its files may be of both states.
        StoreError: In object storage, the dataset lacks metadata.
        StorageError: It cannot be read.
    """
    if not isinstance(folder, ObjectPath):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lazytile-metadata-") as name:
        target, missing = Path(name), None
        try:
            _fetch_all(folder, target, levels, variables, extra)
        except FileNotFoundError as error:
            missing = error
        if not is_current(folder):
            changed = folder.parent.name.removesuffix(".zarr")
            raise GenerationChangedError(f"dataset {changed} was changed meanwhile; repeat the command") from missing
        if missing is not None:
            raise StoreError(f"metadata is missing: {missing}") from missing
        yield target


def _fetch_all(
    folder: ObjectPath, target: Path, levels: Collection[int], variables: Collection[str], extra: str
) -> None:
    root = parse_json(_fetch(folder, _ROOT, target))
    # The root names all nodes, so that nothing is listed: web servers list nothing.
    nodes = [node for node in root["consolidated_metadata"]["metadata"] if int(node.partition("/")[0]) in levels]
    for node in nodes:
        _fetch(folder, f"{node}/{_ROOT}", target)
        array = node.partition("/")[2]
        others = ([extra] if extra else []) if array in variables else _COORDINATE
        for other in others if array else ():
            with suppress(FileNotFoundError):
                _fetch(folder, f"{node}/{other}", target)


def _fetch(folder: ObjectPath, name: str, target: Path) -> bytes:
    """Copy an object, and return its content."""
    data = (folder / name).read_bytes()
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data
