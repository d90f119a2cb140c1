"""Where a source is: a path on this machine, or a URL."""

from __future__ import annotations

import re
from pathlib import Path

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(source: object) -> bool:
    """Return whether a source is named by a URL."""
    return _SCHEME.match(str(source)) is not None


def path_or_url(source: str | Path) -> str | Path:
    """Return the URL or the path that a text names."""
    return str(source) if is_url(source) else Path(source)


def absolute_source(source: str | Path) -> str:
    """Return a URL as it is, a path as an absolute one."""
    return str(source) if is_url(source) else str(Path(source).resolve())


def base_name(source: str | Path) -> str:
    """Return the last part of a path or URL."""
    return str(source).rstrip("/").rpartition("/")[2]


def source_stamp(source: str) -> tuple[int, ...]:
    """Return what tells a file from a changed one; nothing for a URL, whose version is found when it is opened."""
    if is_url(source):
        return ()
    status = Path(source).stat()
    return (status.st_size, status.st_mtime_ns, status.st_ino)
