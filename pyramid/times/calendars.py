"""Calendars: ISO 8601 texts as numbers that can be compared, and steps of months (CF conventions, 4.4.1).

Labels keep the date that their own calendar gives them, so the calendar is told from the labels: the one that the
world uses where it has all of them, else one that has 29 February every year, else one of twelve months of 30 days.
A calendar without leap days has only dates that the world's has too; the missing day is then a gap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import cftime

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_INSTANT = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ParsedInstant:
    """An ISO 8601 text taken apart: what it says, absent parts at their least."""

    year: int
    month: int
    day: int
    time_us: int
    """Since midnight."""
    offset_us: int
    """East of UTC."""
    precision: str
    """``year``, ``month``, ``day``, ``minute`` or ``second``."""


@dataclass(frozen=True, slots=True)
class Span:
    """All instants from ``start_us`` up to, not with, ``end_us``; microseconds since year 1 began."""

    start_us: int
    end_us: int


def parse_iso8601(text: str) -> ParsedInstant | None:
    """Read a year, month, date, minute, second or fraction of one; None where it is none in any calendar."""
    match = _INSTANT.fullmatch(text)
    if match is None or (match["zone"] and match["hour"] is None):
        return None
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    month, day = int(match["month"] or 1), int(match["day"] or 1)
    if hour > 23 or minute > 59 or second > 59 or not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    offset_us = _offset_us(match["zone"])
    if offset_us is None:
        return None
    fraction_us = int((match["fraction"] or "0").ljust(6, "0")[:6])
    precision = next(
        (name for name in ("second", "minute", "day", "month") if match[name] is not None),
        "year",
    )
    time_us = ((hour * 60 + minute) * 60 + second) * SECOND_US + fraction_us
    return ParsedInstant(int(match["year"]), month, day, time_us, offset_us, precision)


def _offset_us(zone: str | None) -> int | None:
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return None
    return (-1 if zone[0] == "-" else 1) * (hours * 60 + minutes) * 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Calendar:
    """How dates are counted: a calendar of cftime."""

    name: str
    has_year_zero: bool = True
    first_ordinal: int = field(init=False, repr=False)
    """Of 1 January of year 1, in days as cftime counts them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_ordinal", cftime.datetime(1, 1, 1, calendar=self.name).toordinal())

    def day_number(self, year: int, month: int, day: int) -> int | None:
        """Return the days from 1 January of year 1 to a date; None where the calendar has no such date."""
        try:
            date = cftime.datetime(year, month, day, calendar=self.name, has_year_zero=self.has_year_zero)
        except ValueError:
            return None
        return int(date.toordinal()) - self.first_ordinal

    def read(self, text: str) -> Span | None:
        """Return what a text of some precision means, UTC unless it has an offset; None where it is no time here.

        An instant written in full is a microsecond long.
        """
        written = parse_iso8601(text)
        if written is None:
            return None
        day = self.day_number(written.year, written.month, written.day)
        if day is None:
            return None
        start_us = day * DAY_US + written.time_us - written.offset_us
        match written.precision:
            case "second":
                end_us = start_us + 1
            case "minute":
                end_us = start_us + 60 * SECOND_US
            case "day":
                end_us = start_us + DAY_US
            case precision:
                end_us = self.later(written, 1 if precision == "month" else 12)
        return Span(start_us, end_us)

    def later(self, written: ParsedInstant, months: int) -> int:
        """Return the instant some months after another, in microseconds; a day too many for its month runs over."""
        count = written.year * 12 + written.month - 1 + months
        first = self.day_number(count // 12, count % 12 + 1, 1)
        assert first is not None  # every month has a first day
        return (first + written.day - 1) * DAY_US + written.time_us - written.offset_us


STANDARD = Calendar("proleptic_gregorian", has_year_zero=False)
"""The calendar of ISO 8601, without the year 0 that ``datetime`` does not have."""
CALENDARS = (STANDARD, Calendar("all_leap"), Calendar("360_day"))


def to_datetime(microseconds: int) -> datetime:
    """Return an instant of ``STANDARD`` as a datetime. Raises ``OverflowError`` outside the years 1 to 9999."""
    return _EPOCH + microseconds * _MICROSECOND
