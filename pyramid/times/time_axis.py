"""A time axis prepared for look-ups: its calendar, its regular runs, and the period of each time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.times.calendars import CALENDARS, DAY_US, SECOND_US, STANDARD, Calendar, Span, parse_iso8601

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.times.calendars import ParsedInstant

SHORTEST_RUN = 3
"""The least number of times in a regular run: any two are a step apart."""


@dataclass(frozen=True, slots=True)
class Step:
    """A duration: months of the calendar, or microseconds."""

    months: int = 0
    microseconds: int = 0

    @property
    def text(self) -> str:
        """The duration in ISO 8601."""
        if self.months:
            return f"P{self.months // 12}Y" if self.months % 12 == 0 else f"P{self.months}M"
        for unit, length in (("D", DAY_US), ("H", 3600 * SECOND_US), ("M", 60 * SECOND_US)):
            if self.microseconds % length == 0:
                return f"P{'' if unit == 'D' else 'T'}{self.microseconds // length}{unit}"
        return f"PT{f'{self.microseconds / SECOND_US:.6f}'.rstrip('0').rstrip('.')}S"


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive times a step apart, from index ``first`` to ``last``."""

    first: int
    last: int
    step: Step | None
    """None for a single time."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The times of a dimension, all of one calendar and ascending."""

    calendar: Calendar
    starts_us: tuple[int, ...]
    """Microseconds since the calendar's year 1 began, ascending."""
    ends_us: tuple[int, ...]
    """End of the period that each time begins: a step later, or the next time."""
    runs: tuple[Run, ...]
    step: Step
    """The shortest step; a day for a single time."""

    def index_of(self, span: Span) -> int | None:
        """Return the index of the first time within a span, else of the time whose period contains its start.

        GIBS selects times in this way: any day of an eight-day composite selects the composite.

        Args:
            span: The span, in the axis's calendar.

        Returns:
            The index, or None if there is no such time.
        """
        at = bisect.bisect_left(self.starts_us, span.start_us)
        if at < len(self.starts_us) and self.starts_us[at] < span.end_us:
            return at
        return at - 1 if at > 0 and span.start_us < self.ends_us[at - 1] else None


@dataclass(frozen=True, slots=True)
class _CachedAxis:
    """An axis with its labels, whose identity is the key: it must not pass to other labels meanwhile."""

    labels: tuple[str, ...]
    axis: TimeAxis | None

    @property
    def nbytes(self) -> int:
        """Approximate size in memory, without the labels, which the dataset's description holds anyway."""
        return 0 if self.axis is None else 80 * len(self.labels) + 300 * len(self.axis.runs)


def time_axis(labels: tuple[str, ...]) -> TimeAxis | None:
    """Return the axis of labels.

    Args:
        labels: Labels of a dimension.

    Returns:
        The axis; None if the labels are not ascending times of one calendar.
    """
    # By identity, since hashing 100,000 labels for each request would cost more than the request.
    cached: _CachedAxis = process.computed(
        "layers", ("time axis", id(labels)), lambda: _CachedAxis(labels, _make(labels))
    )
    return cached.axis


def _make(labels: tuple[str, ...]) -> TimeAxis | None:
    parsed = [parse_iso8601(label) for label in labels]
    for calendar in CALENDARS:
        spans = [calendar.parse(label) for label in labels]
        starts = [span.start_us for span in spans if span is not None]
        if len(starts) == len(labels):
            if any(a >= b for a, b in pairwise(starts)):
                return None
            return _axis(calendar, [each for each in parsed if each is not None], starts)
    return None


def _axis(calendar: Calendar, parsed: Sequence[ParsedInstant], starts: list[int]) -> TimeAxis:
    runs = _runs(parsed, starts)
    step = _shortest(parsed, starts)
    ends = [0] * len(starts)
    for run in runs:
        for at in range(run.first, run.last + 1):
            ends[at] = _end(calendar, parsed[at], starts[at], run.step or step)
    ends = [*(min(end, start) for end, start in zip(ends, starts[1:], strict=False)), ends[-1]]
    return TimeAxis(calendar, tuple(starts), tuple(ends), tuple(runs), step)


def _end(calendar: Calendar, parsed: ParsedInstant, start_us: int, step: Step) -> int:
    return calendar.add_months(parsed, step.months) if step.months else start_us + step.microseconds


def _months_between(first: ParsedInstant, second: ParsedInstant) -> int:
    """Return the months from one time to another; 0 if day of month or time of day differ."""
    if (first.day, first.time_us, first.offset_us) != (second.day, second.time_us, second.offset_us):
        return 0
    return (second.year - first.year) * 12 + second.month - first.month


def _steps(parsed: Sequence[ParsedInstant], starts: Sequence[int], at: int) -> list[Step]:
    """Return the steps that lead from a time to the next."""
    months = _months_between(parsed[at], parsed[at + 1])
    return [*([Step(months=months)] if months else []), Step(microseconds=starts[at + 1] - starts[at])]


def _shortest(parsed: Sequence[ParsedInstant], starts: Sequence[int]) -> Step:
    if len(starts) == 1:
        return Step(microseconds=DAY_US)
    at = min(range(len(starts) - 1), key=lambda at: starts[at + 1] - starts[at])
    return _steps(parsed, starts, at)[0]


def _runs(parsed: Sequence[ParsedInstant], starts: Sequence[int]) -> list[Run]:
    runs, at = [], 0
    while at < len(starts):
        best = Run(at, at, None)
        if at + 1 < len(starts):
            for step in _steps(parsed, starts, at):
                last = at
                while last + 1 < len(starts) and step in _steps(parsed, starts, last):
                    last += 1
                if last > best.last:
                    best = Run(at, last, step)
        if best.last - at + 1 < SHORTEST_RUN:
            best = Run(at, at, None)
        runs.append(best)
        at = best.last + 1
    return runs


def is_standard(axis: TimeAxis | None) -> bool:
    """Return whether an axis is one of the standard calendar.

    Args:
        axis: The axis, if there is one.

    Returns:
        False for None.
    """
    return axis is not None and axis.calendar is STANDARD
