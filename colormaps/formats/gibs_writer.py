"""Writer of GIBS colormap XML, version 1.3: what it writes is valid against ``ColorMap_v1.3.xsd``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.colormaps.core.atomic_write import write_atomically
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import LegendEntry, Rgba

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.colormaps.core.model import Colormap, Entry, Interval, Legend, Part

SCHEMA = "https://gibs.earthdata.nasa.gov/schemas/ColorMap_v1.3.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SHORT = range(-32768, 32768)


def write_gibs(colormap: Colormap, path: Path) -> None:
    """Write a colormap to a file, atomically.

    Args:
        colormap: To write.
        path: Of the file.

    Raises:
        ColormapError: The format cannot hold the colormap, or the file cannot be written.
    """
    write_atomically(path, gibs_xml(colormap))


def gibs_xml(colormap: Colormap) -> bytes:
    """Return a colormap as a version 1.3 document. Entries without a ref get one.

    Args:
        colormap: To write.

    Returns:
        The document, in UTF-8.

    Raises:
        ColormapError: A colour is neither transparent nor opaque, which the schema does not allow, or there are more
            entries than refs.
    """
    root = etree.Element("ColorMaps", nsmap={"xsi": _XSI})
    root.set(f"{{{_XSI}}}noNamespaceSchemaLocation", SCHEMA)
    refs = _refs(colormap)
    for part in colormap.parts:
        if part.entries:
            _write_part(root, part, refs)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _refs(colormap: Colormap) -> dict[int, int]:
    """Return the ref of each entry: its own, or the next free number."""
    taken = {entry.ref for entry in colormap.entries if entry.ref is not None}
    taken |= {entry.id for part in colormap.parts if part.legend for entry in part.legend.entries}
    free = (number for number in range(_SHORT.stop) if number not in taken)
    refs = {}
    for entry in colormap.entries:
        ref = entry.ref if entry.ref is not None else next(free, _SHORT.stop)
        if ref not in _SHORT:
            raise ColormapError(f"colormap {colormap.name}: ref {ref} of entry {entry.index} is not a 16-bit number")
        refs[entry.index] = ref
    return refs


def _write_part(root: etree._Element, part: Part, refs: dict[int, int]) -> None:
    element = etree.SubElement(root, "ColorMap", title=part.title)
    if part.units:
        element.set("units", part.units)
    entries = etree.SubElement(element, "Entries")
    for entry in part.entries:
        _write_entry(entries, entry, refs[entry.index])
    legend = part.legend
    labels = {refs[entry.index]: entry.label for entry in reversed(part.entries) if entry.label}
    if legend is not None and legend.entries:
        _write_legend(element, legend, labels)
    elif labels:
        # Versions 1.0 and 1.2 have labels on the entries; in 1.3 only a legend can hold them.
        _write_labels(element, part, refs)


def _write_entry(parent: etree._Element, entry: Entry, ref: int) -> None:
    if entry.rgba.alpha not in {0, 255}:
        raise ColormapError(f"entry {entry.index} has alpha {entry.rgba.alpha}; GIBS XML allows only 0 and 255")
    element = etree.SubElement(parent, "ColorMapEntry", rgb=_rgb(entry.rgba))
    element.set("transparent", _boolean(value=entry.rgba.alpha == 0))
    if entry.source:
        element.set("sourceValue", _text(entry.source))
    if entry.value:
        element.set("value", _text(entry.value))
    if entry.nodata:
        element.set("nodata", "true")
    element.set("ref", str(ref))


def _write_legend(parent: etree._Element, legend: Legend, labels: dict[int, str]) -> None:
    # Version 1.2 has labels on entries that its legend does not repeat; here they become tooltips.
    element = etree.SubElement(parent, "Legend", type=legend.type)
    for attribute, label in (("minLabel", legend.min_label), ("maxLabel", legend.max_label)):
        if label is not None:
            element.set(attribute, label)
    for entry in legend.entries:
        _write_legend_entry(element, replace(entry, tooltip=labels.get(entry.id, entry.tooltip)))


def _write_legend_entry(parent: etree._Element, entry: LegendEntry) -> None:
    if entry.id not in _SHORT:
        raise ColormapError(f"legend id {entry.id} is not a 16-bit number")
    element = etree.SubElement(parent, "LegendEntry", rgb=_rgb(entry.rgb), tooltip=entry.tooltip)
    if entry.show_tick:
        element.set("showTick", "true")
    if entry.show_label:
        element.set("showLabel", "true")
    if entry.label is not None:
        element.set("label", entry.label)
    element.set("id", str(entry.id))


def _write_labels(parent: etree._Element, part: Part, refs: dict[int, int]) -> None:
    kind = "classification" if part.is_classification else "continuous"
    element = etree.SubElement(parent, "Legend", type=kind)
    written = set()
    for entry in part.entries:
        if refs[entry.index] not in written:
            written.add(refs[entry.index])
            _write_legend_entry(element, LegendEntry(refs[entry.index], entry.rgba, entry.label))


def _rgb(rgba: Rgba) -> str:
    return f"{rgba.red},{rgba.green},{rgba.blue}"


def _boolean(*, value: bool) -> str:
    return "true" if value else "false"


def _text(intervals: tuple[Interval, ...]) -> str:
    return ",".join(interval.text() for interval in intervals)
