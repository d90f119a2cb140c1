"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How good a finding is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; more is possible."""
    WARNING = "warning"
    """A server works, but not as it could."""
    ERROR = "error"
    """A server with these settings would not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    status: Status
    text: str
    """What was found, in one line."""
    advice: str = ""
    """What to do, in one line; empty where nothing is to be done."""


def ok(check: str, text: str) -> Finding:
    """Return a finding that all is well.

    Args:
        check: Name of the check.
        text: What was found.

    Returns:
        The finding.
    """
    return Finding(check, Status.OK, text)


def note(check: str, text: str, advice: str = "") -> Finding:
    """Return a finding of something that could be better.

    Args:
        check: Name of the check.
        text: What was found.
        advice: What to do.

    Returns:
        The finding.
    """
    return Finding(check, Status.NOTE, text, advice)


def warning(check: str, text: str, advice: str) -> Finding:
    """Return a finding of something that should be better.

    Args:
        check: Name of the check.
        text: What was found.
        advice: What to do.

    Returns:
        The finding.
    """
    return Finding(check, Status.WARNING, text, advice)


def error(check: str, text: str, advice: str) -> Finding:
    """Return a finding of something that is wrong.

    Args:
        check: Name of the check.
        text: What is wrong.
        advice: What to do.

    Returns:
        The finding.
    """
    return Finding(check, Status.ERROR, text, advice)
