"""Reader of colour tables as text: those of ``gdaldem color-relief`` and those that QGIS exports.

Each line is ``value red green blue [alpha] [label]``, separated by blanks, commas, tabs or colons. GDAL blends the
colours; the value may be ``nv`` (no data) or a percentage of the range, and the colour may be a name. QGIS adds a line
``INTERPOLATION:INTERPOLATED``, ``DISCRETE`` (a value is the upper end, included) or ``EXACT``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from lazytile.colormaps.core.diagnostics import diagnose
from lazytile.colormaps.core.entry_limits import check_entries
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Rgba
from lazytile.colormaps.synthesis.color_stops import Stop, blended_colormap, exact_colormap, stepped_colormap
from lazytile.colormaps.synthesis.ramps import parse_hex

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = {
    "white": "ffffff",
    "black": "000000",
    "red": "ff0000",
    "green": "00ff00",
    "blue": "0000ff",
    "yellow": "ffff00",
    "magenta": "ff00ff",
    "cyan": "00ffff",
    "aqua": "00bfff",
    "grey": "bfbfbf",
    "gray": "bfbfbf",
    "orange": "ff8000",
    "brown": "804000",
    "purple": "8000ff",
    "violet": "8000ff",
    "indigo": "4000bf",
}
_SEPARATOR = re.compile(r"[\s,:]+")


def read_table_text(content: bytes, name: str, file: str | None = None) -> Colormap:
    """Read a colour table.

    Args:
        content: Text in UTF-8.
        name: Of the colormap.
        file: Names the table in messages; the name by default.

    Returns:
        The colormap.

    Raises:
        ColormapError: A line is not understood; the text names it.
    """
    file = file or name
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ColormapError(f"{file}: not text in UTF-8") from error
    check_entries(sum(1 for line in lines if line.strip()), file)
    mode, nodata = "INTERPOLATED", TRANSPARENT
    stops: list[Stop] = []
    percents = 0
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip() if not line.lstrip().startswith("#") else ""
        if not text:
            continue
        if text.upper().startswith("INTERPOLATION"):
            mode = text.partition(":")[2].strip().upper()
            continue
        words = _SEPARATOR.split(text, maxsplit=5)
        location = f"{file}, line {number}"
        rgba, label = _colour_and_label(words[1:], location)
        if words[0].casefold() in {"nv", "default"}:
            nodata = rgba
            continue
        percents += words[0].endswith("%")
        stops.append(Stop(_value(words[0], location), rgba, label))
    if percents not in {0, len(stops)}:
        raise ColormapError(
            f"{file}: either all values must be percentages or none, but {percents} of {len(stops)} are"
        )
    makers: dict[str, Callable[[], Colormap]] = {
        "INTERPOLATED": lambda: blended_colormap(name, stops, nodata=nodata, origin=file, relative=percents > 0),
        "DISCRETE": lambda: stepped_colormap(name, stops, upper_closed=True, nodata=nodata, origin=file),
        "EXACT": lambda: exact_colormap(name, stops, nodata=nodata, origin=file),
    }
    if mode not in makers:
        raise ColormapError(f"{file}: INTERPOLATION must be {', '.join(makers)}, not {mode!r}")
    colormap = makers[mode]()
    return colormap.with_warnings(tuple(diagnose(colormap, file)))


def _value(text: str, location: str) -> float:
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ColormapError(f"{location}: {text!r} is not a number, a percentage or nv")
    return (value / 100 if percent else value) + 0.0


def _colour_and_label(words: list[str], location: str) -> tuple[Rgba, str]:
    if words and words[0].casefold() in _NAMES:
        rgba = parse_hex(_NAMES[words[0].casefold()])
        rest = words[1:]
    else:
        try:
            red, green, blue = (int(float(word)) for word in words[:3])
        except (ValueError, OverflowError) as error:
            raise ColormapError(f"{location}: a colour is red green blue [alpha] or a name") from error
        rgba, rest = Rgba(red, green, blue), words[3:]
    if rest and re.fullmatch(r"\d+", rest[0]):
        rgba, rest = rgba._replace(alpha=int(rest[0])), rest[1:]
    if not all(0 <= part <= 255 for part in rgba):
        raise ColormapError(f"{location}: the components of a colour must be 0 to 255")
    return rgba, " ".join(rest).strip()
