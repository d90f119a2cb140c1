"""Times as files write them, converted to days, seconds or other fixed units since an epoch (CF 4.4).

cftime and xarray count in fixed units of a known calendar. Files also count calendar months and years, weeks and
nanoseconds, write dates as text, or use the digits of ``day as %Y%m%d.%f``. All become what both libraries read, so
that the coordinate in the store is plain CF.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.attributes import text
from lazytile.pyramid.sources.cf.iso_times import EPOCH, days_of_texts, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_SINCE = re.compile(r"\s*([a-zA-Z_]+)\s+since\s+(.*)", re.IGNORECASE | re.DOTALL)
_OFFSET = re.compile(r"(.*\d:\d[\d:.]*)\s*([+-])(\d{1,2})(?::?(\d\d))?\s*")
_MONTHS = dict.fromkeys(("month", "months", "mon"), 1) | dict.fromkeys(("year", "years", "yr"), 12)
_SCALED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("week", "weeks"), ("days", lambda values: values * 7)),
    **dict.fromkeys(("nanosecond", "nanoseconds", "ns", "nanosec"), ("microseconds", lambda values: values / 1000)),
}
_SAME = {"utc": "standard", "tai": "proleptic_gregorian"}
"""Calendars that xarray does not know, and the one that has the same dates but for leap seconds (CF 4.4.1)."""
_MIXED = frozenset({"", "standard", "gregorian"})
_YEAR_ZERO = re.compile(r"0+-\d")
_DIGITS = re.compile(r"\s*(?:day\s+as\s+%Y%m%d(?:\.%f)?|%Y%m%d(?:\.%f)?|yyyymmdd(?:\.f+)?)\s*", re.IGNORECASE)
_BASIC = re.compile(r"\d{8}(?:[T ].*)?|\d{4}-?(?:W\d\d.*|\d{3}(?:[T ].*)?)", re.DOTALL)
"""Epochs in the forms of ISO 8601 that cftime does not read."""
_UNITS = "microseconds, milliseconds, seconds, minutes, hours, days, weeks, months or years since a date"
_CALENDARS = (
    *("standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "366_day", "360_day", "julian"),
    *("utc", "tai", "none"),
)

_ALIKE = ({"standard", "gregorian", "proleptic_gregorian"}, {"noleap", "365_day"}, {"all_leap", "366_day"})


def calendars_agree(one: str, other: str) -> bool:
    """Return whether two calendars have the same dates from 1582 on.

    Args:
        one: Name of a calendar; empty for the standard one (CF 4.4.1).
        other: Name of another.

    Returns:
        True for two names of one calendar, and for the standard and the proleptic Gregorian calendar.
    """
    first, second = (name.lower() or "standard" for name in (one, other))
    return first == second or any({first, second} <= names for names in _ALIKE)


def as_plain_times(
    values: NDArray[Any], attributes: Mapping[str, Any], name: str
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return a time coordinate in units and a calendar that cftime reads.

    Args:
        values: Numbers, shape (steps,).
        attributes: Of the coordinate.
        name: Of the coordinate, for errors.

    Returns:
        Values and attributes; those of any other coordinate unchanged.

    Raises:
        SourceError: Values are missing, or are not times in their units.
    """
    given = dict(attributes)
    calendar = text(given, "calendar").lower()
    if calendar in _SAME:
        given["calendar"] = calendar = _SAME[calendar]
    if _DIGITS.fullmatch(text(given, "units")):
        return _of_digits(values, name), {**given, "units": EPOCH, "calendar": calendar or "standard"}
    match = _SINCE.fullmatch(text(given, "units"))
    if match is None:
        return values, given
    unit, epoch = match[1].lower(), _with_offset(match[2])
    given["units"] = f"{match[1]} since {epoch}"
    if calendar == "none":
        # Its steps have no dates: they are plain numbers in these units.
        del given["calendar"]
        given["units"] = match[1]
    elif unit in _SCALED:
        plain, scale = _SCALED[unit]
        values, given["units"] = scale(np.asarray(values, np.float64)), f"{plain} since {epoch}"
    elif unit in _MONTHS and not (calendar == "360_day" and _MONTHS[unit] == 1):
        # cftime counts months only in the calendar where each has 30 days.
        months = np.asarray(values, np.float64) * _MONTHS[unit]
        values, given["units"] = _days_of_months(months, epoch, calendar or "standard", name), f"days since {epoch}"
    elif calendar in _MIXED and _YEAR_ZERO.match(epoch):
        values, given["calendar"] = _from_year_zero(values, text(given, "units"), name), "proleptic_gregorian"
    return values, given


