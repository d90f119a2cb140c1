"""Look-up of the index along a dimension that a requested value selects (OGC 07-057r7, Table 9; ISO 8601).

Requests may be less exact than the capabilities, but nothing falls back to a default in silence: a time outside every
period of the layer is an ``InvalidParameterError`` whose text lists the times that there are.
"""

from __future__ import annotations

import bisect
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.times.calendars import STANDARD, to_datetime
from lazytile.pyramid.times.time_axis import is_standard, time_axis

if TYPE_CHECKING:
    from datetime import datetime

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.times.time_axis import TimeAxis

DEFAULT = "default"
CURRENT = "current"
"""Selects the latest time (OGC 07-057r7, Table 9)."""
TOLERANCE = 0.05
"""How far a requested number may be off, as a fraction of the distance from the nearest label to its neighbour. Clients
request 0.494024992 as 0.5; a number half-way between two labels would be ambiguous."""

_FORMS = "YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"
_OPEN = ("", "..", CURRENT)
"""Ends of an interval that is open there."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The instants from ``start`` until before ``end``, which an ISO 8601 text of some precision denotes."""

    start: datetime
    end: datetime


def parse_instant(text: str) -> Interval | None:
    """Parse an ISO 8601 text of any precision in the standard calendar, in UTC unless it has an offset.

    Args:
        text: A year, month, date, minute, second or fraction of a second.

    Returns:
        The interval that it denotes, one microsecond for an instant written in full; None if it denotes none.
    """
    span = STANDARD.parse(text)
    if span is None:
        return None
    try:
        return Interval(to_datetime(span.start_us), to_datetime(span.end_us))
    except OverflowError:
        return None


def index_of_label(labels: tuple[str, ...], text: str) -> int | None:
    """Return the index of a label.

    Args:
        labels: Labels of a dimension.
        text: The label.

    Returns:
        Its index; None if there is no such label.
    """
    return _label_indices(labels).get(text)


def range_between(labels: tuple[str, ...], start: datetime | None, end: datetime | None) -> range:
    """Return the indices of the times between two instants.

    Args:
        labels: Labels of a dimension.
        start: The first instant; None: there is no limit.
        end: The instant before which all end; None: there is no limit.

    Returns:
        The indices; none if the labels are not instants of the standard calendar in order.
    """
    axis = _standard_axis(labels)
    if axis is None:
        return range(0)
    starts_us = axis.starts_us
    first = 0 if start is None else bisect.bisect_left(starts_us, start, key=to_datetime)
    return range(first, len(starts_us) if end is None else bisect.bisect_left(starts_us, end, key=to_datetime))


def default_index(dimension: Dimension) -> int:
    """Return the index that a request without a value selects.

    Args:
        dimension: The dimension.

    Returns:
        The last index of a time, 0 of any other dimension.
    """
    return len(dimension.labels) - 1 if dimension.kind == "time" else 0


def index_of(dimension: Dimension, requested: str | None) -> int:
    """Return the index along a dimension that a requested value selects.

    A label always selects its own index. A time less precise than the labels selects the first label within it, any
    other time the label whose period it lies in, as at GIBS. In other dimensions a number selects the nearest label
    within ``TOLERANCE``.

    Args:
        dimension: The dimension.
        requested: The value; None, an empty text, ``default`` and, for time, ``current`` select the default.

    Returns:
        The index.

    Raises:
        InvalidParameterError: The value selects no label.
    """
    is_time = dimension.kind == "time"
    if requested is None or requested in ("", DEFAULT) or (requested == CURRENT and is_time):
        return default_index(dimension)
    index = _label_indices(dimension.labels).get(requested)
    if index is None:
        index = _time_index(dimension, requested) if is_time else _number_index(dimension.labels, requested)
    if index is None:
        raise InvalidParameterError(dimension, _error_text(dimension, requested))
    return index


def indices_within(dimension: Dimension, interval: str) -> range:
    """Return the indices of all times within an interval.

    Args:
        dimension: Time.
        interval: ``START/END`` in ISO 8601, both ends included; one of them may be open (``..``).

    Returns:
        The indices, at least one.

    Raises:
        InvalidParameterError: The interval is malformed, or no time lies in it.
    """
    axis = time_axis(dimension.labels)
    found = range(0) if axis is None else _within(axis, interval)
    if not found:
        raise InvalidParameterError(dimension, _error_text(dimension, interval))
    return found


