"""Dates and times written as text, in every form of ISO 8601.

Extended and basic form, calendar dates, week dates and ordinal dates, fractions, hour 24, ``Z`` and offsets from UTC;
also a blank, ``_`` or nothing for the ``T``, and ``/`` between the parts of a date. In calendars other than the
standard one, dates are those of that calendar.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EPOCH = "days since 1970-01-01"
_SEPARATED = (
    r"(?P<year>\d{4})(?:(?P<dash>[-/])(?:(?P<month>\d\d)(?:(?P=dash)(?P<day>\d\d))?|(?P<ordinal>\d{3})"
    r"|W(?P<week>\d\d)(?:-(?P<weekday>[1-7]))?))?"
)
_CLOCK = (
    r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d))?|(?P<minute_>\d\d)(?P<second_>\d\d)?)?"
    r"(?:[.,](?P<fraction>\d+))?"
)
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d\d?(?::?\d\d)?)?"
_EXTENDED = re.compile(rf"{_SEPARATED}(?:[Tt_ ]\s*{_CLOCK}\s*{_ZONE})?", re.ASCII)
_BASIC = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?P<day>\d\d)|(?P<ordinal>\d{3})|W(?P<week>\d\d)(?P<weekday>[1-7])?)"
    rf"(?:(?:[Tt_ ]\s*|(?<=\d{{8}}))(?:{_CLOCK})\s*{_ZONE})?",
    re.ASCII,
)
_NO_TIME = frozenset({"", "nat", "nan", "none", "n/a", "--"})


def parse_time(text: str, calendar: str = "standard") -> Any | None:
    """Parse a date or time.

    Args:
        text: In any form of ISO 8601.
        calendar: Of the date.

    Returns:
        A datetime of cftime in UTC; None for text that is no date of the calendar.
    """
    stripped = text.strip().strip("\0").strip()
    match = _EXTENDED.fullmatch(stripped) or _BASIC.fullmatch(stripped)
    if match is None:
        return None
    parts = match.groupdict()
    year = int(parts["year"])
    if not year:
        return None  # WRF's invariant fields have the time 0000-00-00
    try:
        day = _day(year, parts, calendar)
    except ValueError:
        return None
    seconds = _seconds(parts)
    return None if seconds is None else day + seconds


def _day(year: int, parts: dict[str, str | None], calendar: str) -> Any:
    if parts["week"]:
        day = date.fromisocalendar(year, int(parts["week"]), int(parts["weekday"] or 1))
        return cftime.datetime(day.year, day.month, day.day, calendar=calendar)
    if parts["ordinal"]:
        first = cftime.datetime(year, 1, 1, calendar=calendar)
        ordinal = int(parts["ordinal"])
        found = first + timedelta(days=ordinal - 1)
        if not ordinal or found.year != year:
            raise ValueError(f"the year {year} has no day {ordinal}")
        return found
    return cftime.datetime(year, int(parts["month"] or 1), int(parts["day"] or 1), calendar=calendar)


def _seconds(parts: dict[str, str | None]) -> timedelta | None:
    """Return the time of day in UTC; None where there is no such time."""
    hour = int(parts["hour"] or 0)
    minute, second = (int(parts[name] or parts[f"{name}_"] or 0) for name in ("minute", "second"))
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        return None
    fraction = int((parts["fraction"] or "0")[:6].ljust(6, "0"))
    # The fraction is one of the smallest part that is written.
    smallest = 1 if parts["second"] or parts["second_"] else 60 if parts["minute"] or parts["minute_"] else 3600
    zone = parts["zone"] or "Z"
    offset = timedelta()
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        if int(hours) > 23 or int(minutes) > 59:
            return None
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if zone[0] == "-" else 1)
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction * smallest) - offset


def days_of_texts(
    texts: Sequence[str], calendar: str = "standard", *, named: bool = True
) -> NDArray[np.float64] | None:
    """Return dates written as text as days.

    Args:
        texts: Dates or times.
        calendar: Of the dates.
        named: Whether their variable is called a time; only then are bare digits dates, which else may be any codes.

    Returns:
        Days since 1970-01-01, shape (texts,), NaN for an empty text; None where a text is not a date.
    """
    dates: list[Any] = []
    for each in texts:
        if each.strip().strip("\0").strip().lower() in _NO_TIME:
            dates.append(None)
            continue
        found = parse_time(each, calendar) if named or not each.strip().isdigit() else None
        if found is None:
            return None
        dates.append(found)
    there = [found is not None for found in dates]
    if texts and not any(there):
        return None
    days = np.full(len(dates), np.nan)
    if any(there):
        known = [found for found in dates if found is not None]
        days[there] = np.asarray(cftime.date2num(known, EPOCH, calendar), np.float64)
    return days
