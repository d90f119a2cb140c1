"""Zarr that is no folder of Zarr: Icechunk repositories, and kerchunk's references to chunks of other files.

Each is read through its own package (the extras ``icechunk`` and ``kerchunk``). Of a repository, the branch ``main`` is
read as it is when the file is opened.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

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
    _package(path, KERCHUNK, "a set of kerchunk references")
    fsspec = importlib.import_module("fsspec.implementations.reference")
    storage = importlib.import_module("zarr.storage")
    files = fsspec.ReferenceFileSystem(str(path), remote_protocol="file", asynchronous=True)
    return storage.FsspecStore(files, path=""), ""


def _package(path: Path, name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)  # untyped
    except ImportError as error:
        raise SourceError(f"{path} is {what}, which needs {name}: pip install 'lazytile[{name}]'") from error
