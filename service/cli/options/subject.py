"""What the first word of a command line names: a file or a command."""

from __future__ import annotations

from pathlib import Path

from lazytile.pyramid.core.errors import SourceError


def is_subject(word: str) -> bool:
    """Return whether the first word of a command line is a file, not a command.

    Args:
        word: The word.

    Returns:
        True for a URL, an existing path, a pattern, and a name with a path or a suffix.

    Raises:
        SourceError: It is a path, and there is nothing.
    """
    from lazytile.pyramid.fetch.source_url import is_url  # noqa: PLC0415 - not needed for most commands

    if is_url(word) or Path(word).exists() or any(mark in word for mark in "*?["):
        return True
    if "/" in word or "." in word:
        raise SourceError(f"there is no file {word}, and no such command")
    return False
