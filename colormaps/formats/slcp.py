"""Reader of the colour bars of NASA's Sea Level Change Portal: JSON with colours, ranges and labels.

``{"scale": {"colors": ["RRGGBB" or "RRGGBBAA", ...], "values": [[low, high], ...], "labels": [...]}}``. The format is
not published; client code of the portal shows it. A range holds its low end and not its high one.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.diagnostics import diagnose
from lazytile.colormaps.core.entry_limits import check_entries
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Diagnostic, Interval, Rgba
from lazytile.colormaps.synthesis.continuous import Bin, binned_colormap
from lazytile.colormaps.synthesis.ramps import parse_hex
from lazytile.colormaps.synthesis.rescale import bin_text

if TYPE_CHECKING:
    from collections.abc import Callable

_NODATA = frozenset({"no data", "nodata", "missing", "fill", "land"})


def read_slcp(content: bytes, name: str, file: str | None = None) -> Colormap:
    """Read a colour bar. Small deviations become warnings.

    Args:
        content: JSON.
        name: Of the colormap.
        file: Names the document in messages; the name by default.

    Returns:
        The colormap.

    Raises:
        ColormapError: It is not a colour bar.
    """
    file = file or name
    colours, values, labels = _lists(content, file)
    check_entries(len(colours), file)
    flaws: list[Diagnostic] = []
    if len(values) != len(colours):
        flaws.append(Diagnostic(file, f"{len(colours)} colors and {len(values)} values; unpaired ones are left out"))
    nodata, bins = TRANSPARENT, []
    for position, (text, ends) in enumerate(zip(colours, values, strict=False)):

        def report(what: str, position: int = position) -> None:
            flaws.append(Diagnostic(file, what, entry=position + 1))

        rgba = _colour(text, report)
        label = str(labels[position]) if position < len(labels) else ""
        if label.strip().casefold() in _NODATA or ends is None:
            nodata = rgba
            continue
        interval = _interval(ends, report)
        if interval is not None:
            bins.append(Bin(interval, rgba, label or bin_text(interval)))
    if not bins:
        raise ColormapError(f"{file}: none of its colors has a range of values")
    colormap = binned_colormap(name, bins, nodata=nodata, origin=file)
    return colormap.with_warnings((*flaws, *diagnose(colormap, file)))


def _lists(content: bytes, file: str) -> tuple[list[Any], list[Any], list[Any]]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ColormapError(f"{file}: not JSON: {error}") from error
    scale = document.get("scale") if isinstance(document, dict) else None
    if not isinstance(scale, dict):
        raise ColormapError(f"{file}: a colour bar must be an object with 'scale'")
    lists = tuple(scale.get(key) or [] for key in ("colors", "values", "labels"))
    if not all(isinstance(items, list) for items in lists):
        raise ColormapError(f"{file}: colors, values and labels of a colour bar must be lists")
    return lists[0], lists[1], lists[2]


def _colour(text: Any, report: Callable[[str], None]) -> Rgba:
    try:
        return parse_hex(str(text))
    except ColormapError as error:
        report(f"{error}; read as transparent")
        return TRANSPARENT


def _interval(ends: Any, report: Callable[[str], None]) -> Interval | None:
    try:
        low, high = ends if isinstance(ends, list) else (ends, ends)
        lower = -math.inf if low is None else float(low) + 0.0
        upper = math.inf if high is None else float(high) + 0.0
        return Interval(lower, upper, closed_upper=upper in {lower, math.inf})
    except (TypeError, ValueError, OverflowError, ColormapError):
        report(f"values {str(ends)[:60]} are not two numbers: left out")
        return None