def unreadable_times(name: str, units: str, calendar: str) -> SourceError:
    """Return the error for numbers that are no times.

    Args:
        name: Of the coordinate.
        units: In which it counts.
        calendar: Of its dates.

    Returns:
        The error, which says what is allowed.
    """
    if calendar not in _CALENDARS:
        return SourceError(
            f"{name} cannot be read as times: calendar must be one of {', '.join(_CALENDARS)}, not {calendar!r}"
        )
    return SourceError(
        f"{name} cannot be read as times: its units are {units!r} in the calendar {calendar}; allowed are {_UNITS}, "
        "and dates within the years -9999 to 99999"
    )


def _with_offset(epoch: str) -> str:
    """Return an epoch that cftime reads.

    It ignores the offset in ``-6:00``, the example of CF 4.4, and knows no basic, ordinal and week dates.
    """
    if _BASIC.fullmatch(epoch.strip()) and (found := parse_time(epoch)) is not None:
        return str(found.isoformat(sep=" "))
    match = _OFFSET.fullmatch(epoch)
    return epoch if match is None else f"{match[1]} {match[2]}{int(match[3]):02d}:{match[4] or '00'}"


def _from_year_zero(values: NDArray[Any], units: str, name: str) -> NDArray[Any]:
    """Return times of a climatology that counts from year 0 in a calendar that has that year.

    The mixed Gregorian calendar has none. The dates keep their names. CF drops year 0 for climatologies (4.4.2), files
    do not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cftime.CFWarning)
            dates = cftime.num2date(values, units, "standard", only_use_cftime_datetimes=True, has_year_zero=True)
        renamed = [
            cftime.datetime(
                *(each.year, each.month, each.day, each.hour, each.minute, each.second, each.microsecond),
                calendar="proleptic_gregorian",
            )
            for each in np.atleast_1d(dates)
        ]
        return np.asarray(cftime.date2num(renamed, units, "proleptic_gregorian"))
    except (ValueError, OverflowError, TypeError) as error:
        raise unreadable_times(name, units, "standard") from error


def _days_of_months(months: NDArray[np.float64], epoch: str, calendar: str, name: str) -> NDArray[np.float64]:
    """Return the days from an epoch to so many months later; a fraction of a month is that fraction of its days.

    UDUNITS has a month of 30.4 days, which no file means: its steps would drift through the calendar.
    """
    if not np.isfinite(months).all():
        raise SourceError(f"{name} has missing times")
    try:
        units = f"days since {epoch}"
        start = cftime.num2date(0, units, calendar, only_use_cftime_datetimes=True)
        whole = np.floor(months).astype(np.int64)
        ends = [
            np.asarray(
                cftime.date2num([_later(start, int(count) + more) for count in whole], units, calendar), np.float64
            )
            for more in (0, 1)
        ]
    except (ValueError, OverflowError, TypeError) as error:
        raise unreadable_times(name, f"months since {epoch}", calendar) from error
    days: NDArray[np.float64] = ends[0] + (months - whole) * (ends[1] - ends[0])
    return days


def _later(start: Any, months: int) -> Any:
    """Return the date some months later, or the last day of that month where it is too short."""
    years, month = divmod(start.month - 1 + months, 12)
    first = start.replace(year=start.year + years, month=month + 1, day=1)
    return first.replace(day=min(start.day, first.daysinmonth))


def _of_digits(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return days since 1970 of numbers such as 20010228.5."""
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise SourceError(f"{name} has missing times")
    whole = np.floor(numbers).astype(np.int64)
    texts = [f"{day // 10000:04d}-{day // 100 % 100:02d}-{day % 100:02d}" for day in whole.tolist()]
    days = days_of_texts(texts)
    if days is None:
        raise SourceError(f"{name} cannot be read as times: {numbers[0]:.15g} is not a day written as YYYYMMDD")
    return days + (numbers - whole)


TEXT_TIME = {"standard_name": "time", "units": EPOCH, "calendar": "standard"}
"""Attributes of a coordinate made of dates that were text."""
