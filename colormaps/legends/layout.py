"""Where the parts of a legend lie: a plan of shapes in pixels, which the SVG and PNG writers carry out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Rgba
from lazytile.colormaps.legends.panels import Panel, legend_panels
from lazytile.colormaps.legends.text_metrics import elided, text_width

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.colormaps.core.model import Colormap

SMALLEST, LARGEST = 24, 4096
"""Bounds of width and height, pixels."""
INKS = {"dark": Rgba(26, 30, 36), "light": Rgba(244, 246, 248)}
"""Colours of text: dark for light backgrounds, light for dark ones."""
_PAD = 10.0
_TICK = 5.0
_LINE = 0.03
"""Thickness of the line around a bar, as a share of the bar's."""


@dataclass(frozen=True, slots=True)
class LegendStyle:
    """What a legend should look like. Its background is transparent."""

    orientation: str = "horizontal"
    text: str = "dark"
    width: int | None = None
    """Pixels; by default what the legend needs."""
    height: int | None = None

    def __post_init__(self) -> None:
        if self.orientation not in {"horizontal", "vertical"}:
            raise ColormapError(f"a legend is horizontal or vertical, not {self.orientation!r}")
        if self.text not in INKS:
            raise ColormapError(f"the text of a legend is dark or light, not {self.text!r}")
        for name, size in (("width", self.width), ("height", self.height)):
            if size is not None and not SMALLEST <= size <= LARGEST:
                raise ColormapError(f"the {name} of a legend is {SMALLEST} to {LARGEST} pixels, not {size}")


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled polygon."""

    points: tuple[tuple[float, float], ...]
    rgba: Rgba
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; ``y`` is its middle, ``anchor`` says what ``x`` is: start, middle or end."""

    x: float
    y: float
    text: str
    size: int
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A legend, planned."""

    width: int
    height: int
    ink: Rgba
    shapes: tuple[Shape, ...]
    texts: tuple[Text, ...]
    title: str


@dataclass(slots=True)
class _Sheet:
    """The drawing while it is being made."""

    ink: Rgba
    shapes: list[Shape] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, rgba: Rgba, tooltip: str = "") -> None:  # noqa: PLR0917
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        self.shapes.append(Shape(corners, rgba, tooltip))

    def write(self, x: float, y: float, text: str, size: int, *, anchor: str = "start") -> None:
        if text:
            self.texts.append(Text(x, y, text, size, anchor))


def plan_legend(colormap: Colormap, style: LegendStyle) -> Drawing:
    """Lay a colormap's legend out. What does not fit the given size is shortened or left out, never drawn across."""
    panels = legend_panels(colormap)
    upright = style.orientation == "vertical"
    natural = [_natural_size(panel, upright=upright) for panel in panels] or [(200.0, 40.0)]
    if upright:
        width = style.width or min(LARGEST, math.ceil(sum(size[0] for size in natural)))
        height = style.height or min(LARGEST, math.ceil(max(size[1] for size in natural)))
    else:
        width = style.width or 460
        natural = [
            (size[0], _class_height(p, width) if p.is_classes else size[1])
            for p, size in zip(panels, natural, strict=False)
        ] or natural
        height = style.height or min(LARGEST, max(SMALLEST, math.ceil(sum(size[1] for size in natural))))
    sheet = _Sheet(INKS[style.text])
    share = [size[0 if upright else 1] for size in natural]
    place = 0.0
    for panel, part in zip(panels, share, strict=False):
        room = part / sum(share) * (width if upright else height)
        frame = (place, 0.0, room, float(height)) if upright else (0.0, place, float(width), room)
        if panel.is_classes:
            _draw_classes(sheet, panel, frame)
        elif upright:
            _draw_upright(sheet, panel, frame)
        else:
            _draw_level(sheet, panel, frame)
        place += room
    title = colormap.title or colormap.name
    return Drawing(width, height, sheet.ink, tuple(sheet.shapes), tuple(sheet.texts), title)


def _sizes(room: float, full: float) -> tuple[int, int]:
    """Sizes of heading and labels in a frame, smaller where there is less room than the full size."""
    share = min(1.0, max(0.6, room / full))
    return round(14 * share), round(12 * share)


