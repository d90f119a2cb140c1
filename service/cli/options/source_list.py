"""A text file that lists sources, one on each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def read_list(path: Path) -> tuple[list[str], list[str]]:
    """Read the sources of a list and their checksums.

    A line is ``SOURCE`` or ``SOURCE CHECKSUM``; empty lines and lines that begin with ``#`` are ignored.

    Args:
        path: The list.

    Returns:
        The sources, and as many checksums or none.

    Raises:
        SourceError: The list cannot be read, is empty, or has lines of both kinds.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}") from error
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for row in rows:
        if len(row) > 2 or len(row) != len(rows[0]):
            raise SourceError(f"{path}: lines are SOURCE or SOURCE CHECKSUM, all of one kind, not {' '.join(row)!r}")
    if not rows:
        raise SourceError(f"{path} names no file")
    return [row[0] for row in rows], [row[1] for row in rows if len(row) == 2]
