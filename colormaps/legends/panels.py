"""What a legend shows: its panels, swatches and ticks, independent of their layout.

As OnEarth's ``oe_generate_legend.py`` does it, each ColorMap with a visible entry has one panel, which shows one bar or
patch for each LegendEntry in its own colour, and transparent entries are left out: a LegendEntry is as transparent as
the first ColorMapEntry that refers to it. A ColorMap without LegendEntries shows its ColorMapEntries. Ticks of
continuous maps stand where a bar begins, those of discrete maps in its middle. ``showLabel`` chooses the labels,
``minLabel`` and ``maxLabel`` stand at the ends. Classes are patches with their names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.json_document import json_number
from lazytile.colormaps.core.model import Interval, Rgba
from lazytile.colormaps.synthesis.rescale import bin_text

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap, Entry, Legend, LegendEntry, Part

_AUTO_TICKS = 5


@dataclass(frozen=True, slots=True)
class Swatch:
    """One colour of a panel, low values first."""

    rgba: Rgba
    text: str
    bin: Interval | None


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick along a bar of swatches."""

    place: float
    """0 at the low end of the bar, 1 at the high end."""
    label: str
    """Empty for a tick without a label."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The legend of one ColorMap."""

    title: str
    units: str
    type: str
    swatches: tuple[Swatch, ...]
    ticks: tuple[Tick, ...] = ()
    min_label: str = ""
    max_label: str = ""

    @property
    def heading(self) -> str:
        """Title and units on one line."""
        return f"{self.title} ({self.units})" if self.units and self.title else self.title or self.units

    @property
    def is_classes(self) -> bool:
        """Whether the panel shows patches with names instead of a bar."""
        return self.type == "classification"

    @property
    def open_ends(self) -> tuple[bool, bool]:
        """Whether the lowest and the highest bin extend to infinity."""
        first, last = self.swatches[0].bin, self.swatches[-1].bin
        return (first is not None and first.lower == -math.inf, last is not None and last.upper == math.inf)


def legend_panels(colormap: Colormap) -> tuple[Panel, ...]:
    """Return the panels of a colormap.

    Args:
        colormap: What the legend explains.

    Returns:
        Panels in the order of the file; none where every entry is transparent.
    """
    panels = (_panel(colormap, part) for part in colormap.parts)
    return tuple(panel for panel in panels if panel.swatches)


def legend_document(colormap: Colormap) -> dict[str, Any]:
    """Describe a legend as JSON values.

    Args:
        colormap: What the legend explains.

    Returns:
        ``stops`` and ``units`` of the main panel, and all ``panels``.
    """
    panels = [_panel_document(panel) for panel in legend_panels(colormap)]
    main = next(
        (panel for panel in panels if panel["title"] in {colormap.title, colormap.name.replace("_", " ")}), None
    )
    nodata = colormap.nodata_entry
    return {
        "name": colormap.name,
        "title": colormap.title or colormap.name,
        "units": colormap.units,
        "type": main["type"] if main else None,
        "stops": main["stops"] if main else [],
        "nodata": None if nodata is None else _colour(nodata.rgba),
        "panels": panels,
    }


@dataclass(frozen=True, slots=True)
class _Bar:
    """A swatch of a panel, and the tick on it."""

    swatch: Swatch
    mark: LegendEntry | None = None


def _panel(colormap: Colormap, part: Part) -> Panel:
    legend = part.legend
    kind = legend.type if legend else "classification" if part.is_classification else "continuous"
    bars = _legend_bars(part, legend) if legend and legend.entries else _entry_bars(part)
    swatches = [bar.swatch for bar in bars]
    title = part.title or colormap.name.replace("_", " ")
    if kind == "classification" or not swatches:
        return Panel(title, part.units, kind, tuple(swatches))
    ticks = []
    for position, bar in enumerate(bars):
        mark = bar.mark
        if mark is not None and (mark.show_tick or mark.show_label):
            place = position + (0.5 if kind == "discrete" else 0.0)
            ticks.append(Tick(place / len(bars), mark.label or "" if mark.show_label else ""))
    if not any(tick.label for tick in ticks):
        ticks = _automatic(swatches) or ticks
    low = (legend.min_label if legend else None) or swatches[0].text
    high = (legend.max_label if legend else None) or swatches[-1].text
    return Panel(title, part.units, kind, tuple(swatches), tuple(ticks), low, high)


def _entry_bars(part: Part) -> list[_Bar]:
    """Return a bar for each visible ColorMapEntry."""
    bars = []
    for entry in part.entries:
        bins = entry.value or entry.source
        if entry.rgba.alpha:
            text = entry.label or ", ".join(bin_text(bin_) for bin_ in bins)
            bars.append(_Bar(Swatch(entry.rgba, text, bins[0] if bins else None)))
    return bars


def _legend_bars(part: Part, legend: Legend) -> list[_Bar]:
    """Return a bar for each visible LegendEntry; several ColorMapEntries may share one."""
    explained: dict[int, list[Entry]] = {}
    for entry in part.entries:
        if entry.ref is not None:
            explained.setdefault(entry.ref, []).append(entry)
    bars = []
    for mark in legend.entries:
        entries = explained.get(mark.id, [])
        alpha = entries[0].rgba.alpha if entries else mark.rgb.alpha
        if not alpha:
            continue
        bins = [bin_ for entry in entries for bin_ in (entry.value or entry.source)]
        text = mark.tooltip or (entries[0].label if entries else "") or ", ".join(bin_text(bin_) for bin_ in bins)
        bars.append(_Bar(Swatch(Rgba(*mark.rgb[:3], alpha), text or mark.label or "", _joined(bins)), mark))
    return bars


def _joined(bins: list[Interval]) -> Interval | None:
    """Return the range from the lowest to the highest of some bins; None of none."""
    filled = [bin_ for bin_ in bins if not bin_.is_empty] or bins
    if len(filled) < 2:
        return filled[0] if filled else None
    lowest = min(filled, key=lambda bin_: (bin_.lower, not bin_.closed_lower))
    highest = max(filled, key=lambda bin_: (bin_.upper, bin_.closed_upper))
    return Interval(lowest.lower, highest.upper, lowest.closed_lower, highest.closed_upper)


def _automatic(swatches: list[Swatch]) -> list[Tick]:
    """Return ticks where a few bins begin, for maps that show no labels."""
    stride = max(1, len(swatches) // (_AUTO_TICKS + 1))
    starts = [(position, swatches[position].bin) for position in range(stride, len(swatches) - stride // 2, stride)]
    return [
        Tick(position / len(swatches), f"{bin_.lower:.4g}")
        for position, bin_ in starts
        if bin_ is not None and math.isfinite(bin_.lower)
    ]


def _panel_document(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "units": panel.units,
        "type": panel.type,
        "min_label": panel.min_label,
        "max_label": panel.max_label,
        "stops": [
            {
                "lower": None if swatch.bin is None else json_number(swatch.bin.lower),
                "upper": None if swatch.bin is None else json_number(swatch.bin.upper),
                "closed_lower": None if swatch.bin is None else swatch.bin.closed_lower,
                "closed_upper": None if swatch.bin is None else swatch.bin.closed_upper,
                "label": swatch.text,
                **_colour(swatch.rgba),
            }
            for swatch in panel.swatches
        ],
        "ticks": [{"place": round(tick.place, 6), "label": tick.label} for tick in panel.ticks],
    }


def _colour(rgba: Rgba) -> dict[str, Any]:
    return {"color": rgba.hex(), "opacity": round(rgba.alpha / 255, 4)}
