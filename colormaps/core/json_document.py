"""A colormap as JSON values: every entry as its file has it, and its flaws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap, Diagnostic, Entry, Interval


def json_number(value: float) -> float | int | str:
    """Return a number as JSON can hold it.

    Args:
        value: Any number but NaN.

    Returns:
        ``"-INF"`` and ``"+INF"`` for infinities, an int for a whole number, else the float.
    """
    if math.isinf(value):
        return "+INF" if value > 0 else "-INF"
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def colormap_document(colormap: Colormap) -> dict[str, Any]:
    """Describe a colormap as JSON values.

    Args:
        colormap: To describe.

    Returns:
        The document. ``entries`` has one object for each ColorMapEntry, in document order over all ColorMaps;
        ``lower``, ``upper`` and the closed sides are those of its value, else of its sourceValue, as the file has them,
        and null where it has neither.
    """
    classes = {part.title for part in colormap.parts if part.is_classification}
    return {
        "name": colormap.name,
        "title": colormap.title,
        "units": colormap.units,
        "origin": colormap.origin,
        "relative": colormap.relative,
        "maps": [
            {
                "title": part.title,
                "units": part.units,
                "entries": len(part.entries),
                "type": part.legend.type if part.legend else None,
            }
            for part in colormap.parts
        ],
        "entries": [_entry(entry, is_class=entry.map in classes) for entry in colormap.entries],
        "warnings": [_diagnostic(flaw) for flaw in colormap.warnings],
    }


def _entry(entry: Entry, *, is_class: bool) -> dict[str, Any]:
    intervals = entry.value or entry.source
    document: dict[str, Any] = {"map": entry.map, "index": entry.index}
    document |= _ends(intervals[0]) if intervals else dict.fromkeys(("lower", "upper", "closed_lower", "closed_upper"))
    code = entry.class_code if is_class else None
    document |= {
        "value": _texts(entry.value),
        "source_value": _texts(entry.source),
        "class": None if code is None else json_number(code),
        "rgba": list(entry.rgba),
        "nodata": entry.nodata,
        "label": entry.label,
        "ref": entry.ref,
        "line": entry.line,
    }
    if len(intervals) > 1:
        document["intervals"] = [_ends(interval) for interval in intervals]
    return document


def _ends(interval: Interval) -> dict[str, Any]:
    return {
        "lower": json_number(interval.lower),
        "upper": json_number(interval.upper),
        "closed_lower": interval.closed_lower,
        "closed_upper": interval.closed_upper,
    }


def _texts(intervals: tuple[Interval, ...]) -> str | None:
    return ",".join(interval.text() for interval in intervals) or None


def _diagnostic(flaw: Diagnostic) -> dict[str, Any]:
    return {"file": flaw.file, "line": flaw.line, "entry": flaw.entry, "text": flaw.text, "message": str(flaw)}
