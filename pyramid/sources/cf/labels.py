"""The labels of a dimension: ISO 8601 instants for times, the shortest exact text for other coordinates.

A time of another calendar than the proleptic Gregorian keeps the date that its own calendar has, such as 30 February of
a 360-day year: the label names the step and sorts as the step does.
"""

from __future__ import annotations

import re
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.attributes import text
from lazytile.pyramid.sources.cf.time_units import unreadable_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_TIME_UNITS = re.compile(r"^\s*[a-zA-Z_]+\s+since\s+\S+", re.IGNORECASE)
_YEAR_ZERO = re.compile(r"since\s+0+-", re.IGNORECASE)
_MICROSECOND = timedelta(microseconds=1)


def is_time(attributes: Mapping[str, Any]) -> bool:
    """Return whether a coordinate variable counts time from an epoch (CF 4.4).

    Args:
        attributes: Of the variable.

    Returns:
        False for the calendar ``none``, whose numbers name steps that have no date (CF 4.4.1).
    """
    return bool(_TIME_UNITS.match(text(attributes, "units"))) and text(attributes, "calendar").lower() != "none"


def time_labels(values: NDArray[Any], attributes: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the label of each time.

    Args:
        values: Shape (steps,), numbers as stored.
        attributes: Of the variable: ``units`` and ``calendar``.
        name: Of the variable, for errors.

    Returns:
        ``YYYY-MM-DDThh:mm:ssZ``, with a fraction only where the time has one.

    Raises:
        SourceError: Times are missing, cannot be read or repeat.
    """
    units = text(attributes, "units")
    calendar = text(attributes, "calendar").lower() or "standard"
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise SourceError(f"{name} has missing times")
    try:
        # A climatology often counts from year 0, which not every calendar has.
        year_zero = True if _YEAR_ZERO.search(units) else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cftime.CFWarning)
            dates = cftime.num2date(values, units, calendar, only_use_cftime_datetimes=True, has_year_zero=year_zero)
    except (ValueError, OverflowError, TypeError) as error:
        raise unreadable_times(name, units, calendar) from error
    dates = np.atleast_1d(dates)
    for digits in (3, 6):
        labels = tuple(_instant(date, digits) for date in dates)
        if len(set(labels)) == len(labels):
            return labels
    return _unique(labels, name)


def sort_key(label: str) -> tuple[int, str]:
    """Return the key by which labels of times sort.

    Args:
        label: Of a time.

    Returns:
        The year as a number, since it may be negative or have five digits, then the rest.
    """
    year, _, rest = label[1:].partition("-")
    return int(label[0] + year), rest


def value_labels(values: NDArray[Any], name: str) -> tuple[str, ...]:
    """Return the label of each value.

    Args:
        values: Shape (steps,).
        name: Of the variable, for errors.

    Returns:
        The shortest text that identifies each value.

    Raises:
        SourceError: A value repeats.
    """
    return _unique(tuple(_short(value) for value in np.atleast_1d(values)), name)


def _unique(labels: Sequence[str], name: str) -> tuple[str, ...]:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise SourceError(f"{name} holds {label} twice; each step of a dimension needs a value of its own")
        seen.add(label)
    return tuple(labels)


def _instant(date: Any, digits: int) -> str:
    """Return the label of a date. Times stored as fractions of days are off by microseconds, so it is rounded first."""
    step = 10 ** (6 - digits)
    microseconds = (date.microsecond + step // 2) // step * step
    if microseconds >= 1_000_000 or microseconds != date.microsecond:
        date = date + (microseconds - date.microsecond) * _MICROSECOND
    label = str(date.isoformat())
    return f"{label.rstrip('0') if '.' in label else label}Z"


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, np.floating):
        return (
            np.format_float_positional(value, trim="-")
            if 1e-6 <= abs(value) < 1e16 or value == 0
            else repr(float(value))
        )
    return str(value).strip()
