"""A continuous colormap spread over another range: the same colours for other values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Colormap, Entry, Interval, Legend, LegendEntry, Part, number_text
from lazytile.colormaps.core.round_scale import log_ticks, round_scale, tick_labels, usable_range

if TYPE_CHECKING:
    from collections.abc import Callable

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
    edges = _edges(colormap, part)
    if len(edges) < 2:
        raise ColormapError(f"colormap {colormap.name}: {part.title!r} has no range of values")
    return edges[0], edges[-1]


def _edges(colormap: Colormap, part: Part) -> list[float]:
    bins = [bin_ for entry in part.entries if not entry.nodata for bin_ in colormap.bins(entry)]
    ends = {end for bin_ in bins if not bin_.is_empty for end in (bin_.lower, bin_.upper)}
    return sorted(end for end in ends if math.isfinite(end))


def _spread(
    colormap: Colormap, part: Part, ends: tuple[float | None, float | None], spacing: str, units: str | None
) -> Part:
    edges = _edges(colormap, part)
    low, high = finite_range(colormap, part)
    minimum, maximum = (own if end is None else end for own, end in zip((low, high), ends, strict=True))
    if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum and maximum - minimum < 1e300):
        raise ColormapError(
            f"colormap {colormap.name}: a range must rise from one number to another, not {minimum},{maximum}"
        )
    if spacing == "log" and minimum <= 0:
        raise ColormapError(f"colormap {colormap.name}: a logarithmic range must be positive, not {minimum},{maximum}")
    rank = {edge: position / (len(edges) - 1) for position, edge in enumerate(edges)}

    def moved_to(value: float) -> float:
        if math.isinf(value):
            return value
        share = (value - low) / (high - low) if spacing == "keep" else rank[value]
        if share in {0.0, 1.0}:
            return maximum if share else minimum
        return minimum * (maximum / minimum) ** share if spacing == "log" else minimum + share * (maximum - minimum)

    moved = {
        entry.index: tuple(
            replace(bin_, lower=moved_to(bin_.lower), upper=moved_to(bin_.upper))
            for bin_ in colormap.bins(entry)
            if not bin_.is_empty
        )
        for entry in part.entries
        if not entry.nodata
    }
    _open_ends(moved)
    entries = tuple(_moved_entry(entry, moved) for entry in part.entries)
    legend = _legend(entries, _ticks(minimum, maximum, log=spacing == "log"), (minimum, maximum))
    entries = tuple(replace(entry, ref=entry.index) for entry in entries)
    return replace(part, entries=entries, legend=legend, units=part.units if units is None else units)


def _open_ends(moved: dict[int, tuple[Interval, ...]]) -> None:
    """Extend the lowest and the highest bin to infinity, where none is infinite yet."""
    filled = [(index, position) for index, bins in moved.items() for position in range(len(bins))]

    def bin_at(key: tuple[int, int]) -> Interval:
        return moved[key[0]][key[1]]

    def change(key: tuple[int, int], bin_: Interval) -> None:
        bins = list(moved[key[0]])
        bins[key[1]] = bin_
        moved[key[0]] = tuple(bins)

    lowest = min(filled, key=lambda key: (bin_at(key).lower, bin_at(key).upper))
    if bin_at(lowest).lower > -math.inf:
        change(lowest, replace(bin_at(lowest), lower=-math.inf, closed_lower=True))
    highest = max(filled, key=lambda key: (bin_at(key).upper, bin_at(key).lower))
    if bin_at(highest).upper < math.inf or not bin_at(highest).closed_upper:
        change(highest, replace(bin_at(highest), upper=math.inf, closed_upper=True))


def _moved_entry(entry: Entry, moved: dict[int, tuple[Interval, ...]]) -> Entry:
    bins = moved.get(entry.index)
    if bins is None:
        return replace(entry, source=())
    return replace(entry, value=bins, source=(), label=", ".join(bin_text(bin_) for bin_ in bins))


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
