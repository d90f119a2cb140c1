"""Reader of SLD colormaps: ``ColorMap`` of SLD 1.0.0, ``Categorize`` and ``Interpolate`` of SE 1.1.0 (OGC 05-077r4).

1.0.0: ``type`` is ``ramp`` (blended, the default), ``intervals`` (each entry colours what lies below its quantity) or
``values``. 1.1.0: a threshold belongs to the value after it unless ``thresholdsBelongTo`` is ``preceding``.

As OnEarth reads them (``SLDtoColorMap.py``, ``colormap2vrt.py``): every RasterSymbolizer is a ColorMap of its own, and
those of the NamedLayer with the colormap's name count alone where there is one; ``Opacity`` of the symbolizer holds for
entries without one; ``fallbackValue`` is the entry of no data, and transparent.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.colormaps.core.diagnostics import diagnose
from lazytile.colormaps.core.entry_limits import check_entries
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Interval, Rgba
from lazytile.colormaps.core.safe_xml import local_name, parse_xml
from lazytile.colormaps.synthesis.color_stops import Stop, blended_colormap, exact_colormap, stepped_colormap
from lazytile.colormaps.synthesis.continuous import Bin, binned_colormap
from lazytile.colormaps.synthesis.ramps import parse_hex
from lazytile.colormaps.synthesis.rescale import bin_text

if TYPE_CHECKING:
    from lxml import etree

    from lazytile.colormaps.core.model import Part

_HEX = re.compile(r"#?[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?")


def read_sld(content: bytes, name: str, file: str | None = None) -> Colormap:
    """Read the colormaps of an SLD document.

    Args:
        content: XML.
        name: Of the colormap.
        file: Names the document in messages; the name by default.

    Returns:
        The colormap, with a part for each ColorMap, Categorize or Interpolate.

    Raises:
        ColormapError: The document holds no colormap, or one that is not understood.
    """
    file = file or name
    root = parse_xml(content, file)
    check_entries(sum(1 for _ in root.iter("{*}ColorMapEntry", "{*}Value")), file)
    found = [_read(element, name, file) for element in _named_layer(root, name).iter() if _is_colormap(element)]
    if not found:
        raise ColormapError(f"{file}: it holds no ColorMap, Categorize or Interpolate")
    colormap = found[0] if len(found) == 1 else _together(name, found, file)
    return colormap.with_warnings(tuple(diagnose(colormap, file)))


def _named_layer(root: etree._Element, name: str) -> etree._Element:
    """Return the NamedLayer of a name that holds a colormap, else the whole document."""
    for layer in root.iter("{*}NamedLayer"):
        names = (child.text or "" for child in layer if local_name(child) == "Name")
        if name in {text.strip() for text in names} and any(_is_colormap(element) for element in layer.iter()):
            return layer
    return root


def _is_colormap(element: etree._Element) -> bool:
    kind = local_name(element)
    has_entries = kind == "ColorMap" and any(local_name(child) == "ColorMapEntry" for child in element)
    return has_entries or kind in {"Categorize", "Interpolate"}


def _read(element: etree._Element, name: str, file: str) -> Colormap:
    match local_name(element):
        case "Categorize":
            return _categorize(element, name, file)
        case "Interpolate":
            return _interpolate(element, name, file)
        case _:
            return _color_map(element, name, file)


def _together(name: str, colormaps: list[Colormap], file: str) -> Colormap:
    """Return several colormaps as the parts of one; the first entry of no data stands for all."""
    parts: list[Part] = []
    count, has_nodata = 0, False
    for colormap in colormaps:
        for part in colormap.parts:
            kept = [entry for entry in part.entries if not (entry.nodata and has_nodata)]
            if not kept:
                continue
            has_nodata = has_nodata or any(entry.nodata for entry in kept)
            shift = {entry.ref: count + at for at, entry in enumerate(kept) if entry.ref is not None}
            entries = tuple(
                replace(entry, index=count + at, ref=None if entry.ref is None else count + at)
                for at, entry in enumerate(kept)
            )
            legend = part.legend
            if legend is not None:
                marks = tuple(replace(mark, id=shift[mark.id]) for mark in legend.entries if mark.id in shift)
                legend = replace(legend, entries=marks)
            parts.append(replace(part, entries=entries, legend=legend))
            count += len(entries)
    return Colormap(name, tuple(parts), origin=file)


def _color_map(element: etree._Element, name: str, file: str) -> Colormap:
    stops, nodata = [], TRANSPARENT
    opacity = _opacity(element)
    for child in element:
        if local_name(child) != "ColorMapEntry":
            continue
        rgba = _colour(child.get("color") or "", file, child, child.get("opacity") or opacity)
        label = child.get("label") or ""
        if label.casefold() in {"no data", "nodata"}:
            nodata = rgba
            continue
        stops.append(Stop(_number(child.get("quantity") or "", file, child), rgba, label))
    kind = (element.get("type") or "ramp").casefold()
    if kind == "ramp":
        return blended_colormap(name, stops, nodata=nodata, origin=file)
    if kind == "intervals":
        return stepped_colormap(name, stops, upper_closed=False, nodata=nodata, origin=file)
    if kind == "values":
        return exact_colormap(name, stops, nodata=nodata, origin=file)
    raise ColormapError(f"{file}: the type of an SLD ColorMap must be ramp, intervals or values, not {kind!r}")


def _categorize(element: etree._Element, name: str, file: str) -> Colormap:
    thresholds = [_number(child.text or "", file, child) for child in element if local_name(child) == "Threshold"]
    opacity = _opacity(element)
    colours = [_colour(child.text or "", file, child, opacity) for child in element if local_name(child) == "Value"]
    if len(colours) != len(thresholds) + 1:
        raise ColormapError(
            f"{file}: Categorize has one Value more than Thresholds, not {len(colours)} and {len(thresholds)}"
        )
    belongs = element.get("thresholdsBelongTo") or element.get("threshholdsBelongTo") or "succeeding"
    after = belongs != "preceding"
    edges = [-math.inf, *thresholds, math.inf]
    bins = []
    for position, rgba in enumerate(colours):
        lower, upper = edges[position], edges[position + 1]
        interval = Interval(
            lower, upper, closed_lower=after or lower == -math.inf, closed_upper=not after or upper == math.inf
        )
        bins.append(Bin(interval, rgba, bin_text(interval)))
    nodata = _fallback(element, file)
    return binned_colormap(name, bins, legend_type="discrete", nodata=nodata, origin=file)


def _interpolate(element: etree._Element, name: str, file: str) -> Colormap:
    stops = []
    opacity = _opacity(element)
    for point in element:
        if local_name(point) == "InterpolationPoint":
            parts = {local_name(child): child for child in point}
            if not {"Data", "Value"} <= set(parts):
                raise ColormapError(f"{file}, line {point.sourceline}: an InterpolationPoint must have Data and Value")
            value = _number(parts["Data"].text or "", file, parts["Data"])
            stops.append(Stop(value, _colour(parts["Value"].text or "", file, parts["Value"], opacity)))
    return blended_colormap(name, stops, nodata=_fallback(element, file), origin=file)


def _fallback(element: etree._Element, file: str) -> Rgba:
    """Return the colour of no data: that of the fallback value, but transparent, as OnEarth takes it."""
    text = (element.get("fallbackValue") or "").strip()
    if not _HEX.fullmatch(text):
        return TRANSPARENT
    return Rgba(*_colour(text, file, element)[:3], 0)


def _opacity(element: etree._Element) -> str | None:
    """Return the opacity of the symbolizer that a colormap belongs to; None where it states none, or an expression."""
    for above in element.iterancestors("{*}RasterSymbolizer"):
        for child in above:
            if local_name(child) == "Opacity" and len(child) == 0:
                return (child.text or "").strip() or None
    return None


def _colour(text: str, file: str, element: etree._Element, opacity: str | None = None) -> Rgba:
    try:
        rgba = parse_hex(text)
    except ColormapError as error:
        raise ColormapError(f"{file}, line {element.sourceline}: {error}") from error
    if opacity is None:
        return rgba
    share = _number(opacity, file, element)
    return Rgba(*rgba[:3], round(255 * min(max(share, 0.0), 1.0)))


def _number(text: str, file: str, element: etree._Element) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ColormapError(f"{file}, line {element.sourceline}: {text.strip()!r} is not a number")
    return number + 0.0
