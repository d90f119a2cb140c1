"""Zarr that is no folder of Zarr: Icechunk repositories, and kerchunk's references to chunks of other files.

Each is read through its own package (the extras ``icechunk`` and ``kerchunk``). Of a repository, the branch ``main`` is
read as it is when the file is opened.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from zarr.storage import FsspecStore, ObjectStore

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.formats.remote_zarr import object_store
from lazytile.pyramid.sources.references.reference_store import ReferenceStore
from lazytile.pyramid.sources.references.references import references_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr
    from zarr.abc.store import Store

ICECHUNK = "icechunk"
KERCHUNK = "kerchunk"
BRANCH = "main"
_HEAD_BYTES = 4096


def virtual_engine(path: Path) -> str | None:
    """Return the engine of a repository or of references.

    Args:
        path: A file or folder.

    Returns:
        ``icechunk`` or ``kerchunk``; None for anything else.
    """
    if path.is_dir():
        if (path / "snapshots").is_dir() and ((path / "refs").is_dir() or (path / "repo").is_file()):
            return ICECHUNK
        return KERCHUNK if _is_parquet(path / ".zmetadata") else None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).lstrip()
    except OSError:
        return None
    marks = (b'"refs"', b'".zgroup"', b'"zarr.json"')
    return KERCHUNK if head.startswith(b"{") and any(mark in head for mark in marks) else None


def _is_parquet(metadata: Path) -> bool:
    """Return whether a folder holds references as Parquet, whose metadata state the size of a record."""
    try:
        document = json.loads(metadata.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "record_size" in document


def virtual_store(path: Path, engine: str) -> tuple[Any, str]:
    """Open a repository or references as a store of zarr-python.

    Args:
        path: A file or folder.
        engine: As ``virtual_engine`` returns it.

    Returns:
        The store, and what identifies its content.

    Raises:
        SourceError: The package is not installed.
    """
    if engine == ICECHUNK:
        icechunk = _package(path, ICECHUNK, "an Icechunk repository")
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
        session = repository.readonly_session(BRANCH)
        return session.store, str(session.snapshot_id)
    return reference_store(path, lambda root: ObjectStore(object_store(root), read_only=True)), ""


def reference_store(path: Path, open_root: Callable[[str], Store]) -> Any:
    """Open references as a store of zarr-python.

    Args:
        path: A file of JSON, or a folder of Parquet.
        open_root: Opens the objects of a server or bucket that targets lie at, such as ``https://HOST``.

    Returns:
        The store.

    Raises:
        SourceError: The package is not installed, or the references are damaged.
    """
    _package(path, KERCHUNK, "a set of kerchunk references")
    references = references_of(path)
    if references.is_plain:
        return ReferenceStore(references, open_root)
    if references.remote_roots:
        raise SourceError(
            f"{path} generates references or computes their targets, which is read for files on this machine only"
        )
    fsspec = importlib.import_module("fsspec.implementations.reference")
    files = fsspec.ReferenceFileSystem(str(path), remote_protocol="file", asynchronous=True)
    return FsspecStore(files, path="")


def own_axes(group: xr.Dataset) -> xr.Dataset:
    """Name dimensions without the path of their group, which kerchunk puts before those of HDF5's groups.

    Args:
        group: The variables of a group.

    Returns:
        The same, with the coordinates of these dimensions; the group itself where two would have one name.
    """
    names = {name: str(name).rpartition("/")[2] for name in group.dims}
    changed = {name: short for name, short in names.items() if name != short}
    if not changed or len(set(names.values())) < len(names):
        return group
    return group.swap_dims(changed).set_coords([name for name in changed.values() if name in group])


def _package(path: Path, name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)  # untyped
    except ImportError as error:
        raise SourceError(f"{path} is {what}, which needs {name}: pip install 'lazytile[{name}]'") from error
