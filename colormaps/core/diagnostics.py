"""Flaws of a colormap that can still be read: gaps, overlaps, wrong order and repeated colours.

None of them is an error. A value in a gap is no data; where entries overlap, the first in document order wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.colormaps.core.model import Diagnostic, Entry, Interval, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.colormaps.core.model import Colormap, Part

_Bin = tuple[Interval, Entry]


def diagnose(colormap: Colormap, file: str) -> Iterator[Diagnostic]:
    """Yield the flaws of a colormap.

    Args:
        colormap: To examine.
        file: Name of its file in the texts.

    Yields:
        Each flaw.
    """
    for part in colormap.parts:
        yield from _repeated_colours(part, file)
        yield from _order(colormap, part, file)
        yield from _neighbours(colormap, part, file)
    yield from _between_parts(colormap, file)
    yield from _out_of_reach(colormap, file)


def _diagnostic(file: str, entry: Entry, text: str) -> Diagnostic:
    return Diagnostic(file, text, entry.line, entry.index)


def _bins(colormap: Colormap, part: Part) -> list[_Bin]:
    return [(bin_, e) for e in part.entries for bin_ in colormap.bins(e) if not bin_.is_empty]


def _repeated_colours(part: Part, file: str) -> Iterator[Diagnostic]:
    first: dict[tuple[int, ...], Entry] = {}
    for entry in part.entries:
        if entry.rgba.alpha == 0:
            continue
        other = first.setdefault(entry.rgba, entry)
        if other is not entry:
            colour = ",".join(map(str, entry.rgba[:3]))
            yield _diagnostic(file, entry, f"colour {colour} repeats that of entry {other.index}")


def _order(colormap: Colormap, part: Part, file: str) -> Iterator[Diagnostic]:
    if part.is_classification:
        return
    last: _Bin | None = None
    for bin_, entry in _bins(colormap, part):
        if last is not None and bin_.lower < last[0].lower and entry is not last[1]:
            yield _diagnostic(file, entry, f"{bin_.text()} follows {last[0].text()}: values do not ascend")
        last = (bin_, entry)


def _neighbours(colormap: Colormap, part: Part, file: str) -> Iterator[Diagnostic]:
    """Yield gaps and overlaps between the bins of one part, in ascending order of value."""
    ordered = sorted(_bins(colormap, part), key=lambda b: (b[0].lower, not b[0].closed_lower, b[1].index))
    reach: _Bin | None = None
    for bin_, entry in ordered:
        if reach is not None:
            high = reach[0]
            if _share(high, bin_) and entry is not reach[1]:
                winner = min(entry.index, reach[1].index)
                text = f"{bin_.text()} overlaps {high.text()} of entry {reach[1].index}, entry {winner} wins"
                yield _diagnostic(file, entry, text)
            elif _gap(high, bin_) and entry is not reach[1] and not (high.is_single and bin_.is_single):
                text = f"between {number_text(high.upper)} and {number_text(bin_.lower)} there is a gap: no data"
                yield _diagnostic(file, entry, text)
        if reach is None or (bin_.upper, bin_.closed_upper) > (reach[0].upper, reach[0].closed_upper):
            reach = (bin_, entry)


def _share(a: Interval, b: Interval) -> bool:
    """Return whether some value lies in both intervals."""
    lower, upper = max(a.lower, b.lower), min(a.upper, b.upper)
    return lower < upper or (lower == upper and a.contains(lower) and b.contains(lower))


def _gap(lower: Interval, upper: Interval) -> bool:
    return upper.lower > lower.upper or (upper.lower == lower.upper and not (upper.closed_lower or lower.closed_upper))


def _between_parts(colormap: Colormap, file: str) -> Iterator[Diagnostic]:
    """Yield one flaw for each pair of parts that share values: the maps of one file are often alternatives."""
    spans = [(part, sorted(_bins(colormap, part), key=lambda b: b[0].lower)) for part in colormap.parts]
    for number, (part, bins) in enumerate(spans):
        for other, other_bins in spans[number + 1 :]:
            clash = _first_clash(bins, other_bins)
            if clash is not None:
                (low, _), (high, entry) = clash
                text = (
                    f"{high.text()} of ColorMap {other.title!r} overlaps {low.text()} of {part.title!r}: the earlier "
                    "entry wins unless a ColorMap is chosen by its title"
                )
                yield _diagnostic(file, entry, text)


def _first_clash(bins: list[_Bin], others: list[_Bin]) -> tuple[_Bin, _Bin] | None:
    """Return the first pair that shares a value; both lists ascend, so one sweep is enough for disjoint bins."""
    i = j = 0
    while i < len(bins) and j < len(others):
        a, b = bins[i][0], others[j][0]
        if _share(a, b):
            return bins[i], others[j]
        if (a.upper, a.closed_upper) <= (b.upper, b.closed_upper):
            i += 1
        else:
            j += 1
    return None


def _out_of_reach(colormap: Colormap, file: str) -> Iterator[Diagnostic]:
    for entry in colormap.entries:
        if entry.nodata or entry.value or colormap.bins(entry):
            continue
        if entry.source:
            text = "only a sourceValue, and those of this file are on another scale than its values: never used"
        else:
            text = "neither a value nor a sourceValue: never used"
        yield _diagnostic(file, entry, text)
