"""Panels of classes: a patch and a name for each, in columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lazytile.colormaps.legends.drawing import PAD, Frame, Sheet, text_sizes

if TYPE_CHECKING:
    from lazytile.colormaps.legends.panels import Panel, Swatch
    from lazytile.colormaps.legends.text_metrics import TextMetrics

_LABEL_SIZE = 12
_HEADING_HEIGHT = 34
_ROW_HEIGHT = 20.0


def natural_class_size(panel: Panel, metrics: TextMetrics) -> tuple[float, float]:
    """Return the size of a panel with all classes in one column.

    Args:
        panel: Of classes.
        metrics: Of the legend.

    Returns:
        Width and height, pixels.
    """
    widest = max(metrics.width(swatch.text, _LABEL_SIZE) for swatch in panel.swatches)
    width = max(widest + 26, metrics.width(panel.heading, 14)) + 2 * PAD
    return min(width, 420.0), _HEADING_HEIGHT + _ROW_HEIGHT * len(panel.swatches)


def class_height(panel: Panel, width: float, metrics: TextMetrics) -> float:
    """Return the height of a panel with as many columns as fit.

    Args:
        panel: Of classes.
        width: Pixels.
        metrics: Of the legend.

    Returns:
        Pixels.
    """
    return _HEADING_HEIGHT + _ROW_HEIGHT * math.ceil(len(panel.swatches) / _columns(panel, width, metrics))


def _columns(panel: Panel, width: float, metrics: TextMetrics) -> int:
    widest = max(metrics.width(swatch.text, _LABEL_SIZE) for swatch in panel.swatches) + 2 * _LABEL_SIZE + 8
    return max(1, min(len(panel.swatches), int((width - 2 * PAD) // widest)))


def draw_classes(sheet: Sheet, panel: Panel, frame: Frame) -> None:
    """Draw a panel of classes.

    Args:
        sheet: Where shapes and texts are added.
        panel: Of classes.
        frame: Its rectangle.
    """
    x, y, width, height = frame
    columns = _columns(panel, width, sheet.metrics)
    rows = math.ceil(len(panel.swatches) / columns)
    heading, size = text_sizes(height, _HEADING_HEIGHT + _ROW_HEIGHT * rows)
    top = y
    if height > 40:
        sheet.write(
            x + PAD, y + 6 + heading / 2, sheet.metrics.elided(panel.heading, heading, width - 2 * PAD), heading
        )
        top = y + heading + 14
    pitch = min(_ROW_HEIGHT, (y + height - top - 2) / rows)
    size = max(6, min(size, int(pitch * 0.8)))
    patch = max(2.0, min(size + 2.0, pitch * 0.8))
    column = (width - 2 * PAD) / columns
    for number, swatch in enumerate(panel.swatches):
        left, middle = x + PAD + (number // rows) * column, top + (number % rows + 0.5) * pitch
        _draw_patch(sheet, Frame(left, middle - patch / 2, patch, patch), swatch)
        text = sheet.metrics.elided(swatch.text, size, column - patch - 12)
        if pitch >= 7:
            sheet.write(left + patch + 6, middle, text, size)


def _draw_patch(sheet: Sheet, frame: Frame, swatch: Swatch) -> None:
    x, y, width, height = frame
    sheet.box(Frame(x - 0.75, y - 0.75, width + 1.5, height + 1.5), sheet.outline)
    sheet.box(frame, swatch.rgba, swatch.text)
