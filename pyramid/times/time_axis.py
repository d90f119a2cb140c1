"""A time axis made ready for look-ups: its calendar, its regular runs, and what each of its times stands for."""

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
"""Two instants are always regular and say nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """A duration: months of the calendar, or microseconds."""

    months: int = 0
    microseconds: int = 0

    @property
    def text(self) -> str:
        """As ISO 8601 spells it."""
        if self.months:
            return f"P{self.months // 12}Y" if self.months % 12 == 0 else f"P{self.months}M"
        for unit, length in (("D", DAY_US), ("H", 3600 * SECOND_US), ("M", 60 * SECOND_US)):
            if self.microseconds % length == 0:
                return f"P{'' if unit == 'D' else 'T'}{self.microseconds // length}{unit}"
        return f"PT{f'{self.microseconds / SECOND_US:.6f}'.rstrip('0').rstrip('.')}S"


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring times a step apart; both ends are included."""

    first: int
    last: int
    step: Step | None
    """None for a single time."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The times of a dimension, all of them readable and in order."""

    calendar: Calendar
    starts_us: tuple[int, ...]
    """Ascending; in microseconds of the calendar."""
    ends_us: tuple[int, ...]
    """Where the period ends that each time stands for: a step later, or where the next time is."""
    runs: tuple[Run, ...]
    step: Step
    """The shortest there is; a day where there is but one time."""

    def index_of(self, span: Span) -> int | None:
        """Return the index of the first time within a span, else of the one whose period its start is in.

        This is how GIBS takes times: any day of an eight-day composite is the composite. None where there is none.
        """
        at = bisect.bisect_left(self.starts_us, span.start_us)
        if at < len(self.starts_us) and self.starts_us[at] < span.end_us:
            return at
        return at - 1 if at > 0 and span.start_us < self.ends_us[at - 1] else None


@dataclass(frozen=True, slots=True)
class _CachedAxis:
    """An axis, with its labels: their identity is its key, which must not pass to others meanwhile."""

    labels: tuple[str, ...]
    axis: TimeAxis | None

    @property
    def nbytes(self) -> int:
        """Bytes in memory, without the labels, which the dataset's description holds anyway."""
        return 0 if self.axis is None else 80 * len(self.labels) + 300 * len(self.axis.runs)


def time_axis(labels: tuple[str, ...]) -> TimeAxis | None:
    """Return the axis of these labels; None where they are no times in order, in any calendar."""
    # By identity, since hashing 100,000 labels for each request would cost more than the request.
    cached: _CachedAxis = process.cache("layers").get(
        ("time axis", id(labels)), lambda: _CachedAxis(labels, _make(labels))
    )
    return cached.axis


def _make(labels: tuple[str, ...]) -> TimeAxis | None:
    written = [parse_iso8601(label) for label in labels]
    for calendar in CALENDARS:
        spans = [calendar.read(label) for label in labels]
        starts = [span.start_us for span in spans if span is not None]
        if len(starts) == len(labels):
            if any(a >= b for a, b in pairwise(starts)):
                return None
            return _axis(calendar, [each for each in written if each is not None], starts)
    return None


def _axis(calendar: Calendar, written: Sequence[ParsedInstant], starts: list[int]) -> TimeAxis:
    runs = _runs(written, starts)
    step = _shortest(written, starts)
    ends = [0] * len(starts)
    for run in runs:
        for at in range(run.first, run.last + 1):
            ends[at] = _end(calendar, written[at], starts[at], run.step or step)
    ends = [*(min(end, start) for end, start in zip(ends, starts[1:], strict=False)), ends[-1]]
    return TimeAxis(calendar, tuple(starts), tuple(ends), tuple(runs), step)


def _end(calendar: Calendar, written: ParsedInstant, start_us: int, step: Step) -> int:
    return calendar.later(written, step.months) if step.months else start_us + step.microseconds


def _months_between(first: ParsedInstant, second: ParsedInstant) -> int:
    """Months from one time to another of the same day of month and time of day; 0 where that differs."""
    if (first.day, first.time_us, first.offset_us) != (second.day, second.time_us, second.offset_us):
        return 0
    return (second.year - first.year) * 12 + second.month - first.month


def _steps(written: Sequence[ParsedInstant], starts: Sequence[int], at: int) -> list[Step]:
    """Return what the step from a time to the next may be called."""
    months = _months_between(written[at], written[at + 1])
    return [*([Step(months=months)] if months else []), Step(microseconds=starts[at + 1] - starts[at])]


def _shortest(written: Sequence[ParsedInstant], starts: Sequence[int]) -> Step:
    if len(starts) == 1:
        return Step(microseconds=DAY_US)
    at = min(range(len(starts) - 1), key=lambda at: starts[at + 1] - starts[at])
    return _steps(written, starts, at)[0]


def _runs(written: Sequence[ParsedInstant], starts: Sequence[int]) -> list[Run]:
    runs, at = [], 0
    while at < len(starts):
        best = Run(at, at, None)
        if at + 1 < len(starts):
            for step in _steps(written, starts, at):
                last = at
                while last + 1 < len(starts) and step in _steps(written, starts, last):
                    last += 1
                if last > best.last:
                    best = Run(at, last, step)
        if best.last - at + 1 < SHORTEST_RUN:
            best = Run(at, at, None)
        runs.append(best)
        at = best.last + 1
    return runs


def is_standard(axis: TimeAxis | None) -> bool:
    """Whether an axis is one of the calendar that the world uses."""
    return axis is not None and axis.calendar is STANDARD
