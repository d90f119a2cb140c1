"""The layout of a legend: which size it has and where each of its panels lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Rgba
from lazytile.colormaps.legends.bar_panel import draw_level_bar, draw_upright_bar, natural_bar_size
from lazytile.colormaps.legends.class_panel import class_height, draw_classes, natural_class_size
from lazytile.colormaps.legends.drawing import Drawing, Frame, Sheet
from lazytile.colormaps.legends.panels import legend_panels

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.legends.panels import Panel

SMALLEST, LARGEST = 24, 4096
"""Bounds of width and height, pixels."""
INKS = {"dark": Rgba(26, 30, 36), "light": Rgba(244, 246, 248)}
"""Colours of text: dark for light backgrounds, light for dark ones."""


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
            raise ColormapError(f"a legend must be horizontal or vertical, not {self.orientation!r}")
        if self.text not in INKS:
            raise ColormapError(f"the text of a legend must be dark or light, not {self.text!r}")
        for name, size in (("width", self.width), ("height", self.height)):
            if size is not None and not SMALLEST <= size <= LARGEST:
                raise ColormapError(f"the {name} of a legend must be {SMALLEST} to {LARGEST} pixels, not {size}")


def plan_legend(colormap: Colormap, style: LegendStyle) -> Drawing:
    """Lay out the legend of a colormap.

    Args:
        colormap: What it explains.
        style: What it looks like. What does not fit the given size is shortened or left out, never drawn across.

    Returns:
        Shapes and texts in pixels.

    Raises:
        ColormapError: This build of Pillow has no FreeType.
    """
    sheet = Sheet(INKS[style.text])
    panels = legend_panels(colormap)
    upright = style.orientation == "vertical"
    natural = [_natural_size(panel, sheet, upright=upright) for panel in panels] or [(200.0, 40.0)]
    if upright:
        width = style.width or min(LARGEST, math.ceil(sum(size[0] for size in natural)))
        height = style.height or min(LARGEST, math.ceil(max(size[1] for size in natural)))
    else:
        width = style.width or 460
        natural = [
            (size[0], class_height(panel, width, sheet.metrics) if panel.is_classes else size[1])
            for panel, size in zip(panels, natural, strict=False)
        ] or natural
        height = style.height or min(LARGEST, max(SMALLEST, math.ceil(sum(size[1] for size in natural))))
    share = [size[0 if upright else 1] for size in natural]
    offset = 0.0
    for panel, part in zip(panels, share, strict=False):
        room = part / sum(share) * (width if upright else height)
        frame = Frame(offset, 0.0, room, float(height)) if upright else Frame(0.0, offset, float(width), room)
        if panel.is_classes:
            draw_classes(sheet, panel, frame)
        elif upright:
            draw_upright_bar(sheet, panel, frame)
        else:
            draw_level_bar(sheet, panel, frame)
        offset += room
    title = colormap.title or colormap.name
    return Drawing(width, height, sheet.ink, tuple(sheet.shapes), tuple(sheet.texts), title)


def _natural_size(panel: Panel, sheet: Sheet, *, upright: bool) -> tuple[float, float]:
    if panel.is_classes:
        return natural_class_size(panel, sheet.metrics)
    return natural_bar_size(panel, sheet.metrics, upright=upright)
