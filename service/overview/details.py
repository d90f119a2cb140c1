"""The documents of one layer and of one style of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lazytile.colormaps.core.units import conversion, is_difference
from lazytile.pyramid.catalog.layer_text import abstract_of
from lazytile.service.overview.documents import Bins, LayerDetails, StyleDetails, StyleEntry
from lazytile.service.overview.percentiles import PERCENTAGES, percentiles_of

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap, Entry
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.dataset import Histogram
    from lazytile.pyramid.store.layer import Layer

MAX_ATTRIBUTES = 60
MAX_TEXT = 400


def layer_details(layer: Layer) -> LayerDetails:
    """Return what is known of a layer's values.

    Args:
        layer: The layer.

    Returns:
        The document.
    """
    variable = layer.variable
    statistics, histogram = variable.statistics, variable.histogram
    attributes = {str(name): _text(value) for name, value in list(variable.attributes.items())[:MAX_ATTRIBUTES]}
    values = [] if histogram is None else percentiles_of(histogram, PERCENTAGES)
    return LayerDetails(
        id=layer.name,
        abstract=abstract_of(layer),
        minimum=None if statistics is None else _finite(statistics.minimum),
        maximum=None if statistics is None else _finite(statistics.maximum),
        mean=None if statistics is None else _finite(statistics.mean),
        valid_cells=None if statistics is None else statistics.valid_count,
        cells=None if statistics is None else statistics.cell_count,
        histogram=None
        if histogram is None
        else Bins(first_edge=histogram.first_edge, width=histogram.width, counts=list(histogram.counts)),
        percentiles=dict(zip(map(str, PERCENTAGES), values, strict=False)),
        codes=_codes(histogram) if variable.is_classes else None,
        remarks=list(layer.dataset.remarks),
        attributes=attributes,
    )


def _text(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _codes(histogram: Histogram | None) -> list[float] | None:
    """Return the values that occur, where each bin holds one whole number."""
    if histogram is None or histogram.width != 1.0:
        return None
    first = histogram.first_edge + 0.5
    return [first + at for at, count in enumerate(histogram.counts) if count]


def style_details(layer: Layer, style: Style) -> StyleDetails:
    """Return how a style paints a layer.

    Args:
        layer: The layer.
        style: The style, compiled for it.

    Returns:
        The document; the ends of its entries are in the units of the layer where they can be converted.
    """
    colormap = style.colormap
    units = colormap.units or layer.variable.units
    back = conversion(units, layer.variable.units, difference=is_difference(colormap.title))
    factor = _applied(back.steps, 1.0) if units != layer.variable.units else 1.0
    entries = [
        _entry(entry, lower, upper, back.steps if math.isfinite(factor) else ())
        for entry in colormap.main_part.entries
        if not entry.nodata
        for lower, upper in _ends(colormap, entry)
    ]
    return StyleDetails(
        id=style.name,
        colormap=colormap.name,
        title=colormap.title or colormap.name,
        reason=style.reason,
        units=layer.variable.units if back.steps or not colormap.units else colormap.units,
        is_classes=colormap.is_classification,
        entries=sorted(entries, key=lambda each: -math.inf if each.lower is None else each.lower),
    )


def _ends(colormap: Colormap, entry: Entry) -> list[tuple[float, float]]:
    return [(bin_.lower, bin_.upper) for bin_ in colormap.bins(entry) if not bin_.is_empty]


def _entry(entry: Entry, lower: float, upper: float, steps: tuple[tuple[str, float], ...]) -> StyleEntry:
    return StyleEntry(
        lower=_finite(_applied(steps, lower)),
        upper=_finite(_applied(steps, upper)),
        colour=entry.rgba.hex() if entry.rgba.alpha else "",
        label=entry.label,
    )


def _applied(steps: tuple[tuple[str, float], ...], value: float) -> float:
    for operation, operand in steps:
        if operation == "add":
            value += operand
        elif operation == "subtract":
            value -= operand
        elif operation == "multiply":
            value *= operand
        else:
            value /= operand
    return value
