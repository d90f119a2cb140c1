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
    if _is_url_or_pattern(word) or Path(word).exists():
        return True
    if looks_like_file(word):
        raise SourceError(f"there is no file {word}, and no such command")
    return False


def looks_like_file(word: str) -> bool:
    """Return whether a word of a command line reads like the name of a file, whether or not there is one.

    Args:
        word: The word.

    Returns:
        True for a URL, a pattern, and a name with a path or a suffix; False for an option.
    """
    return not word.startswith("-") and (_is_url_or_pattern(word) or "/" in word or "." in word)


def _is_url_or_pattern(word: str) -> bool:
    from lazytile.pyramid.fetch.source_url import is_url  # noqa: PLC0415 - not needed for most commands

    return is_url(word) or any(mark in word for mark in "*?[")
