"""Percentiles of a layer's histogram, and the range of colours that they suggest."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from lazytile.colormaps.synthesis.defaults import suited_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.store.dataset import Histogram, Variable

PERCENTAGES = (0, 1, 2, 5, 10, 25, 50, 75, 90, 95, 98, 99, 100)
STRETCH = (2, 98)
"""Percentages between which the colours of a layer without a colormap of its own run at first."""
_DIGITS = 3


def percentiles_of(histogram: Histogram, percentages: Iterable[float]) -> list[float]:
    """Return percentiles, linear within a bin.

    Args:
        histogram: Counts by value.
        percentages: 0 to 100.

    Returns:
        A value for each percentage, in the units of the histogram; none where all counts are 0.
    """
    ends = list(itertools.accumulate(histogram.counts))
    total = ends[-1] if ends else 0
    if not total:
        return []
    values = []
    for percentage in percentages:
        wanted = total * percentage / 100
        at = next(index for index, end in enumerate(ends) if end >= wanted and histogram.counts[index])
        share = (wanted - (ends[at] - histogram.counts[at])) / histogram.counts[at]
        values.append(histogram.first_edge + histogram.width * (at + min(max(share, 0.0), 1.0)))
    return values


def stretch_of(variable: Variable) -> tuple[tuple[float, float], str] | None:
    """Return the range that shows most of a layer's values, in numbers that people can read.

    Args:
        variable: The variable of the layer, which has values and no classes.

    Returns:
        Low, high, and the spacing ``keep`` or ``log``; None where the values are unknown or all the same. The range of
        a quantity with a natural centre is symmetric about it.
    """
    if variable.histogram is None or variable.is_classes:
        return None
    found = percentiles_of(variable.histogram, STRETCH)
    if not found:
        return None
    low, high = found
    title = str(variable.attributes.get("long_name", "")) or variable.title
    quantity = suited_quantity(variable.standard_name, variable.name, title)
    if quantity.centre is not None and low < quantity.centre < high:
        reach = max(high - quantity.centre, quantity.centre - low)
        low, high = quantity.centre - reach, quantity.centre + reach
    low, high = rounded_range(low, high)
    if not low < high:
        return None
    return (low, high), "log" if quantity.log and low > 0 else "keep"


def rounded_range(low: float, high: float) -> tuple[float, float]:
    """Round the ends of a range to three digits of its width.

    Args:
        low: Lower end.
        high: Upper end, above ``low``.

    Returns:
        Both ends.
    """
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return low, high
    digits = _DIGITS - 1 - math.floor(math.log10(width))
    return round(low, digits) + 0.0, round(high, digits) + 0.0  # no negative zero
