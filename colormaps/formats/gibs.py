"""Reader of GIBS colormap XML, versions 1.0, 1.2 and 1.3.

It follows ``ColorMap_v1.0.xsd`` and ``ColorMap_v1.3.xsd`` of GIBS and OnEarth, and the files that GIBS serves. It is
tolerant: what is understood is read, what is not holds no value, and every deviation becomes a warning with file, line
and entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.colormaps.core.diagnostics import diagnose
from lazytile.colormaps.core.entry_limits import MAX_VALUE_LENGTH, check_entries
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.interval_notation import parse_intervals
from lazytile.colormaps.core.model import (
    LEGEND_TYPES,
    TRANSPARENT,
    Colormap,
    Diagnostic,
    Entry,
    Interval,
    Legend,
    LegendEntry,
    Part,
    Rgba,
)
from lazytile.colormaps.core.safe_xml import local_name, parse_xml, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml import etree

_RGB = re.compile(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*")
_NODATA_LABELS = frozenset({"no data", "nodata", "no-data", "fill", "fill value", "missing", "missing data"})


def read_gibs(source: Path | str | bytes, name: str | None = None, file: str | None = None) -> Colormap:
    """Read a GIBS colormap.

    Args:
        source: A path, or the bytes of a document.
        name: Of the colormap; by default the file's without its suffix.
        file: Names the document in messages; by default the last part of the path.

    Returns:
        The colormap.

    Raises:
        ColormapError: The document cannot be read, is not well formed, or holds no ColorMapEntry.
    """
    if isinstance(source, bytes):
        content = source
        file = file or name or "colormap"
    else:
        path = Path(source)
        content = read_bytes(path)
        file = file or path.name
    root = parse_xml(content, file)
    check_entries(sum(1 for _ in root.iter("{*}ColorMapEntry")), file)
    check_entries(sum(1 for _ in root.iter("{*}LegendEntry")), file)
    reading = _Reading(file)
    if local_name(root) == "ColorMap":
        parts = [reading.flat_part(root)]
    elif local_name(root) == "ColorMaps":
        parts = [reading.part(element) for element in root if local_name(element) == "ColorMap"]
    else:
        raise ColormapError(
            f"{file}: the root of a GIBS colormap must be ColorMap or ColorMaps, not {local_name(root)}"
        )
    if not reading.count:
        raise ColormapError(f"{file}: it holds no ColorMapEntry")
    colormap = Colormap(name or Path(file).stem, tuple(parts), origin=file)
    return colormap.with_warnings((*reading.flaws, *diagnose(colormap, file)))


@dataclass(slots=True)
class _Reading:
    """The state of reading one document: the number of entries so far, and the flaws."""

    file: str
    count: int = 0
    flaws: list[Diagnostic] = field(default_factory=list)

    def flat_part(self, element: etree._Element) -> Part:
        """Read version 1.0: the root holds the entries."""
        title = element.get("title") or element.get("Title") or ""
        entries = tuple(self._entry(child, title, flat=True) for child in _children(element, "ColorMapEntry"))
        return Part(title, entries, (element.get("units") or "").strip())

    def part(self, element: etree._Element) -> Part:
        """Read a ColorMap of version 1.2 or 1.3."""
        title = element.get("title") or element.get("Title") or ""
        legends = list(_children(element, "Legend"))
        holders = list(_children(element, "Entries"))
        bounds = holders[0] if holders else element
        legend = self._legend(legends[0], bounds) if legends else None
        if len(legends) > 1:
            self._report(f"ColorMap {title!r} has {len(legends)} legends, the first is used", legends[1])
        entries = tuple(
            self._entry(child, title) for holder in holders or [element] for child in _children(holder, "ColorMapEntry")
        )
        if not entries:
            self._report(f"ColorMap {title!r} has no entries", element)
        return Part(title, self._labelled(entries, legend), (element.get("units") or "").strip(), legend)

    def _entry(self, element: etree._Element, title: str, *, flat: bool = False) -> Entry:
        index = self.count
        self.count += 1

        def report(text: str) -> None:
            self._report(text, element, index)

        label = (element.get("label") or "").strip()
        nodata = self._boolean(element, "nodata", index)
        if flat and not nodata and label.casefold() in _NODATA_LABELS:
            report(f"taken for no data by its label {label!r}, which is all that version 1.0 has")
            nodata = True
        ref = self._integer(element, "ref", index)
        return Entry(
            title,
            index,
            self._rgba(element, index),
            _intervals(element, "value", report),
            _intervals(element, "sourceValue", report),
            nodata,
            label,
            ref,
            _line(element),
        )

    def _rgba(self, element: etree._Element, index: int | None = None) -> Rgba:
        text = element.get("rgb") or ""
        match = _RGB.fullmatch(text)
        if match is None:
            self._report(f"rgb {text[:60]!r} is not three numbers from 0 to 255, read as transparent", element, index)
            return TRANSPARENT
        red, green, blue = (min(int(number), 255) for number in match.groups())
        if max(map(int, match.groups())) > 255:
            self._report(f"rgb {text!r} has a number above 255, read as 255", element, index)
        return Rgba(red, green, blue, 0 if self._boolean(element, "transparent", index) else 255)

    def _boolean(self, element: etree._Element, attribute: str, index: int | None = None) -> bool:
        text = (element.get(attribute) or "false").strip().casefold()
        if text not in {"true", "false", "1", "0"}:
            self._report(f"{attribute} {text!r} is neither true nor false, read as false", element, index)
        return text in {"true", "1"}

    def _integer(self, element: etree._Element, attribute: str, index: int | None = None) -> int | None:
        text = element.get(attribute)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            self._report(f"{attribute} {text!r} is not an integer, left out", element, index)
            return None

    def _legend(self, element: etree._Element, bounds: etree._Element) -> Legend:
        type_ = (element.get("type") or "").strip()
        if type_ not in LEGEND_TYPES:
            self._report(f"legend type {type_!r} is not one of {', '.join(sorted(LEGEND_TYPES))}", element)
            type_ = "continuous"
        entries = tuple(
            LegendEntry(
                identifier,
                self._rgba(child),
                _tooltip(child),
                child.get("label"),
                self._boolean(child, "showTick"),
                self._boolean(child, "showLabel"),
            )
            for child in _children(element, "LegendEntry")
            if (identifier := self._identifier(child)) is not None
        )
        # Version 1.2 has the labels of the ends on Entries.
        low = element.get("minLabel", bounds.get("minLabel"))
        return Legend(type_, entries, low, element.get("maxLabel", bounds.get("maxLabel")))

    def _identifier(self, element: etree._Element) -> int | None:
        identifier = self._integer(element, "id")
        if identifier is None:
            self._report("a LegendEntry without an id is left out", element)
        return identifier

    def _labelled(self, entries: tuple[Entry, ...], legend: Legend | None) -> tuple[Entry, ...]:
        """Return entries with the tooltip of their legend entry as label, where they have none."""
        if legend is None:
            return entries
        tooltips = {entry.id: entry.tooltip for entry in legend.entries}
        labelled = []
        for entry in entries:
            if entry.ref is not None and entry.ref not in tooltips:
                self.flaws.append(
                    Diagnostic(self.file, f"ref {entry.ref} is in no LegendEntry", entry.line, entry.index)
                )
            tooltip = "" if entry.ref is None else tooltips.get(entry.ref, "")
            labelled.append(replace(entry, label=entry.label or tooltip))
        return tuple(labelled)

    def _report(self, text: str, element: etree._Element, index: int | None = None) -> None:
        self.flaws.append(Diagnostic(self.file, text, _line(element), index))


def _children(element: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in element if local_name(child) == name]


def _tooltip(element: etree._Element) -> str:
    # Version 1.2 has no tooltips; the label or the value is the next best.
    texts = (element.get(attribute) for attribute in ("tooltip", "label", "value"))
    return next((text.strip() for text in texts if text is not None), "")


def _line(element: etree._Element) -> int | None:
    line: int | None = element.sourceline
    return line


def _intervals(element: etree._Element, attribute: str, report: Callable[[str], None]) -> tuple[Interval, ...]:
    text = element.get(attribute)
    if text is not None and len(text) > MAX_VALUE_LENGTH:
        report(f"{attribute} has {len(text)} characters, at most {MAX_VALUE_LENGTH} are read: it holds no value")
        return ()
    return () if text is None else parse_intervals(text, report)
