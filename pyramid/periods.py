"""Regular runs in a list of instants, as ISO 8601 ``start/end/period`` (OGC 06-042, annex D, as GIBS uses it)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lazytile.pyramid.times import instants_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST_RUN = 3
"""Two instants are always regular and say nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """A duration: months of the calendar, or seconds."""

    months: int = 0
    seconds: float = 0

    @property
    def text(self) -> str:
        """As ISO 8601 spells it."""
        if self.months:
            return f"P{self.months // 12}Y" if self.months % 12 == 0 else f"P{self.months}M"
        return _seconds_text(self.seconds)

    def fits(self, start: datetime, end: datetime) -> bool:
        """Tell whether ``end`` is one step after ``start``."""
        return _months_between(start, end) == self.months if self.months else _seconds(start, end) == self.seconds


def _seconds_text(seconds: float) -> str:
    for unit, length in (("D", 86400), ("H", 3600), ("M", 60)):
        if seconds % length == 0:
            return f"P{'' if unit == 'D' else 'T'}{seconds / length:.0f}{unit}"
    return f"PT{seconds:g}S"


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(seconds=1)


def _months_between(start: datetime, end: datetime) -> int:
    """Months from one instant to another of the same day of month and time of day; 0 where that differs."""
    if (start.day, start.timetz()) != (end.day, end.timetz()):
        return 0
    return (end.year - start.year) * 12 + end.month - start.month


def _steps_from(start: datetime, end: datetime) -> list[Step]:
    months = _months_between(start, end)
    return [*([Step(months=months)] if months else []), Step(seconds=_seconds(start, end))]


def _run_end(instants: Sequence[datetime], start: int, step: Step) -> int:
    """Return the index of the last instant of the run that begins at ``start``."""
    end = start
    while end + 1 < len(instants) and step.fits(instants[end], instants[end + 1]):
        end += 1
    return end


def periods_of(labels: tuple[str, ...]) -> list[str]:
    """Return labels as few values: ``start/end/period`` for each regular run, the label itself outside of any.

    Labels that are no instants come back as they are. Gaps stay gaps: nothing is in a period that is not a label.
    """
    instants = instants_of(labels)
    if instants is None:
        return list(labels)
    values, at = [], 0
    while at < len(labels):
        best = None
        if at + 1 < len(labels):
            runs = [(_run_end(instants, at, step), step) for step in _steps_from(instants[at], instants[at + 1])]
            best = max(runs, key=lambda run: run[0])
        if best is not None and best[0] - at + 1 >= SHORTEST_RUN:
            values.append(f"{labels[at]}/{labels[best[0]]}/{best[1].text}")
            at = best[0] + 1
        else:
            values.append(labels[at])
            at += 1
    return values
