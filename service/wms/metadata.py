"""GetMetadata of ncWMS2, which Godiva, Terria and leaflet-timedimension ask: JSON about layers, times and ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.layer_bounds import clipped_bounds
from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.render.style import DEFAULT
from lazytile.pyramid.times import lookup
from lazytile.pyramid.times.time_axis import is_standard, time_axis
from lazytile.service.wms.dimensions import dimensions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lazytile.pyramid.catalog.style_catalog import KnownColormap
    from lazytile.pyramid.store.layer import Layer

ITEMS = ("menu", "layerDetails", "timesteps", "minmax", "animationTimesteps")
BANDS = 250
MAX_STEPS = 10_000
"""Most times in one answer."""


def menu(title: str, layers: Iterable[Layer]) -> dict[str, Any]:
    """Return the tree of datasets and layers.

    Args:
        title: Of the service.
        layers: Every layer.

    Returns:
        JSON values.
    """
    children: dict[str, dict[str, Any]] = {}
    for layer in layers:
        dataset = layer.dataset
        folder = children.setdefault(dataset.name, {"label": dataset.title or dataset.name, "children": []})
        folder["children"].append({"id": layer.name, "label": layer.title, "plottable": True, "queryable": True})
    return {"label": title, "children": list(children.values())}


def layer_details(layer: Layer, colormaps: tuple[KnownColormap, ...], palettes: Sequence[str]) -> dict[str, Any]:
    """Return what there is to know of a layer.

    Args:
        layer: The layer.
        colormaps: Those that styles are offered from.
        palettes: Every colormap that a request may name.

    Returns:
        JSON values.
    """
    bounds = clipped_bounds(layer)
    low, high = layer.variable.style_range
    details: dict[str, Any] = {
        "title": layer.title,
        "units": layer.variable.units,
        "bbox": [bounds.west, bounds.south, bounds.east, bounds.north],
        "scaleRange": [0.0 if low is None else low, 1.0 if high is None else high],
        "numColorBands": BANDS,
        "supportedStyles": ["boxfill", *(style.name for style in offered_styles(layer, colormaps))],
        "palettes": list(palettes),
        "defaultPalette": DEFAULT,
        "aboveMaxColor": "extend",
        "belowMinColor": "extend",
        "noDataColor": "transparent",
        "logScaling": False,
        "queryable": True,
        "downloadable": False,
        "supportsTimeseries": False,
        "supportsProfiles": False,
        "supportsTransects": False,
        "continuousX": True,
        "continuousY": True,
        "continuousZ": False,
        "continuousT": False,
        "datesWithData": {},
        "moreInfo": layer.dataset.source,
        "copyright": "",
    }
    elevation = elevation_of(layer.variable.dimensions)
    if elevation is not None:
        values = [float(label) for label in elevation.labels() if re.fullmatch(r"[-+0-9.eE]+", label)]
        if len(values) == len(elevation.dimension.labels):
            positive = elevation.is_depth or elevation.dimension.positive.lower() != "down"
            details["zaxis"] = {"units": elevation.dimension.units, "positive": positive, "values": values}
    time = layer.variable.time
    if time is not None:
        details["timeAxisUnits"] = "ISO8601"
        details["nearestTimeIso"] = time.labels[lookup.default_index(time)]
        details["datesWithData"] = _dates(time.labels)
    others = [each for each in dimensions_of(layer) if each.name not in ("time", "elevation")]
    if others:
        details["otherDimensions"] = {each.parameter: list(each.labels) for each in others}
    return details


def _dates(labels: tuple[str, ...]) -> dict[str, dict[str, list[int]]]:
    """Return the days with data by year and month, months from 0 as in JavaScript."""
    days: dict[str, dict[str, list[int]]] = {}
    for label in labels:
        match = re.match(r"(\d{4})-(\d{2})-(\d{2})", label)
        if match is not None:
            month = days.setdefault(match[1], {}).setdefault(str(int(match[2]) - 1), [])
            if int(match[3]) not in month:
                month.append(int(match[3]))
    return days


def time_steps(layer: Layer, day: str) -> dict[str, Any]:
    """Return the times of a layer on one day.

    Args:
        layer: The layer.
        day: ISO 8601; its date counts.

    Returns:
        JSON values: the times of day.

    Raises:
        InvalidParameterError: The layer has no times, or the day is no date.
    """
    if layer.variable.time is None:
        raise InvalidParameterError("layerName", f"layerName {layer.name} has no times")
    if re.match(r"\d{4}-\d{2}-\d{2}", day) is None:
        raise InvalidParameterError("day", f"day {day[:40]!r} is no date, it must be YYYY-MM-DD")
    labels = layer.variable.time.labels
    return {"timesteps": [label[11:] or "00:00:00Z" for label in labels if label.startswith(day[:10])]}


def animation_steps(layer: Layer, start: str, end: str) -> dict[str, Any]:
    """Return the times of a layer between two times, at several densities.

    Args:
        layer: The layer.
        start: ISO 8601.
        end: ISO 8601.

    Returns:
        JSON values: for each density a title and the times, separated by commas.

    Raises:
        InvalidParameterError: The layer has no times, or an end is none.
    """
    time = layer.variable.time
    axis = None if time is None else time_axis(time.labels)
    if time is None or axis is None or not is_standard(axis):
        raise InvalidParameterError("layerName", f"layerName {layer.name} has no times that can be counted")
    spans = [axis.calendar.parse(text) for text in (start, end)]
    for name, text, span in zip(("start", "end"), (start, end), spans, strict=True):
        if span is None:
            raise InvalidParameterError(name, f"{name} {text[:40]!r} is no time, it must be ISO 8601")
    first, last = spans
    chosen = [
        label
        for label, at in zip(time.labels, axis.starts_us, strict=True)
        if first is not None and last is not None and first.start_us <= at < last.end_us
    ][:MAX_STEPS]
    strides = [stride for stride in (1, 2, 4, 8, 16, 32) if stride == 1 or stride * 4 <= len(chosen)]
    titles = ["Full" if stride == 1 else f"Every {stride}" for stride in strides]
    return {
        "timeStrings": [
            {"title": f"{title} ({len(chosen[::stride])} frames)", "timeString": ",".join(chosen[::stride])}
            for title, stride in zip(titles, strides, strict=True)
        ]
    }
