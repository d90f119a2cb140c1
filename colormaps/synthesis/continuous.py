"""Generated colormaps: a ramp over a range, and colours for classes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Entry, Interval, Legend, LegendEntry, Part, Rgba
from lazytile.colormaps.core.round_scale import log_ticks, round_scale, tick_labels, usable_range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BINS = 250
"""Most bins of a generated map, which with two open ends and no data still fit a palette."""
TICKS = 8
NO_DATA = "No Data"


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of a map under construction."""

    interval: Interval
    rgba: Rgba
    text: str
    """For the tooltip."""
    tick: str | None = None
    """Label of the bin's lower edge in the legend; None for none."""


def no_data_part(rgba: Rgba = TRANSPARENT) -> Part:
    """Return the part with one no-data entry, with which every generated colormap begins.

    Args:
        rgba: Colour of no data.

    Returns:
        The part.
    """
    legend = Legend("classification", (LegendEntry(0, rgba, NO_DATA),))
    return Part(NO_DATA, (Entry(NO_DATA, 0, rgba, nodata=True, label=NO_DATA, ref=0),), "", legend)


def binned_colormap(
    name: str,
    bins: Sequence[Bin],
    *,
    title: str = "",
    units: str = "",
    legend_type: str = "continuous",
    ends: tuple[str | None, str | None] = (None, None),
    nodata: Rgba = TRANSPARENT,
    origin: str = "generated",
    relative: bool = False,
) -> Colormap:
    """Return a colormap of a no-data part and a part with the given bins.

    Args:
        name: Of the colormap.
        bins: In document order.
        title: Of the part; the name by default.
        units: Of the values.
        legend_type: ``continuous``, ``discrete`` or ``classification``.
        ends: Labels of the lower and upper end of the legend.
        nodata: Colour of no data.
        origin: Where the bins come from.
        relative: Whether values run from 0 to 1.

    Returns:
        The colormap.
    """
    title = title or name
    entries, legend = [], []
    for ref, bin_ in enumerate(bins, start=1):
        entries.append(Entry(title, ref, bin_.rgba, (bin_.interval,), (), label=bin_.text, ref=ref))
        shown = bin_.tick is not None
        legend.append(LegendEntry(ref, Rgba(*bin_.rgba[:3]), bin_.text, bin_.tick, shown, shown))
    part = Part(title, tuple(entries), units, Legend(legend_type, tuple(legend), *ends))
    return Colormap(name, (no_data_part(nodata), part), origin=origin, relative=relative)


def range_colormap(
    name: str,
    colours: Callable[[int], Sequence[Rgba]],
    minimum: float | None,
    maximum: float | None,
    *,
    title: str = "",
    units: str = "",
    log: bool = False,
    origin: str = "generated",
) -> Colormap:
    """Return a continuous map over a range, whose end bins are open to infinity.

    Args:
        name: Of the colormap.
        colours: Returns a number of colours, low to high; the first and last are for values beyond the range.
        minimum: Of the range; None if unknown.
        maximum: Of the range; None if unknown.
        title: Of the colormap; its name by default.
        units: Of the values.
        log: Whether the bins have equal ratios, for a positive range, instead of round edges that cover the range.
        origin: Where the colours come from.

    Returns:
        The colormap. A range without width is widened.

    Raises:
        ColormapError: A logarithmic range is not positive, or too narrow.
    """
    low, high = usable_range(minimum, maximum)
    if log:
        return _log_colormap(name, colours, low, high, title=title, units=units, origin=origin)
    scale = round_scale(low, high, BINS)
    edges = scale.edges()
    ticks = tick_labels(scale, TICKS)
    texts = [scale.text(position) for position in range(scale.count + 1)]
    return _open_ended(name, edges, texts, ticks, colours(scale.count + 2), title=title, units=units, origin=origin)


def _log_colormap(
    name: str,
    colours: Callable[[int], Sequence[Rgba]],
    low: float,
    high: float,
    *,
    title: str,
    units: str,
    origin: str,
) -> Colormap:
    if low <= 0:
        raise ColormapError(f"colormap {name}: a logarithmic range must be positive, got {low} to {high}")
    edges = np.geomspace(low, high, BINS + 1).tolist()
    edges[0], edges[-1] = low, high
    if any(b <= a for a, b in itertools.pairwise(edges)):
        raise ColormapError(f"colormap {name}: {low} to {high} is too narrow a range for logarithmic bins")
    ticks = {}
    for value in log_ticks(low, high, TICKS):
        position = min(range(len(edges)), key=lambda i: abs(math.log(edges[i] / value)))
        edges[position] = value
        ticks[position] = f"{value:g}"
    texts = [f"{edge:.4g}" for edge in edges]
    return _open_ended(name, edges, texts, ticks, colours(BINS + 2), title=title, units=units, origin=origin)


def _open_ended(
    name: str,
    edges: Sequence[float],
    texts: Sequence[str],
    ticks: dict[int, str],
    colours: Sequence[Rgba],
    *,
    title: str,
    units: str,
    origin: str,
) -> Colormap:
    """Return bins between the edges, one below them and one above, which take two colours more."""
    # Infinite values have a side, so the upper end is closed: +inf is above, not missing.
    bins = [Bin(Interval(-math.inf, edges[0]), colours[0], f"< {texts[0]}")]
    bins += [
        Bin(Interval(edges[i], edges[i + 1]), colour, f"{texts[i]} – {texts[i + 1]}", ticks.get(i))  # noqa: RUF001
        for i, colour in enumerate(colours[1:-1])
    ]
    above = Interval(edges[-1], math.inf, closed_upper=True)
    bins.append(Bin(above, colours[-1], f"≥ {texts[-1]}", ticks.get(len(edges) - 1)))
    ends = (f"< {float(texts[0]):g}", f"≥ {float(texts[-1]):g}")
    return binned_colormap(name, bins, title=title, units=units, ends=ends, origin=origin)


def class_colormap(
    name: str,
    classes: Sequence[tuple[Sequence[float], str, Rgba]],
    *,
    title: str = "",
    origin: str = "generated",
) -> Colormap:
    """Return a classification.

    Args:
        name: Of the colormap.
        classes: Codes, text and colour of each class.
        title: Of the colormap; its name by default.
        origin: Where the classes come from.

    Returns:
        The colormap.
    """
    title = title or name
    entries, legend = [], []
    for ref, (codes, text, rgba) in enumerate(classes, start=1):
        intervals = tuple(Interval.single(float(code)) for code in codes)
        entries.append(Entry(title, ref, rgba, intervals, (), label=text, ref=ref))
        legend.append(LegendEntry(ref, Rgba(*rgba[:3]), text))
    part = Part(title, tuple(entries), "", Legend("classification", tuple(legend)))
    return Colormap(name, (no_data_part(), part), origin=origin)
