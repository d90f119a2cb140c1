"""A slow and obvious reference for GIBS colormaps: regular expressions and one value at a time.

Written apart from ``lazytile.colormaps``: it shares no code with it, so that agreement means something.
"""

import math
import re
from pathlib import Path

import numpy as np

from tests.shared import SHARED

FOLDER = SHARED / "colormaps"
FILES = sorted(path.name for path in FOLDER.glob("*.xml")) if FOLDER.is_dir() else []

_TAG = re.compile(r"""<(/?)(ColorMap|ColorMapEntry|Legend)\b((?:[^>"]|"[^"]*")*)>""")
_ATTRIBUTE = re.compile(r'([A-Za-z]+)\s*=\s*"([^"]*)"')


def slow_parse(path: Path):
    """Return one dict of attributes for each ColorMapEntry, in order, plus ``part``: which ColorMap it is in."""
    text = re.sub(r"<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL)
    entries, part = [], -1
    for closing, tag, rest in _TAG.findall(text):
        attributes = dict(_ATTRIBUTE.findall(rest))
        if tag == "ColorMap" and not closing:
            part += 1
        if tag == "ColorMapEntry":
            entries.append({**attributes, "part": part})
    return entries


def is_nodata(entry):
    """By its attribute, or in version 1.0 (which has labels instead) by its label."""
    return entry.get("nodata") == "true" or ("ref" not in entry and entry.get("label") in {"No Data", "Fill"})


def slow_number(text):
    return {"-INF": -math.inf, "+INF": math.inf}[text] if "INF" in text else float(text)


def slow_texts(entries):
    """Return the text of an entry's values: value, else sourceValue unless the file's raw numbers are scaled."""
    scaled = any(
        "value" in entry
        and "sourceValue" in entry
        and [slow_number(n) for n in entry["value"].strip("[]()").split(",")]
        != [slow_number(n) for n in entry["sourceValue"].strip("[]()").split(",")]
        for entry in entries
        if not is_nodata(entry)
    )
    return [entry.get("value") or (None if scaled else entry.get("sourceValue")) for entry in entries]


def slow_slots(entries):
    """Return the palette index of each entry: 0 for the first no-data entry, the others from 1 in order."""
    nodata = next((position for position, entry in enumerate(entries) if is_nodata(entry)), None)
    slots, following = {}, 1
    for position in range(len(entries)):
        if position == nodata:
            slots[position] = 0
        else:
            slots[position] = following
            following += 1
    return slots


class SlowPalette:
    """Palette indices of values, by trying every entry in document order."""

    def __init__(self, entries):
        slots = slow_slots(entries)
        self.asked = []
        for position, text in enumerate(slow_texts(entries)):
            if text is not None:
                ends = [slow_number(number) for number in text.strip("[]()").split(",")]
                low_closed, high_closed = len(ends) == 1 or text[0] == "[", len(ends) == 1 or text[-1] == "]"
                self.asked.append((ends[0], ends[-1], low_closed, high_closed, slots[position]))

    def indices(self, values):
        """Return the index of each value, float64; NaN is in no entry."""
        values = np.array(values, np.float64)
        indices, asking = np.zeros(values.shape, int), np.ones(values.shape, bool)
        for low, high, low_closed, high_closed, slot in self.asked:
            above = values >= low if low_closed else values > low
            below = values <= high if high_closed else values < high
            indices[asking & above & below] = slot
            asking &= ~(above & below)
        return indices.tolist()


def slow_decode(code, packing):
    """Return the value of a code as CF defines it, in Python floats."""
    number = float(code)
    if math.isnan(number) or code in packing.missing:
        return math.nan
    if packing.valid_min is not None and code < packing.valid_min:
        return math.nan
    if packing.valid_max is not None and code > packing.valid_max:
        return math.nan
    return number * packing.scale_factor + packing.add_offset


def float_edges(entries):
    """Return every finite number in the values of a file."""
    numbers = set()
    for text in slow_texts(entries):
        if text is not None:
            numbers |= {slow_number(number) for number in text.strip("[]()").split(",")}
    return sorted(number for number in numbers if math.isfinite(number))


def neighbours(values, dtype):
    """Return the values rounded to a dtype, and one ulp to either side of each."""
    rounded = np.array(values, dtype)
    infinity = np.array(np.inf, dtype)
    with np.errstate(over="ignore"):
        return np.concatenate([rounded, np.nextafter(rounded, infinity), np.nextafter(rounded, -infinity)])
