"""A continuous colormap spread over another range: the same colours for other values."""

from __future__ import annotations

import math
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Colormap, Entry, Interval, Legend, LegendEntry, Part, number_text
from lazytile.colormaps.core.round_scale import log_ticks, round_scale, tick_labels, usable_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SPACINGS = ("keep", "even", "log")
_TICKS = 7


def rescaled(
    colormap: Colormap,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    spacing: str = "keep",
    units: str | None = None,
) -> Colormap:
    """Return a colormap with its finite bins spread over a range.

    Values beyond the range get the end colours. No-data and classification parts stay unchanged.

    Args:
        colormap: To spread.
        minimum: In the units of the colormap, or of ``units``; None for each data part's own.
        maximum: As ``minimum``.
        spacing: ``keep`` the bins' relative widths, make them ``even``, or of equal ratios (``log``, for a positive
            range).
        units: Of the new range; None for those of the colormap.

    Returns:
        The colormap.

    Raises:
        ColormapError: It is a classification, or the range or the spacing is invalid.
    """
    if spacing not in SPACINGS:
        raise ColormapError(f"spacing must be {', '.join(SPACINGS)}, not {spacing!r}")
    if colormap.is_classification:
        raise ColormapError(f"colormap {colormap.name} has classes, which cannot be spread over a range")
    parts = tuple(
        part if part.is_classification else _spread(colormap, part, (minimum, maximum), spacing, units)
        for part in colormap.parts
    )
    return replace(colormap, parts=parts, relative=False)


def fitted(colormap: Colormap, minimum: float | None, maximum: float | None, units: str = "") -> Colormap:
    """Return a relative colormap spread over the range of some data, and any other one unchanged.

    Args:
        colormap: To spread.
        minimum: Of the data; None if unknown.
        maximum: Of the data; None if unknown.
        units: Of the data.

    Returns:
        The colormap; a range without width is widened.
    """
    if not colormap.relative:
        return colormap
    return rescaled(colormap, *usable_range(minimum, maximum), units=units)


def finite_range(colormap: Colormap, part: Part | None = None) -> tuple[float, float]:
    """Return the lowest and the highest finite end of the bins of a part.

    Args:
        colormap: Of the part.
        part: The main one by default.

    Returns:
        Low and high, in the units of the part.

    Raises:
        ColormapError: The bins have fewer than two finite ends.
    """
    part = part or colormap.main_part
    edges = _edges(
        [bin_ for bin_ in colormap.bins(entry) if not bin_.is_empty] for entry in part.entries if not entry.nodata
    )
    return _ends(colormap, part, edges)


def _edges(bins_by_entry: Iterable[Iterable[Interval]]) -> list[float]:
    """Return the finite ends of bins, ascending, each once."""
    ends = {end for bins in bins_by_entry for bin_ in bins for end in (bin_.lower, bin_.upper)}
    return sorted(end for end in ends if math.isfinite(end))


def _ends(colormap: Colormap, part: Part, edges: list[float]) -> tuple[float, float]:
    if len(edges) < 2:
        raise ColormapError(f"colormap {colormap.name}: {part.title!r} has no range of values")
    return edges[0], edges[-1]


def _spread(
    colormap: Colormap, part: Part, ends: tuple[float | None, float | None], spacing: str, units: str | None
) -> Part:
    filled = {
        entry.index: tuple(bin_ for bin_ in colormap.bins(entry) if not bin_.is_empty)
        for entry in part.entries
        if not entry.nodata
    }
    edges = _edges(filled.values())
    low, high = _ends(colormap, part, edges)
    minimum, maximum = (own if end is None else end for own, end in zip((low, high), ends, strict=True))
    if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum and maximum - minimum < 1e300):
        raise ColormapError(
            f"colormap {colormap.name}: a range must rise from one number to another, not {minimum},{maximum}"
        )
    if spacing == "log" and minimum <= 0:
        raise ColormapError(f"colormap {colormap.name}: a logarithmic range must be positive, not {minimum},{maximum}")

    def moved_to(position: int, value: float) -> float:
        share = (value - low) / (high - low) if spacing == "keep" else position / (len(edges) - 1)
        if share in {0.0, 1.0}:
            return maximum if share else minimum
        return minimum * (maximum / minimum) ** share if spacing == "log" else minimum + share * (maximum - minimum)

    # Neighbours share an edge, which is moved once.
    place = {value: moved_to(position, value) for position, value in enumerate(edges)}
    place |= {-math.inf: -math.inf, math.inf: math.inf}
    moved = {
        index: tuple(
            Interval(place[bin_.lower], place[bin_.upper], bin_.closed_lower, bin_.closed_upper) for bin_ in bins
        )
        for index, bins in filled.items()
    }
    _open_ends(moved)
    entries = tuple(_moved_entry(entry, moved.get(entry.index)) for entry in part.entries)
    legend = _legend(entries, _ticks(minimum, maximum, log=spacing == "log"), (minimum, maximum))
    return replace(part, entries=entries, legend=legend, units=part.units if units is None else units)


