"""The times of a GRIB message: its reference time and the time for which it is valid, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lazytile.pyramid.sources.formats.grib.handle import UNIT_SECONDS, key_of, number_of

_UNIT_MONTHS = {3: 1, 4: 12, 5: 120, 6: 360, 7: 1200}
"""Months of the units of time that calendars measure (edition 2, code table 4.4)."""
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_SECONDS_UNIT = 254
"""Edition 1: unit of seconds (table 4), which ecCodes' own validity leaves out."""


def reference_of(handle: Any) -> float:
    """Return the reference time of a message.

    Args:
        handle: Of the message.

    Returns:
        Seconds since 1970.

    Raises:
        ValueError: The message has no valid date.
    """
    if number_of(handle, "edition") == 1:
        return _of_digits(number_of(handle, "dataDate"), number_of(handle, "dataTime")).timestamp()
    return _moment(handle, "").timestamp()


def validity_of(handle: Any) -> float:
    """Return the time for which a message is valid: the end of the period where it has one.

    Args:
        handle: Of the message.

    Returns:
        Seconds since 1970.

    Raises:
        ValueError: The message has no valid date.
    """
    if number_of(handle, "edition") == 1:
        valid = _of_digits(number_of(handle, "validityDate"), number_of(handle, "validityTime"))
        if number_of(handle, "unitOfTimeRange", 1) == _SECONDS_UNIT:
            valid = _of_digits(number_of(handle, "dataDate"), number_of(handle, "dataTime")) + timedelta(
                seconds=number_of(handle, "P2", 0) or number_of(handle, "P1", 0)
            )
        return valid.timestamp()
    if key_of(handle, "yearOfEndOfOverallTimeInterval"):
        return _moment(handle, "OfEndOfOverallTimeInterval").timestamp()
    start = _moment(handle, "")
    count, unit = number_of(handle, "forecastTime", 0), number_of(handle, "indicatorOfUnitForForecastTime", 1)
    if unit in _UNIT_MONTHS:
        months = start.year * 12 + start.month - 1 + count * _UNIT_MONTHS[unit]
        return start.replace(year=months // 12, month=months % 12 + 1).timestamp()
    if unit not in UNIT_SECONDS:
        raise ValueError(f"its forecast time is in units of code {unit}")
    return (start + timedelta(seconds=count * UNIT_SECONDS[unit])).timestamp()


def _moment(handle: Any, of: str) -> datetime:
    numbers = [number_of(handle, f"{part}{of}") for part in _PARTS]
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        digits = "-".join(f"{number:02d}" for number in numbers[:3])
        clock = ":".join(f"{number:02d}" for number in numbers[3:])
        raise ValueError(f"its date {digits} {clock} does not exist") from error


def _of_digits(day: int, clock: int) -> datetime:
    try:
        return datetime(day // 10000, day // 100 % 100, day % 100, clock // 100, clock % 100, tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"its date {day} {clock:04d} does not exist") from error
