"""Sources as paths on this machine or as URLs."""

from __future__ import annotations

import os
import re
from pathlib import Path

METADATA_NAMES = ("zarr.json", ".zmetadata", ".zgroup")
"""Metadata of a Zarr group at its root: of version 3, of version 2 consolidated, of version 2."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(source: object) -> bool:
    """Return whether a source is a URL.

    Args:
        source: A path or URL.

    Returns:
        True for a URL.
    """
    return _SCHEME.match(str(source)) is not None


def path_or_url(source: str | Path) -> str | Path:
    """Return a source as a path or as the text of a URL.

    Args:
        source: A path or URL.

    Returns:
        A ``Path``, or the URL.
    """
    return str(source) if is_url(source) else Path(source)


def absolute_source(source: str | Path) -> str:
    """Return a source that is valid in any folder.

    Args:
        source: A path or URL.

    Returns:
        An absolute path, or the URL.
    """
    # Unlike that of pathlib, it takes links that lead round in circles for a file that is not there.
    return str(source) if is_url(source) else os.path.realpath(source)


def base_name(source: str | Path) -> str:
    """Return the last part of a path or URL.

    Args:
        source: A path or URL.

    Returns:
        The name of the file or folder.
    """
    return str(source).rstrip("/").rpartition("/")[2]


def source_stamp(source: str) -> tuple[int, ...]:
    """Return what changes when a file changes.

    Args:
        source: A path or URL.

    Returns:
        Size, time of modification and inode, of a folder those of its metadata too; empty for a URL, whose version is
        found when it is opened.
    """
    if is_url(source):
        return ()
    path = Path(source)
    found = [path.stat()]
    if path.is_dir():
        found += [(path / name).stat() for name in METADATA_NAMES if (path / name).is_file()]
    return tuple(number for each in found for number in (each.st_size, each.st_mtime_ns, each.st_ino))
