"""Reader of SLD colormaps: ``ColorMap`` of SLD 1.0.0, ``Categorize`` and ``Interpolate`` of SE 1.1.0 (OGC 05-077r4).

1.0.0: ``type`` is ``ramp`` (blended, the default), ``intervals`` (each entry colours what lies below its quantity) or
``values``. 1.1.0: a threshold belongs to the value after it unless ``thresholdsBelongTo`` is ``preceding``;
``fallbackValue`` colours no data.
"""

from __future__ import annotations

import math
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


def read_sld(content: bytes, name: str, file: str | None = None) -> Colormap:
    """Read the first colormap of an SLD document.

    Args:
        content: XML.
        name: Of the colormap.
        file: Names the document in messages; the name by default.

    Returns:
        The colormap.

    Raises:
        ColormapError: The document holds no colormap, or one that is not understood.
    """
    file = file or name
    root = parse_xml(content, file)
    check_entries(sum(1 for _ in root.iter("{*}ColorMapEntry", "{*}Value")), file)
    for element in root.iter():
        kind = local_name(element)
        if kind == "ColorMap" and any(local_name(child) == "ColorMapEntry" for child in element):
            colormap = _color_map(element, name, file)
        elif kind == "Categorize":
            colormap = _categorize(element, name, file)
        elif kind == "Interpolate":
            colormap = _interpolate(element, name, file)
        else:
            continue
        return colormap.with_warnings(tuple(diagnose(colormap, file)))
    raise ColormapError(f"{file}: it holds no ColorMap, Categorize or Interpolate")


def _color_map(element: etree._Element, name: str, file: str) -> Colormap:
    stops, nodata = [], TRANSPARENT
    for child in element:
        if local_name(child) != "ColorMapEntry":
            continue
        rgba = _colour(child.get("color") or "", file, child, child.get("opacity"))
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
    colours = [_colour(child.text or "", file, child) for child in element if local_name(child) == "Value"]
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
    for point in element:
        if local_name(point) == "InterpolationPoint":
            parts = {local_name(child): child for child in point}
            if not {"Data", "Value"} <= set(parts):
                raise ColormapError(f"{file}, line {point.sourceline}: an InterpolationPoint must have Data and Value")
            value = _number(parts["Data"].text or "", file, parts["Data"])
            stops.append(Stop(value, _colour(parts["Value"].text or "", file, parts["Value"])))
    return blended_colormap(name, stops, nodata=_fallback(element, file), origin=file)


def _fallback(element: etree._Element, file: str) -> Rgba:
    text = element.get("fallbackValue")
    if text is None or not text.strip().startswith("#"):
        return TRANSPARENT
    return _colour(text, file, element)


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
