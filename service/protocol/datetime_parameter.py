"""The parameter ``datetime`` of OGC APIs (OGC 20-057, /req/datetime): an instant or an interval, open or not."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.times.lookup import Interval, index_of, instants_of, parse_instant
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
    if not text or (time is not None and text in time.labels):
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
    ends = _ends(text) if text and (time is None or text not in time.labels) else None
    if time is None:
        return range(1)
    if "/" in text and ends is not None:
        return _between(layer, time, ends, text)
    if text:
        at = time.labels.index(label_of(layer, text))
        return range(at, at + 1)
    return range(len(time.labels))


def _between(layer: Layer, time: Dimension, ends: tuple[Interval | None, Interval | None], text: str) -> range:
    """Return the indices of the times between two instants."""
    instants = instants_of(time.labels)
    start, end = ends
    if instants is not None:
        first = 0 if start is None else bisect.bisect_left(instants, start.start)
        after = len(instants) if end is None else bisect.bisect_left(instants, end.end)
        if first < after:
            return range(first, after)
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