def _natural_size(panel: Panel, *, upright: bool) -> tuple[float, float]:
    if panel.is_classes:
        widest = max(text_width(swatch.text, 12) for swatch in panel.swatches)
        width = max(widest + 26, text_width(panel.heading, 14)) + 2 * _PAD
        return min(width, 420.0), 34 + 20.0 * len(panel.swatches)
    if not upright:
        return 460.0, 78.0
    labels = [panel.min_label, panel.max_label, *(tick.label for tick in panel.ticks)]
    widest = max(text_width(label, 12) for label in labels)
    return min(max(widest + 46, text_width(panel.heading, 14) if len(panel.heading) < 24 else 150) + 2 * _PAD, 320), 340


def _class_height(panel: Panel, width: float) -> float:
    return 34 + 20.0 * math.ceil(len(panel.swatches) / _columns(panel, width, 12))


def _columns(panel: Panel, width: float, size: int) -> int:
    widest = max(text_width(swatch.text, size) for swatch in panel.swatches) + 2 * size + 8
    return max(1, min(len(panel.swatches), int((width - 2 * _PAD) // widest)))


def _draw_classes(sheet: _Sheet, panel: Panel, frame: tuple[float, float, float, float]) -> None:
    x, y, width, height = frame
    columns = _columns(panel, width, 12)
    rows = math.ceil(len(panel.swatches) / columns)
    heading, size = _sizes(height, 34 + 20.0 * rows)
    top = y
    if height > 40:
        sheet.write(x + _PAD, y + 6 + heading / 2, elided(panel.heading, heading, width - 2 * _PAD), heading)
        top = y + heading + 14
    pitch = min(20.0, (y + height - top - 2) / rows)
    size = max(6, min(size, int(pitch * 0.8)))
    patch = max(2.0, min(size + 2.0, pitch * 0.8))
    column = (width - 2 * _PAD) / columns
    for number, swatch in enumerate(panel.swatches):
        left, middle = x + _PAD + (number // rows) * column, top + (number % rows + 0.5) * pitch
        _outlined(sheet, (left, middle - patch / 2, patch, patch), swatch.rgba, swatch.text)
        text = elided(swatch.text, size, column - patch - 12)
        if pitch >= 7:
            sheet.write(left + patch + 6, middle, text, size)


def _outlined(sheet: _Sheet, box: tuple[float, float, float, float], rgba: Rgba, tooltip: str) -> None:
    """A patch with a thin line around it: white on white would not be seen."""
    x, y, width, height = box
    sheet.box(x - 0.75, y - 0.75, width + 1.5, height + 1.5, sheet.ink._replace(alpha=110))
    sheet.box(x, y, width, height, rgba, tooltip)


def _draw_level(sheet: _Sheet, panel: Panel, frame: tuple[float, float, float, float]) -> None:
    x, y, width, height = frame
    heading, size = _sizes(height, 78.0)
    has_heading, has_labels = height >= 44, height >= 30
    gap = heading - 1.0
    top = y + (heading + gap if has_heading else 4)
    bottom = y + height - (size + _TICK + gap - 4 if has_labels else 4)
    left, right = x + _PAD + 1, x + width - _PAD - 1
    if has_heading:
        sheet.write(left, y + gap / 2 + heading / 2, elided(panel.heading, heading, right - left), heading)
    bar = _bar(left, right, panel.open_ends, reach=min(10.0, (bottom - top) * 0.6))
    _fill_bar(sheet, panel, bar, lambda along, across: (along, top + across * (bottom - top)))
    if not has_labels:
        return
    middle = bottom + _TICK + 3 + size / 2
    taken = [_end_label(sheet, panel.min_label, left, middle, size, anchor="start")]
    taken.append(_end_label(sheet, panel.max_label, right, middle, size, anchor="end"))
    for tick in panel.ticks:
        place = bar.at(tick.place)
        half = text_width(tick.label, size) / 2
        fits = all(place + half + 6 < low or place - half - 6 > high for low, high in taken)
        if tick.label and fits and left <= place - half and place + half <= right:
            sheet.write(place, middle, tick.label, size, anchor="middle")
            taken.append((place - half, place + half))
        sheet.box(place - 0.5, bottom + 1, 1, _TICK if tick.label and fits else _TICK * 0.6, sheet.ink)


def _end_label(sheet: _Sheet, label: str, x: float, y: float, size: int, *, anchor: str) -> tuple[float, float]:
    sheet.write(x, y, label, size, anchor=anchor)
    width = text_width(label, size)
    return (x, x + width) if anchor == "start" else (x - width, x)


def _draw_upright(sheet: _Sheet, panel: Panel, frame: tuple[float, float, float, float]) -> None:
    x, y, width, height = frame
    heading, size = _sizes(min(height / 3.4, width), 100.0)
    left = x + _PAD
    top = y + 8
    if height >= 80:
        for line in _wrapped(panel.title, heading, width - 2 * _PAD, 3):
            sheet.write(left, top + heading / 2, line, heading)
            top += heading + 4
        if panel.units:
            sheet.write(left, top + size / 2, elided(panel.units, size, width - 2 * _PAD), size)
            top += size + 4
        top += 6
    high, low = top + 4, y + height - 10
    across = min(26.0, width * 0.3)
    bar = _bar(low, high, panel.open_ends, reach=min(10.0, (low - high) * 0.1))
    _fill_bar(sheet, panel, bar, lambda along, over: (left + over * across, along))
    room = width - across - 2 * _PAD - _TICK - 4
    labels = left + across + _TICK + 5
    taken: list[float] = []
    ends = ((panel.max_label, high + size / 2 - 1), (panel.min_label, low - size / 2 + 1))
    for label, place in ends:
        text = elided(label, size, room)
        if text and all(abs(place - other) > size + 1 for other in taken):
            sheet.write(labels, place, text, size)
            taken.append(place)
    for tick in panel.ticks:
        place = bar.at(tick.place)
        text = elided(tick.label, size, room)
        fits = all(abs(place - other) > size + 3 for other in taken)
        if text and fits:
            sheet.write(labels, place, text, size)
            taken.append(place)
        sheet.box(left + across + 1, place - 0.5, _TICK if text and fits else _TICK * 0.6, 1, sheet.ink)


def _wrapped(text: str, size: int, width: float, most: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [elided(line, size, width) for line in lines]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar of swatches from ``start`` to ``end``, pointed where its values go on for ever."""

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


def _fill_bar(sheet: _Sheet, panel: Panel, bar: _Bar, point: Callable[[float, float], tuple[float, float]]) -> None:
    """Draw the swatches of a bar. ``point`` places (along the bar in pixels, across it from 0 to 1)."""
    count = len(panel.swatches)
    opens = panel.open_ends
    # A thin line around the bar, drawn first and a little larger: dark colours on dark would not be seen.
    out = math.copysign(1.0, bar.end - bar.start)
    first, last = bar.body_start - (0.3 if opens[0] else 1) * out, bar.body_end + (0.3 if opens[1] else 1) * out
    hull = [(first, -_LINE), (last, -_LINE)]
    hull += [(bar.end + 1.6 * out, 0.5)] if opens[1] else []
    hull += [(last, 1 + _LINE), (first, 1 + _LINE)]
    hull += [(bar.start - 1.6 * out, 0.5)] if opens[0] else []
    sheet.shapes.append(Shape(tuple(point(*p) for p in hull), sheet.ink._replace(alpha=110)))
    for number, swatch in enumerate(panel.swatches):
        a, b = bar.at(number / count), bar.at((number + 1) / count)
        points = [(a, 0.0), (b, 0.0), (b, 1.0), (a, 1.0)]
        if number == 0 and opens[0]:
            points = [*points[:3], (a, 1.0), (bar.start, 0.5)]
        if number == count - 1 and opens[1]:
            points = [points[0], points[1], (bar.end, 0.5), *points[2:]]
        sheet.shapes.append(Shape(tuple(point(*p) for p in points), swatch.rgba, swatch.text))
