"""Colours at values, blended in between, as in SLD ramps, GDAL colour tables and Matplotlib.

A palette has bins, so a blend becomes bins so narrow that two neighbours differ by little; each has the colour at its
middle. Colours between stops are blended linearly in sRGB, as SLD and GDAL do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Interval, Rgba
from lazytile.colormaps.synthesis.continuous import BINS, Bin, binned_colormap
from lazytile.colormaps.synthesis.rescale import bin_text

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Stop:
    """A colour at a value."""

    value: float
    rgba: Rgba
    label: str = ""


def blended_colormap(
    name: str, stops: Sequence[Stop], *, nodata: Rgba = TRANSPARENT, origin: str, relative: bool = False
) -> Colormap:
    """Return the colormap that blends between stops.

    Args:
        name: Of the colormap.
        stops: At least one; stops of equal value make a sharp edge. Beyond the first and last, their colours continue.
        nodata: Colour of no data.
        origin: Where the stops come from.
        relative: Whether values run from 0 to 1.

    Returns:
        The colormap.

    Raises:
        ColormapError: There is no stop, or one is not finite.
    """
    ordered = _ordered(name, stops)
    if not all(math.isfinite(stop.value) for stop in ordered):
        raise ColormapError(f"{name}: colours are blended between finite values only")
    segments = [(low, high) for low, high in pairwise(ordered) if high.value > low.value]
    weights = [max(1, *(abs(a - b) for a, b in zip(low.rgba, high.rgba, strict=True))) for low, high in segments]
    room = max(BINS - len(segments), 0) / max(sum(weights), 1)
    bins = [_bin(Interval(-math.inf, ordered[0].value), ordered[0].rgba, ordered[0].label)]
    for (low, high), weight in zip(segments, weights, strict=True):
        count = min(1 + int(room * weight), weight)
        edges = [low.value + (high.value - low.value) * (i / count) for i in range(count)] + [high.value]
        for i, (a, b) in enumerate(pairwise(edges)):
            if b > a:
                bins.append(
                    _bin(Interval(a, b), _mix(low.rgba, high.rgba, (i + 0.5) / count), low.label if not i else "")
                )
    last = ordered[-1]
    bins.append(_bin(Interval(last.value, math.inf, closed_upper=True), last.rgba, last.label))
    ends = (ordered[0].label or None, last.label or None)
    return binned_colormap(name, bins, ends=ends, nodata=nodata, origin=origin, relative=relative)


def stepped_colormap(
    name: str, stops: Sequence[Stop], *, upper_closed: bool, nodata: Rgba = TRANSPARENT, origin: str
) -> Colormap:
    """Return the colormap in which each stop colours the values between the stop before it and itself.

    Args:
        name: Of the colormap.
        stops: At least one. The first one reaches down to -inf; beyond the last there is no colour unless it is
            infinite.
        upper_closed: Whether a stop colours its own value (QGIS ``DISCRETE``) or the next stop does (SLD
            ``intervals``).
        nodata: Colour of no data.
        origin: Where the stops come from.

    Returns:
        The colormap.

    Raises:
        ColormapError: There is no stop.
    """
    bins, lower = [], -math.inf
    for stop in _ordered(name, stops):
        interval = Interval(
            lower,
            stop.value,
            closed_lower=not upper_closed or lower == -math.inf,
            closed_upper=upper_closed or stop.value == math.inf,
        )
        bins.append(Bin(interval, stop.rgba, stop.label or bin_text(interval), stop.label or None))
        lower = stop.value
    return binned_colormap(name, bins, legend_type="discrete", nodata=nodata, origin=origin)


def exact_colormap(name: str, stops: Sequence[Stop], *, nodata: Rgba = TRANSPARENT, origin: str) -> Colormap:
    """Return the colormap in which each stop colours its own value and no other.

    Args:
        name: Of the colormap.
        stops: At least one.
        nodata: Colour of no data.
        origin: Where the stops come from.

    Returns:
        The colormap.

    Raises:
        ColormapError: There is no stop.
    """
    if not stops:
        raise ColormapError(f"{name}: it holds no colours")
    bins = [Bin(Interval.single(stop.value), stop.rgba, stop.label or f"{stop.value:g}") for stop in stops]
    return binned_colormap(name, bins, legend_type="classification", nodata=nodata, origin=origin)


def _ordered(name: str, stops: Sequence[Stop]) -> list[Stop]:
    if not stops:
        raise ColormapError(f"{name}: it holds no colours")
    return sorted(stops, key=lambda stop: stop.value)


def _bin(interval: Interval, rgba: Rgba, label: str) -> Bin:
    return Bin(interval, rgba, bin_text(interval), label or None)


def _mix(low: Rgba, high: Rgba, share: float) -> Rgba:
    return Rgba(*(round(a + (b - a) * share) for a, b in zip(low, high, strict=True)))
