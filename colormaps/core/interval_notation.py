"""The notation of intervals in GIBS attributes: ``[a,b)``, ``(a,b]``, ``[a]``, ``a``, infinities, and lists of them.

The pattern in ``ColorMap_v1.3.xsd`` is one or more intervals separated by commas, with optional brackets. Real files
deviate from it; each deviation is read as its message states.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.colormaps.core.model import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:INF(?:INITY)?|inf(?:inity)?)"
_INTERVAL = re.compile(rf"\s*([\[(])\s*({_NUMBER})\s*(?:,\s*({_NUMBER})\s*)?([\])])?\s*(?:,|$)")
_BARE = re.compile(rf"\s*({_NUMBER})\s*([\])])?\s*(?:,|$)")


def parse_intervals(text: str, report: Callable[[str], None]) -> tuple[Interval, ...]:
    """Parse the text of an attribute.

    Args:
        text: One or more intervals.
        report: Called with the text of each deviation.

    Returns:
        The intervals; none where the text is not understood.
    """
    intervals: list[Interval] = []
    position, bare = 0, 0
    while position < len(text):
        if match := _INTERVAL.match(text, position):
            intervals.append(_bracketed(*match.groups(), text=text, report=report))
        elif match := _BARE.match(text, position):
            if match[2]:
                report(f"{text!r} has a bracket that was never opened, read as single values")
            intervals.append(Interval.single(_number(match[1])))
            bare += 1
        else:
            report(f"{text!r} is not a value or an interval, it holds no value")
            return ()
        position = match.end()
    if not intervals:
        report("an empty value holds no value")
    if bare > 1:
        report(f"{text!r} has several numbers without brackets, each is read as a single value")
    return tuple(intervals)


def _bracketed(
    opening: str, lower: str, upper: str | None, closing: str | None, *, text: str, report: Callable[[str], None]
) -> Interval:
    if upper is None:
        # GIBS serves "[0)": one number can only mean itself.
        if opening != "[" or closing != "]":
            report(f"{text!r} has one number and brackets that do not match, read as that single value")
        return Interval.single(_number(lower))
    if closing is None:
        report(f"{text!r} has no closing bracket, its upper end is read as open")
    interval = Interval(_number(lower), _number(upper), closed_lower=opening == "[", closed_upper=closing == "]")
    if interval.is_reversed:
        report(f"{text!r} is reversed, it holds no value")
    elif interval.is_empty:
        report(f"{text!r} is empty, it holds no value")
    return interval


def _number(text: str) -> float:
    # Adding zero turns -0.0 into 0.0, which is the same edge.
    return float(text) + 0.0
