"""Round numbers along a range: readable bin edges, and ticks for a legend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class RoundScale:
    """Multiples of a round step: ``first * step`` to ``(first + count) * step``."""

    step: Decimal
    first: int
    count: int

    def edges(self) -> tuple[float, ...]:
        """Return the ``count + 1`` edges, each the float64 nearest to its decimal number."""
        return tuple(float(self.step * (self.first + i)) for i in range(self.count + 1))

    def text(self, position: int) -> str:
        """Return an edge as text, with the digits that the step needs.

        Args:
            position: Of the edge, from 0.

        Returns:
            The text.
        """
        return decimal_text(self.step * (self.first + position), self.step)


def decimal_text(value: Decimal, step: Decimal) -> str:
    """Return a multiple of a step as text, with as many digits as the step has.

    Args:
        value: A multiple of ``step``.
        step: A round number.

    Returns:
        The text; six significant digits where the number is very long.
    """
    exponent = step.normalize().as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    if digits > 9 or abs(value) >= Decimal("1e12"):
        return f"{float(value):.6g}"
    return f"{value:.{digits}f}"


def usable_range(minimum: float | None, maximum: float | None) -> tuple[float, float]:
    """Return a finite range of some width, whatever is known of the data.

    Args:
        minimum: Of the data; None or NaN if unknown.
        maximum: Of the data; None or NaN if unknown.

    Returns:
        The range, widened around a constant; 0 to 1 where nothing is known.
    """
    ends = [end for end in (minimum, maximum) if end is not None and not math.isnan(end)]
    if not ends:
        return 0.0, 1.0
    low, high = (max(-_LARGEST, min(_LARGEST, end)) for end in (min(ends), max(ends)))
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = abs(low) * 0.05 or 0.5
        low, high = low - room, high + room
    return low, high


def round_scale(minimum: float, maximum: float, most: int) -> RoundScale:
    """Return the finest round scale that covers a range.

    Args:
        minimum: Below ``maximum``.
        maximum: Of the range.
        most: Number of steps at most.

    Returns:
        The scale.

    Raises:
        AssertionError: Never: a step ten times as large as needed always fits.
    """
    low, high = Decimal(minimum), Decimal(maximum)
    rough = (high - low) / most
    magnitude = Decimal(10) ** math.floor(rough.log10())
    for factor in (*_STEPS, *(step * 10 for step in _STEPS)):
        step = factor * magnitude
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first <= most:
            return RoundScale(step, first, max(last - first, 1))
    raise AssertionError("a step ten times the range divided by the steps always fits")


def tick_labels(scale: RoundScale, most: int) -> dict[int, str]:
    """Return labels for some edges of a scale: multiples of a round step.

    Args:
        scale: Whose edges are labelled.
        most: Number of labels at most.

    Returns:
        Labels by position of the edge.
    """
    for factor in (Decimal(10) ** exponent * step for exponent in range(9) for step in _STEPS[:-1]):
        stride = int(factor)
        if stride != factor:
            continue
        positions = tuple(i for i in range(scale.count + 1) if (scale.first + i) % stride == 0)
        # A stride of 2 or 5 steps of 2.5 lands on numbers such as 7.5: round enough for a legend.
        if len(positions) <= most:
            return {i: decimal_text(scale.step * (scale.first + i), scale.step * stride) for i in positions}
    return {}


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers in a logarithmic range.

    Args:
        low: Of the range, above 0.
        high: Of the range.
        most: Number of powers of ten at most, in a wide range.

    Returns:
        1, 2 and 5 times the powers of ten, or some powers of ten where there are many.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    few = last - first <= 3
    stride = 1 if few else -(-(last - first) // most)
    values = [digit * 10.0**power for power in range(first, last + 1, stride) for digit in ((1, 2, 5) if few else (1,))]
    return [value for value in values if low <= value <= high]
