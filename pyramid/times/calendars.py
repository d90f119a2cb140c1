"""Calendars: ISO 8601 texts as comparable numbers, and steps of months (CF conventions, 4.4.1).

Labels keep the dates of their own calendar, so the labels identify the calendar: the standard one if it has all of
them, else one with 29 February in every year, else one of twelve months of 30 days. A calendar without leap days has
no date that the standard one lacks; there the missing day is a gap.
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
    """The parts of an ISO 8601 text; absent parts have their lowest value."""

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
    """The instants from ``start_us`` until before ``end_us``, in microseconds since year 1 began."""

    start_us: int
    end_us: int


def parse_iso8601(text: str) -> ParsedInstant | None:
    """Parse a year, month, date, minute, second or fraction of a second.

    Args:
        text: The text.

    Returns:
        Its parts, or None if no calendar has such a time.
    """
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
    """A calendar of cftime."""

    name: str
    has_year_zero: bool = True
    first_ordinal: int = field(init=False, repr=False)
    """cftime's ordinal of 1 January of year 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_ordinal", cftime.datetime(1, 1, 1, calendar=self.name).toordinal())

    def day_number(self, year: int, month: int, day: int) -> int | None:
        """Return the number of a day.

        Args:
            year: The year.
            month: 1 to 12.
            day: The day of the month, from 1.

        Returns:
            Days since 1 January of year 1, or None if the calendar has no such date.
        """
        try:
            date = cftime.datetime(year, month, day, calendar=self.name, has_year_zero=self.has_year_zero)
        except ValueError:
            return None
        return int(date.toordinal()) - self.first_ordinal

    def parse(self, text: str) -> Span | None:
        """Parse an ISO 8601 text of any precision, in UTC unless it has an offset.

        Args:
            text: The text.

        Returns:
            The span of instants that the text denotes, one microsecond for an instant written in full; None if it
            denotes none in this calendar.
        """
        parsed = parse_iso8601(text)
        if parsed is None:
            return None
        day = self.day_number(parsed.year, parsed.month, parsed.day)
        if day is None:
            return None
        start_us = day * DAY_US + parsed.time_us - parsed.offset_us
        match parsed.precision:
            case "second":
                end_us = start_us + 1
            case "minute":
                end_us = start_us + 60 * SECOND_US
            case "day":
                end_us = start_us + DAY_US
            case precision:
                end_us = self.add_months(parsed, 1 if precision == "month" else 12)
        return Span(start_us, end_us)

    def add_months(self, instant: ParsedInstant, months: int) -> int:
        """Return the instant a number of months later.

        Args:
            instant: The instant.
            months: How many months to add.

        Returns:
            Microseconds since year 1 began. A day that the month lacks continues into the next month.
        """
        count = instant.year * 12 + instant.month - 1 + months
        first = self.day_number(count // 12, count % 12 + 1, 1)
        assert first is not None  # every month has a first day
        return (first + instant.day - 1) * DAY_US + instant.time_us - instant.offset_us


STANDARD = Calendar("proleptic_gregorian", has_year_zero=False)
"""The calendar of ISO 8601, without year 0, which ``datetime`` lacks."""
CALENDARS = (STANDARD, Calendar("all_leap"), Calendar("360_day"))


def to_datetime(microseconds: int) -> datetime:
    """Return an instant of the standard calendar as a datetime.

    Args:
        microseconds: Since year 1 began.

    Returns:
        The instant in UTC.

    Raises:
        OverflowError: The instant lies outside the years 1 to 9999.
    """
    return _EPOCH + microseconds * _MICROSECOND
