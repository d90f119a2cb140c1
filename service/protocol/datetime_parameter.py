"""The parameter ``datetime`` of OGC APIs (OGC 20-057, /req/datetime): an instant or an interval, open or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.times.lookup import Interval, index_of, index_of_label, parse_instant, range_between
from lazytile.service.http.errors import NotFoundError

if TYPE_CHECKING:
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer

_FORMS = "an RFC 3339 date or time, A/B, A/.. or ../B"
_OPEN = ("", "..")


def label_of(layer: Layer, text: str) -> str:
    """Return the label of the time that ``datetime`` selects; for an interval, the latest time in it.

    Args:
        layer: The layer. One without times has its one state at any time.
        text: Value of the parameter, empty without it.

    Returns:
        The label; empty for an empty text and for a layer without times.

    Raises:
        InvalidParameterError: The text is neither an instant nor an interval.
        NotFoundError: The layer has no time there.
    """
    time = layer.variable.time
    if not text or (time is not None and index_of_label(time.labels, text) is not None):
        return text
    ends = _ends(text)
    if time is None:
        return ""
    if "/" in text:
        return time.labels[_between(layer, time, ends, text)[-1]]
    try:
        return time.labels[index_of(time, text)]
    except InvalidParameterError as error:
        raise NotFoundError("datetime", error.spelled("datetime")) from error


def indices_of(layer: Layer, text: str) -> range:
    """Return the indices of all times that ``datetime`` selects.

    Args:
        layer: The layer.
        text: Value of the parameter, empty for all times.

    Returns:
        A range of indices; of one for a layer without times.

    Raises:
        InvalidParameterError: The text is neither an instant nor an interval.
        NotFoundError: The layer has no time there.
    """
    time = layer.variable.time
    at = None if time is None else index_of_label(time.labels, text)
    ends = _ends(text) if text and at is None else None
    if time is None:
        return range(1)
    if "/" in text and ends is not None:
        return _between(layer, time, ends, text)
    if text:
        at = at if at is not None else index_of(time, label_of(layer, text))
        return range(at, at + 1)
    return range(len(time.labels))


def _between(layer: Layer, time: Dimension, ends: tuple[Interval | None, Interval | None], text: str) -> range:
    """Return the indices of the times between two instants."""
    start, end = ends
    found = range_between(time.labels, None if start is None else start.start, None if end is None else end.end)
    if found:
        return found
    raise NotFoundError(
        "datetime", f"{layer.name} has no time in {text}, it has {len(time.labels)} from {time.labels[0]} to "
        f"{time.labels[-1]}"
    )  # fmt: skip


def _ends(text: str) -> tuple[Interval | None, Interval | None]:
    first, slash, last = text.partition("/")
    if not slash:
        instant = _instant(text, text)
        return instant, instant
    if first in _OPEN and last in _OPEN:
        raise _refusal(text)
    start = None if first in _OPEN else _instant(first, text)
    end = None if last in _OPEN else _instant(last, text)
    if start is not None and end is not None and start.start >= end.end:
        raise _refusal(text)
    return start, end


def _instant(part: str, text: str) -> Interval:
    instant = parse_instant(part)
    if instant is None:
        raise _refusal(text)
    return instant


def _refusal(text: str) -> InvalidParameterError:
    return InvalidParameterError("datetime", f"datetime {text[:80]!r} is invalid, it is {_FORMS}")
