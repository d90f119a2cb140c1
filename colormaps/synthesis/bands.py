"""A continuous colormap in a few bands, and with other colours beyond its range (ncWMS2, "GetMap")."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Interval, Rgba
from lazytile.colormaps.synthesis.continuous import Bin, binned_colormap
from lazytile.colormaps.synthesis.ramps import parse_hex
from lazytile.colormaps.synthesis.rescale import bin_text, finite_range

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BANDS = 250
"""As in ncWMS: with no data and two ends they fit a palette."""
_TICKS = 8


def end_colour(text: str) -> Rgba | None:
    """Return the colour of values beyond a range.

    Args:
        text: ``extend`` or empty for the colour of the nearest end, ``transparent``, ``0xRRGGBB``, ``0xAARRGGBB`` or
            ``#RRGGBB``.

    Returns:
        The colour, None for that of the nearest end.

    Raises:
        ColormapError: The text is none of these.
    """
    if text.lower() in ("", "extend"):
        return None
    if text.lower() == "transparent":
        return TRANSPARENT
    digits = text[2:] if text[:2].lower() == "0x" else text.removeprefix("#")
    try:
        if len(digits) == 8:
            return Rgba(*parse_hex(digits[2:])[:3], int(digits[:2], 16))
        if len(digits) == 6:
            return parse_hex(digits)
    except ValueError:
        pass
    raise ColormapError(f"{text[:40]!r} is no colour, it may be extend, transparent, 0xRRGGBB or 0xAARRGGBB")


def banded(
    colormap: Colormap, bands: int = 0, below: Rgba | None = None, above: Rgba | None = None, *, log: bool = False
) -> Colormap:
    """Return a colormap in bands of equal width, with colours for values beyond its range.

    Args:
        colormap: A continuous colormap; its main part counts.
        bands: Number of bands, from the first colour to the last; 0 for its own bins.
        below: Colour of values below the range; None for that of the first band.
        above: Colour of values above the range; None for that of the last band.
        log: Whether the bands have equal ratios instead.

    Returns:
        The colormap.

    Raises:
        ColormapError: It is a classification, or there are too many bands.
    """
    if colormap.is_classification:
        raise ColormapError(f"colormap {colormap.name} has classes, which have no range and no bands")
    if not 0 <= bands <= MAX_BANDS:
        raise ColormapError(f"a colormap has 1 to {MAX_BANDS} bands, not {bands}")
    low, high = finite_range(colormap)
    part = colormap.main_part
    own = sorted(
        ((bin_, entry.rgba) for entry in part.entries if not entry.nodata for bin_ in colormap.bins(entry)
         if not bin_.is_empty),
        key=lambda pair: (pair[0].lower, pair[0].upper),
    )  # fmt: skip
    pieces = _bands([rgba for _, rgba in own], low, high, bands, log=log) if bands else own
    first, last = pieces[0], pieces[-1]
    lower = -math.inf if below is None else max(first[0].lower, low)
    upper = math.inf if above is None else min(last[0].upper, high)
    if len(pieces) == 1:
        pieces = [(Interval(lower, upper, closed_lower=True, closed_upper=True), first[1])]
    else:
        start = Interval(lower, first[0].upper, closed_lower=True, closed_upper=first[0].closed_upper)
        end = Interval(last[0].lower, upper, closed_lower=last[0].closed_lower, closed_upper=True)
        pieces = [(start, first[1]), *pieces[1:-1], (end, last[1])]
    if below is not None:
        pieces = [(Interval(-math.inf, lower), below), *pieces]
    if above is not None:
        pieces = [*pieces, (Interval(upper, math.inf, closed_lower=False, closed_upper=True), above)]
    nodata = colormap.nodata_entry
    return binned_colormap(
        colormap.name,
        _with_ticks(pieces),
        title=part.title,
        units=part.units,
        nodata=TRANSPARENT if nodata is None else nodata.rgba,
        origin=colormap.origin,
    )


def _bands(colours: Sequence[Rgba], low: float, high: float, count: int, *, log: bool) -> list[tuple[Interval, Rgba]]:
    if log and low <= 0:
        raise ColormapError(f"a logarithmic range must be positive, not {low},{high}")
    edges = [
        low * (high / low) ** (at / count) if log else low + (high - low) * at / count for at in range(1, count)
    ]  # fmt: skip
    edges = [low, *edges, high]
    chosen = [colours[round(at * (len(colours) - 1) / max(count - 1, 1))] for at in range(count)]
    return [(Interval(lower, upper), rgba) for lower, upper, rgba in zip(edges[:-1], edges[1:], chosen, strict=True)]


def _with_ticks(pieces: Sequence[tuple[Interval, Rgba]]) -> list[Bin]:
    step = math.ceil(len(pieces) / _TICKS)
    return [
        Bin(interval, rgba, bin_text(interval),
            f"{interval.lower:.6g}" if at % step == 0 and math.isfinite(interval.lower) else None)
        for at, (interval, rgba) in enumerate(pieces)
    ]  # fmt: skip
