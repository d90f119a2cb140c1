"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial


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


def _finding(status: Status, check: str, text: str, advice: str = "") -> Finding:
    return Finding(check, status, text, advice)


ok = partial(_finding, Status.OK)
note = partial(_finding, Status.NOTE)
warning = partial(_finding, Status.WARNING)
error = partial(_finding, Status.ERROR)