def _open_ends(moved: dict[int, tuple[Interval, ...]]) -> None:
    """Extend the lowest and the highest bin to infinity, where none is infinite yet."""
    ends = [
        (bin_.lower, bin_.upper, index, position) for index, bins in moved.items() for position, bin_ in enumerate(bins)
    ]

    def change(index: int, position: int, bin_: Interval) -> None:
        bins = moved[index]
        moved[index] = (*bins[:position], bin_, *bins[position + 1 :])

    lower, _, index, position = min(ends, key=itemgetter(0, 1))
    if lower > -math.inf:
        change(index, position, replace(moved[index][position], lower=-math.inf, closed_lower=True))
    _, upper, index, position = max(ends, key=itemgetter(1, 0))
    if upper < math.inf or not moved[index][position].closed_upper:
        change(index, position, replace(moved[index][position], upper=math.inf, closed_upper=True))


def _moved_entry(entry: Entry, bins: tuple[Interval, ...] | None) -> Entry:
    """Return an entry with other bins; None: with its own."""
    index = entry.index
    if bins is None:
        return replace(entry, source=(), ref=index)
    label = ", ".join([bin_text(bin_) for bin_ in bins])
    return Entry(entry.map, index, entry.rgba, bins, (), entry.nodata, label, index, entry.line)


def bin_text(bin_: Interval) -> str:
    """Return which values a bin holds, as text for people.

    Args:
        bin_: The bin.

    Returns:
        The text.
    """
    if bin_.is_single:
        return f"{bin_.lower:.6g}"
    if math.isinf(bin_.lower):
        return f"{'≤' if bin_.closed_upper else '<'} {bin_.upper:.6g}"
    if math.isinf(bin_.upper):
        return f"{'≥' if bin_.closed_lower else '>'} {bin_.lower:.6g}"
    return f"{bin_.lower:.6g} – {bin_.upper:.6g}"  # noqa: RUF001


def _ticks(minimum: float, maximum: float, *, log: bool) -> dict[float, str]:
    """Return round numbers inside a range, with their texts."""
    if log:
        ticks = {value: f"{value:g}" for value in log_ticks(minimum, maximum, _TICKS)}
    else:
        scale = round_scale(minimum, maximum, 100)
        labels = tick_labels(scale, _TICKS)
        ticks = {float(scale.step * (scale.first + position)): text for position, text in labels.items()}
    return {value: text for value, text in ticks.items() if minimum < value < maximum}


def _legend(entries: tuple[Entry, ...], ticks: dict[float, str], ends: tuple[float, float]) -> Legend:
    """Return a continuous legend, each tick on the bin that begins nearest to it."""
    starts: list[tuple[float, int]] = [
        (bin_.lower, entry.index) for entry in entries for bin_ in entry.value[:1] if math.isfinite(bin_.lower)
    ]
    nearest: Callable[[float], int] = lambda value: min(starts, key=lambda start: abs(start[0] - value))[1]  # noqa: E731
    labels = {nearest(value): text for value, text in ticks.items()} if starts else {}
    shown = tuple(
        LegendEntry(
            entry.index, entry.rgba, entry.label, labels.get(entry.index), entry.index in labels, entry.index in labels
        )
        for entry in entries
    )
    return Legend("continuous", shown, f"< {number_text(ends[0])}", f"≥ {number_text(ends[1])}")
