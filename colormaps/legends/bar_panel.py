"""Panels with a bar of swatches: level or upright, with ticks, labels and pointed ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.legends.drawing import PAD, Frame, Shape, Sheet, text_sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.colormaps.legends.panels import Panel
    from lazytile.colormaps.legends.text_metrics import TextMetrics

_TICK = 5.0
_LINE = 0.03
"""Thickness of the line around a bar, as a share of the bar's."""
_LEVEL_HEIGHT = 78.0


def natural_bar_size(panel: Panel, metrics: TextMetrics, *, upright: bool) -> tuple[float, float]:
    """Return the size of a panel with a bar.

    Args:
        panel: Of a continuous or discrete colormap.
        metrics: Of the legend.
        upright: Whether the bar runs from bottom to top.

    Returns:
        Width and height, pixels.
    """
    if not upright:
        return 460.0, _LEVEL_HEIGHT
    labels = [panel.min_label, panel.max_label, *(tick.label for tick in panel.ticks)]
    widest = max(metrics.width(label, 12) for label in labels)
    heading = metrics.width(panel.heading, 14) if len(panel.heading) < 24 else 150
    return min(max(widest + 46, heading) + 2 * PAD, 320), 340


def draw_level_bar(sheet: Sheet, panel: Panel, frame: Frame) -> None:
    """Draw a panel whose bar runs from left to right.

    Args:
        sheet: Where shapes and texts are added.
        panel: Of a continuous or discrete colormap.
        frame: Its rectangle.
    """
    x, y, width, height = frame
    heading, size = text_sizes(height, _LEVEL_HEIGHT)
    has_heading, has_labels = height >= 44, height >= 30
    gap = heading - 1.0
    top = y + (heading + gap if has_heading else 4)
    bottom = y + height - (size + _TICK + gap - 4 if has_labels else 4)
    left, right = x + PAD + 1, x + width - PAD - 1
    if has_heading:
        sheet.write(
            left, y + gap / 2 + heading / 2, sheet.metrics.elided(panel.heading, heading, right - left), heading
        )
    bar = _bar(left, right, panel.open_ends, reach=min(10.0, (bottom - top) * 0.6))
    _fill_bar(sheet, panel, bar, lambda along, across: (along, top + across * (bottom - top)))
    if not has_labels:
        return
    middle = bottom + _TICK + 3 + size / 2
    taken = [_end_label(sheet, panel.min_label, left, middle, size, anchor="start")]
    taken.append(_end_label(sheet, panel.max_label, right, middle, size, anchor="end"))
    for tick in panel.ticks:
        position = bar.at(tick.place)
        half = sheet.metrics.width(tick.label, size) / 2
        fits = all(position + half + 6 < low or position - half - 6 > high for low, high in taken)
        if tick.label and fits and left <= position - half and position + half <= right:
            sheet.write(position, middle, tick.label, size, anchor="middle")
            taken.append((position - half, position + half))
        sheet.box(Frame(position - 0.5, bottom + 1, 1, _TICK if tick.label and fits else _TICK * 0.6), sheet.ink)


def _end_label(sheet: Sheet, label: str, x: float, y: float, size: int, *, anchor: str) -> tuple[float, float]:
    sheet.write(x, y, label, size, anchor=anchor)
    width = sheet.metrics.width(label, size)
    return (x, x + width) if anchor == "start" else (x - width, x)


def draw_upright_bar(sheet: Sheet, panel: Panel, frame: Frame) -> None:
    """Draw a panel whose bar runs from bottom to top.

    Args:
        sheet: Where shapes and texts are added.
        panel: Of a continuous or discrete colormap.
        frame: Its rectangle.
    """
    x, y, width, height = frame
    heading, size = text_sizes(min(height / 3.4, width), 100.0)
    left = x + PAD
    top = y + 8
    if height >= 80:
        for line in sheet.metrics.wrapped(panel.title, heading, width - 2 * PAD, 3):
            sheet.write(left, top + heading / 2, line, heading)
            top += heading + 4
        if panel.units:
            sheet.write(left, top + size / 2, sheet.metrics.elided(panel.units, size, width - 2 * PAD), size)
            top += size + 4
        top += 6
    high, low = top + 4, y + height - 10
    across = min(26.0, width * 0.3)
    bar = _bar(low, high, panel.open_ends, reach=min(10.0, (low - high) * 0.1))
    _fill_bar(sheet, panel, bar, lambda along, over: (left + over * across, along))
    room = width - across - 2 * PAD - _TICK - 4
    labels = left + across + _TICK + 5
    taken: list[float] = []
    ends = ((panel.max_label, high + size / 2 - 1), (panel.min_label, low - size / 2 + 1))
    for label, position in ends:
        text = sheet.metrics.elided(label, size, room)
        if text and all(abs(position - other) > size + 1 for other in taken):
            sheet.write(labels, position, text, size)
            taken.append(position)
    for tick in panel.ticks:
        position = bar.at(tick.place)
        text = sheet.metrics.elided(tick.label, size, room)
        fits = all(abs(position - other) > size + 3 for other in taken)
        if text and fits:
            sheet.write(labels, position, text, size)
            taken.append(position)
        sheet.box(Frame(left + across + 1, position - 0.5, _TICK if text and fits else _TICK * 0.6, 1), sheet.ink)


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar of swatches from ``start`` to ``end``, pointed where its values extend to infinity."""

    start: float
    end: float
    body_start: float
    body_end: float

    def at(self, share: float) -> float:
        return self.body_start + share * (self.body_end - self.body_start)


def _bar(start: float, end: float, open_ends: tuple[bool, bool], reach: float) -> _Bar:
    sign = 1.0 if end > start else -1.0
    body_start = start + sign * reach * open_ends[0]
    return _Bar(start, end, body_start, end - sign * reach * open_ends[1])


def _fill_bar(sheet: Sheet, panel: Panel, bar: _Bar, point: Callable[[float, float], tuple[float, float]]) -> None:
    """Draw the swatches of a bar. ``point`` places (along the bar in pixels, across it from 0 to 1)."""
    count = len(panel.swatches)
    opens = panel.open_ends
    # A thin line around the bar, drawn first and a little larger: dark colours on dark would be invisible.
    out = math.copysign(1.0, bar.end - bar.start)
    first, last = bar.body_start - (0.3 if opens[0] else 1) * out, bar.body_end + (0.3 if opens[1] else 1) * out
    hull = [(first, -_LINE), (last, -_LINE)]
    hull += [(bar.end + 1.6 * out, 0.5)] if opens[1] else []
    hull += [(last, 1 + _LINE), (first, 1 + _LINE)]
    hull += [(bar.start - 1.6 * out, 0.5)] if opens[0] else []
    sheet.shapes.append(Shape(tuple(point(*p) for p in hull), sheet.outline))
    for number, swatch in enumerate(panel.swatches):
        a, b = bar.at(number / count), bar.at((number + 1) / count)
        points = [(a, 0.0), (b, 0.0), (b, 1.0), (a, 1.0)]
        if number == 0 and opens[0]:
            points = [*points[:3], (a, 1.0), (bar.start, 0.5)]
        if number == count - 1 and opens[1]:
            points = [points[0], points[1], (bar.end, 0.5), *points[2:]]
        sheet.shapes.append(Shape(tuple(point(*p) for p in points), swatch.rgba, swatch.text))
