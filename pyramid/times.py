"""Which index along a dimension the text in a request means (OGC 07-057r7, Table 9; ISO 8601).

Strict in what the capabilities say, lenient in what is taken, and never a silent default: a time that the layer does
not have is an ``InvalidParameterError`` whose text says which ones there are.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.memory import BytesLru

if TYPE_CHECKING:
    from lazytile.pyramid.dataset import Dimension

DEFAULT = "default"
TIME = "Time"
RESERVED = frozenset({
    "service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol",
    "i", "j", "infoformat", "time", "default",
    "colormap", "rescale", "spacing", "resampling", "filter", "expression", "rgb", "scale",
})  # fmt: skip
"""Names that a request's own parameters have: a dimension that is called so gets the prefix ``dim_``."""

_INSTANT = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
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
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    if match["zone"] and match["hour"] is None:
        return None
    try:
        start = datetime(
            int(match["year"]),
            int(match["month"] or 1),
            int(match["day"] or 1),
            int(match["hour"] or 0),
            int(match["minute"] or 0),
            int(match["second"] or 0),
            int((match["fraction"] or "0").ljust(6, "0")[:6]),
            UTC,
        )
        return Interval(start - _offset(match["zone"]), _end(start, match) - _offset(match["zone"]))
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def _end(start: datetime, match: re.Match[str]) -> datetime:
    if match["second"]:
        return start + timedelta(microseconds=1)
    if match["minute"]:
        return start + timedelta(minutes=1)
    if match["day"]:
        return start + timedelta(days=1)
    if match["month"]:
        return start.replace(year=start.year + (start.month == 12), month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)


def parameter_of(dimension: Dimension) -> str:
    """Name of a dimension in requests and capabilities: ``Time`` for time, else the source's name made safe."""
    if dimension.kind == "time":
        return TIME
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", dimension.name)
    return f"dim_{name}" if name.lower() in RESERVED or not name[:1].isalpha() else name


def default_index(dimension: Dimension) -> int:
    """Index that an absent parameter means: the latest time, the first of anything else."""
    return len(dimension.labels) - 1 if dimension.kind == "time" else 0


def index_of(dimension: Dimension, asked: str | None) -> int:
    """Return the index along the dimension that a request means. Raises ``InvalidParameterError``.

    None, the empty text and ``default`` are the default. A label as the capabilities list it always fits. A time may
    be less precise than the labels: it then means the first instant within it. A number may be spelled otherwise.
    """
    if asked is None or asked in ("", DEFAULT):
        return default_index(dimension)
    axis = _axis(dimension.labels)
    found = axis.positions.get(asked)
    if found is None:
        found = _time_index(axis, asked) if dimension.kind == "time" else _number_index(dimension.labels, asked)
    if found is None:
        raise InvalidParameterError(parameter_of(dimension), _refusal(dimension, asked))
    return found


@dataclass(frozen=True, slots=True)
class _Axis:
    """Labels made ready for look-ups."""

    labels: tuple[str, ...]
    positions: dict[str, int]
    instants: list[datetime] | None
    """Ascending; None where a label is no instant (360-day calendars) or the labels are out of order."""


# By identity, since hashing 100,000 labels for each request would cost more than the request; an axis holds its
# labels, so their identity is not given to others while it is kept.
_axes: BytesLru[_Axis] = BytesLru(64 << 20, lambda axis: 300 * len(axis.labels))


def _axis(labels: tuple[str, ...]) -> _Axis:
    return _axes.get(id(labels), lambda: _make_axis(labels))


def _make_axis(labels: tuple[str, ...]) -> _Axis:
    intervals = [parse_instant(label) for label in labels]
    starts = [interval.start for interval in intervals if interval is not None]
    usable = len(starts) == len(labels) and starts == sorted(starts)
    return _Axis(labels, {label: at for at, label in enumerate(labels)}, starts if usable else None)


def instants_of(labels: tuple[str, ...]) -> list[datetime] | None:
    """Return the instants that labels stand for, ascending; None where they are not instants in order."""
    return _axis(labels).instants


def _time_index(axis: _Axis, asked: str) -> int | None:
    wanted = parse_instant(asked)
    if wanted is None or axis.instants is None:
        return None
    at = bisect.bisect_left(axis.instants, wanted.start)
    return at if at < len(axis.instants) and axis.instants[at] < wanted.end else None


def _number_index(labels: tuple[str, ...], asked: str) -> int | None:
    wanted = _number(asked)
    if wanted is None:
        return None
    return next((at for at, label in enumerate(labels) if _number(label) == wanted), None)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", text, re.ASCII):
        return None
    return float(text)


def _refusal(dimension: Dimension, asked: str) -> str:
    labels, parameter = dimension.labels, parameter_of(dimension)
    if dimension.kind != "time":
        shown = ", ".join(labels) if len(labels) <= 20 else f"{labels[0]}, {labels[1]}, ... {labels[-1]}"
        return f"{parameter} {asked!r} is invalid, it may be {shown}"
    span = labels[0] if len(labels) == 1 else f"one of {len(labels)} from {labels[0]} to {labels[-1]}"
    if asked == "current":
        return f"{parameter} current is not offered, use default for the latest, or {span}"
    if instants_of(labels) is not None and parse_instant(asked) is None:
        return f"{parameter} {asked!r} is no time: it must be {_FORMS}, and {span}"
    return f"{parameter} {asked!r} is none of this layer's: it may be {span}"