@dataclass(frozen=True, slots=True)
class _LabelIndices:
    """The index of each label. Holds the labels, because their identity is the key (see ``time_axis``)."""

    labels: tuple[str, ...]
    indices: dict[str, int]

    @property
    def nbytes(self) -> int:
        """Approximate size in memory, without the labels."""
        return sys.getsizeof(self.indices) + 32 * len(self.indices)


def _label_indices(labels: tuple[str, ...]) -> dict[str, int]:
    def make() -> _LabelIndices:
        return _LabelIndices(labels, {label: index for index, label in enumerate(labels)})

    cached: _LabelIndices = process.computed("layers", ("label indices", id(labels)), make)
    return cached.indices


def instants_of(labels: tuple[str, ...]) -> list[datetime] | None:
    """Return the instants of labels.

    Args:
        labels: Labels of a dimension.

    Returns:
        The instants, ascending; None if the labels are not instants of the standard calendar in order.
    """
    axis = _standard_axis(labels)
    return None if axis is None else [to_datetime(start_us) for start_us in axis.starts_us]


def has_instants(labels: tuple[str, ...]) -> bool:
    """Return whether labels are instants.

    Args:
        labels: Labels of a dimension.

    Returns:
        Whether ``instants_of`` returns any.
    """
    return _standard_axis(labels) is not None


def _standard_axis(labels: tuple[str, ...]) -> TimeAxis | None:
    axis = time_axis(labels)
    return axis if axis is not None and is_standard(axis) else None


def _time_index(dimension: Dimension, requested: str) -> int | None:
    axis = time_axis(dimension.labels)
    if axis is not None and ("," in requested or "/" in requested):
        parts = requested.split(",")
        found = [_latest(axis, part) if "/" in part else _time_index(dimension, part) for part in parts]
        return max((index for index in found if index is not None), default=None)
    if requested == CURRENT:
        return default_index(dimension)
    span = None if axis is None else axis.calendar.parse(requested)
    return None if axis is None or span is None else axis.index_of(span)


def _latest(axis: TimeAxis, text: str) -> int | None:
    """Return the index of the latest time within an interval, None if it is empty or malformed."""
    found = _within(axis, text)
    return found[-1] if found else None


def _within(axis: TimeAxis, text: str) -> range:
    """Return the indices of the times within an interval, none if it is malformed."""
    first, last, *period = text.split("/")
    spans = [None if part in _OPEN else axis.calendar.parse(part) for part in (first, last)]
    malformed = any(part not in _OPEN and span is None for part, span in zip((first, last), spans, strict=True))
    if len(period) > 1 or malformed or (first in _OPEN and last in _OPEN):
        return range(0)
    start, end = spans
    before = 0 if start is None else bisect.bisect_left(axis.starts_us, start.start_us)
    return range(before, len(axis.starts_us) if end is None else bisect.bisect_left(axis.starts_us, end.end_us))


def _number_index(labels: tuple[str, ...], requested: str) -> int | None:
    """Return the index of the nearest number within the tolerance."""
    value = _number(requested)
    numbers = [(number, index) for index, label in enumerate(labels) if (number := _number(label)) is not None]
    if value is None or not numbers:
        return None
    nearest, index = min(numbers, key=lambda pair: abs(pair[0] - value))
    spacing = min((abs(number - nearest) for number, other in numbers if other != index), default=0.0)
    tolerance = max(TOLERANCE * spacing, 1e-6 * abs(nearest))
    return index if abs(nearest - value) <= tolerance else None


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", text, re.ASCII):
        return None
    return float(text)


def _error_text(dimension: Dimension, requested: str) -> str:
    labels = dimension.labels
    if dimension.kind != "time":
        shown = ", ".join(labels) if len(labels) <= 20 else f"{labels[0]}, {labels[1]}, ... {labels[-1]}"
        return f"{dimension.name} {requested!r} is invalid, it may be {shown}"
    axis = time_axis(labels)
    span = labels[0] if len(labels) == 1 else f"one of {len(labels)} from {labels[0]} to {labels[-1]}"
    if axis is not None and len(axis.runs) > 1 and len(labels) > 1:
        span += f" in {len(axis.runs)} periods"
    if axis is not None and "/" not in requested and "," not in requested and axis.calendar.parse(requested) is None:
        return f"time {requested!r} is not a time, it must be {_FORMS}, and {span}"
    return f"time {requested!r} is not a time of this layer, it may be {span}"
