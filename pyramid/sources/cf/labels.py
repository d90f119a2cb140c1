"""The labels of a dimension: ISO 8601 instants for times, the shortest clean text for other coordinates.

A time of a calendar that the world does not use keeps the date that its own calendar gives it (30 February of a
360-day year stays that): it names the step, and it sorts as the step does.
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_TIME_UNITS = re.compile(r"^\s*[a-zA-Z_]+\s+since\s+\S+", re.IGNORECASE)
_YEAR_ZERO = re.compile(r"since\s+0+-", re.IGNORECASE)
_MICROSECOND = timedelta(microseconds=1)


def is_time(attributes: Mapping[str, Any]) -> bool:
    """Whether a coordinate variable with these attributes counts time from an epoch (CF 4.4).

    One of the calendar ``none`` does not: its numbers name steps that have no date (CF 4.4.1).
    """
    return bool(_TIME_UNITS.match(text(attributes, "units"))) and text(attributes, "calendar").lower() != "none"


def time_labels(values: NDArray[Any], attributes: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return ``YYYY-MM-DDThh:mm:ssZ`` for each time, with a fraction only where one is needed.

    values: shape (steps,), numbers as stored. Raises ``SourceError`` for times that cannot be read or repeat.
    """
    units = text(attributes, "units")
    calendar = text(attributes, "calendar").lower() or "standard"
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise SourceError(f"{name} has times that are missing")
    try:
        # A climatology often counts from year 0, which its calendar need not have.
        year_zero = True if _YEAR_ZERO.search(units) else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cftime.CFWarning)
            dates = cftime.num2date(values, units, calendar, only_use_cftime_datetimes=True, has_year_zero=year_zero)
    except (ValueError, OverflowError, TypeError) as error:
        raise SourceError(f"{name} cannot be read as times: {error} (units {units!r}, calendar {calendar})") from error
    dates = np.atleast_1d(dates)
    for digits in (3, 6):
        labels = tuple(_instant(date, digits) for date in dates)
        if len(set(labels)) == len(labels):
            return labels
    return _unique(labels, name)


def sort_key(label: str) -> tuple[int, str]:
    """Return what orders times by: the year as a number, which may be negative or of five digits, then the rest."""
    year, _, rest = label[1:].partition("-")
    return int(label[0] + year), rest


def value_labels(values: NDArray[Any], name: str) -> tuple[str, ...]:
    """Return the shortest text that tells each value; raises ``SourceError`` where two are the same."""
    return _unique(tuple(_short(value) for value in np.atleast_1d(values)), name)


def _unique(labels: Sequence[str], name: str) -> tuple[str, ...]:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise SourceError(f"{name} holds {label} twice; every step of a dimension needs its own")
        seen.add(label)
    return tuple(labels)


def _instant(date: Any, digits: int) -> str:
    """Return one label. Times kept as fractions of days are off by microseconds: round before cutting."""
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
