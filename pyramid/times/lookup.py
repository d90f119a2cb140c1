"""Which index along a dimension the text in a request means (OGC 07-057r7, Table 9; ISO 8601).

Strict in what the capabilities say, lenient in what is taken, and never a silent default: a time outside every period
of the layer is an ``InvalidParameterError`` whose text says which ones there are.
"""

from __future__ import annotations

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

DEFAULT = "default"
CURRENT = "current"
"""Means the latest time (OGC 07-057r7, Table 9)."""
TOLERANCE = 0.05
"""How far a number may be off, as a share of the distance to the neighbour of the value that is meant. Coordinates
such as 0.494024992 are asked for as 0.5; half-way between two, nobody could say which one was meant."""

_FORMS = "YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"


@dataclass(frozen=True, slots=True)
class Interval:
    """What an ISO 8601 text of some precision means: all instants from ``start`` up to, not with, ``end``."""

    start: datetime
    end: datetime


def parse_instant(text: str) -> Interval | None:
    """Read a year, month, date, minute, second or fraction of one, UTC unless it has an offset; None if it is none.

    An instant written in full is one microsecond long, which is how fine ``datetime`` is.
    """
    span = STANDARD.read(text)
    if span is None:
        return None
    try:
        return Interval(to_datetime(span.start_us), to_datetime(span.end_us))
    except OverflowError:
        return None


def default_index(dimension: Dimension) -> int:
    """Index that an absent parameter means: the latest time, the first of anything else."""
    return len(dimension.labels) - 1 if dimension.kind == "time" else 0


def index_of(dimension: Dimension, asked: str | None) -> int:
    """Return the index along the dimension that a request means. Raises ``InvalidParameterError``.

    None, the empty text and ``default`` are the default, for time also ``current``. A label as the capabilities list
    it always fits. A time less precise than the labels means the first of them within it; else the one whose period
    it falls into, as GIBS has it. Of other dimensions the nearest value within ``TOLERANCE`` is meant.
    """
    if asked is None or asked in ("", DEFAULT) or (asked == CURRENT and dimension.kind == "time"):
        return default_index(dimension)
    found = _positions(dimension.labels).get(asked)
    if found is None:
        found = _time_index(dimension, asked) if dimension.kind == "time" else _number_index(dimension.labels, asked)
    if found is None:
        raise InvalidParameterError(dimension, _refusal(dimension, asked))
    return found


@dataclass(frozen=True, slots=True)
class _Positions:
    """The index of each label. Holds the labels, whose identity is its key (see ``time_axis``)."""

    labels: tuple[str, ...]
    index: dict[str, int]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, without the labels."""
        return sys.getsizeof(self.index) + 32 * len(self.index)


def _positions(labels: tuple[str, ...]) -> dict[str, int]:
    def make() -> _Positions:
        return _Positions(labels, {label: at for at, label in enumerate(labels)})

    positions: _Positions = process.cache("layers").get(("label positions", id(labels)), make)
    return positions.index


def instants_of(labels: tuple[str, ...]) -> list[datetime] | None:
    """Return the instants that labels stand for, ascending; None where they are not instants in order."""
    axis = time_axis(labels)
    return [to_datetime(start_us) for start_us in axis.starts_us] if axis is not None and is_standard(axis) else None


def _time_index(dimension: Dimension, asked: str) -> int | None:
    axis = time_axis(dimension.labels)
    span = None if axis is None else axis.calendar.read(asked)
    return None if axis is None or span is None else axis.index_of(span)


def _number_index(labels: tuple[str, ...], asked: str) -> int | None:
    """Return the index of the nearest number, if it is near enough to be meant."""
    wanted = _number(asked)
    numbers = [(number, at) for at, label in enumerate(labels) if (number := _number(label)) is not None]
    if wanted is None or not numbers:
        return None
    nearest, at = min(numbers, key=lambda pair: abs(pair[0] - wanted))
    gap = min((abs(number - nearest) for number, other in numbers if other != at), default=0.0)
    near_enough = max(TOLERANCE * gap, 1e-6 * abs(nearest))
    return at if abs(nearest - wanted) <= near_enough else None


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", text, re.ASCII):
        return None
    return float(text)


def _refusal(dimension: Dimension, asked: str) -> str:
    labels = dimension.labels
    if dimension.kind != "time":
        shown = ", ".join(labels) if len(labels) <= 20 else f"{labels[0]}, {labels[1]}, ... {labels[-1]}"
        return f"{dimension.name} {asked!r} is invalid, it may be {shown}"
    axis = time_axis(labels)
    span = labels[0] if len(labels) == 1 else f"one of {len(labels)} from {labels[0]} to {labels[-1]}"
    if axis is not None and len(axis.runs) > 1 and len(labels) > 1:
        span += f" in {len(axis.runs)} periods"
    if axis is not None and axis.calendar.read(asked) is None:
        return f"time {asked!r} is no time: it must be {_FORMS}, and {span}"
    return f"time {asked!r} is none of this layer's: it may be {span}"
