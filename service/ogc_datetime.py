"""The parameter ``datetime`` of OGC APIs (OGC 20-057, /req/datetime): an instant or an interval, open or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.times import Interval, instants_of, parse_instant
from lazytile.service.errors import NotFoundError

if TYPE_CHECKING:
    from lazytile.pyramid.layer import Layer

_FORMS = "an RFC 3339 date or time, A/B, A/.. or ../B"
_OPEN = ("", "..")


def label_of(layer: Layer, text: str) -> str:
    """Return the label of the time that ``datetime`` selects: of an interval the latest in it.

    Raises ``InvalidParameterError`` for what is no instant or interval, ``NotFoundError`` where the layer has no time
    there. A layer without times has its one state at any time; then and for an empty text the label is empty.
    """
    time = layer.variable.time
    if not text or (time is not None and text in time.labels):
        return text
    start, end = _ends(text)
    if time is None:
        return ""
    instants = instants_of(time.labels)
    if instants is not None:
        chosen = [
            label
            for label, instant in zip(time.labels, instants, strict=True)
            if (start is None or instant >= start.start) and (end is None or instant < end.end)
        ]
        if chosen:
            return chosen[-1] if "/" in text else chosen[0]
    raise NotFoundError(
        "datetime", f"{layer.name} has no time at {text}, it has {len(time.labels)} from {time.labels[0]} to "
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
