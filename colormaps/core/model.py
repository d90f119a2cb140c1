"""The model of a colormap, whatever file it came from: entries in document order, each a colour for some values.

The terms are those of the GIBS schema (``ColorMap_v1.3.xsd``). A file holds one or more ColorMaps (``Part`` here, so
that the whole may be called a colormap); each has entries and perhaps a legend. The readers of other formats produce
the same model, so that pixels, legend, capabilities and palette all come from one object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from lazytile.colormaps.core.errors import ColormapError

LEGEND_TYPES = frozenset({"continuous", "discrete", "classification"})


class Rgba(NamedTuple):
    """A colour, each component 0 to 255, not multiplied by alpha."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    def hex(self) -> str:
        """Return ``#rrggbb``, without alpha."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


TRANSPARENT = Rgba(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of values. Reversed and empty intervals are stored as the file has them; they hold no value."""

    lower: float
    upper: float
    closed_lower: bool = True
    closed_upper: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.lower) or math.isnan(self.upper):
            raise ColormapError("the end of an interval must be a number or infinite, got NaN")

    @classmethod
    def single(cls, value: float) -> Interval:
        """Return the interval that holds one value.

        Args:
            value: The value.

        Returns:
            ``[value]``.
        """
        return cls(value, value, closed_lower=True, closed_upper=True)

    @property
    def is_single(self) -> bool:
        """Whether it holds exactly one value."""
        return self.lower == self.upper and self.closed_lower and self.closed_upper

    @property
    def is_reversed(self) -> bool:
        """Whether the lower end is above the upper one."""
        return self.lower > self.upper

    @property
    def is_empty(self) -> bool:
        """Whether it holds no value at all."""
        return self.is_reversed or (self.lower == self.upper and not self.is_single)

    def contains(self, value: float) -> bool:
        """Return whether a value lies in the interval, taken literally: ``[-INF,0)`` holds -inf, ``(-INF,0)`` does not.

        Args:
            value: Any number.

        Returns:
            False for NaN.
        """
        above = value >= self.lower if self.closed_lower else value > self.lower
        below = value <= self.upper if self.closed_upper else value < self.upper
        return above and below

    def text(self) -> str:
        """Return the interval in the notation of GIBS: ``[a,b)``, ``[a]``, ``[-INF,b)``. Numbers keep their float64."""
        if self.is_single:
            return f"[{number_text(self.lower)}]"
        ends = ("[" if self.closed_lower else "(", "]" if self.closed_upper else ")")
        return f"{ends[0]}{number_text(self.lower)},{number_text(self.upper)}{ends[1]}"


def number_text(value: float) -> str:
    """Return a number that matches the pattern of the XSD and parses to the same float64.

    Args:
        value: Any number but NaN.

    Returns:
        The text.
    """
    if math.isinf(value):
        return "+INF" if value > 0 else "-INF"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ColorMapEntry: the colour of some values."""

    map: str
    """Title of its ColorMap."""
    index: int
    """Position over all ColorMaps of the file, from 0."""
    rgba: Rgba
    value: tuple[Interval, ...] = ()
    """Physical values, in the units of the ColorMap; empty where the entry has none."""
    source: tuple[Interval, ...] = ()
    """Raw values (``sourceValue``); empty where the entry has none."""
    nodata: bool = False
    label: str = ""
    """What it is called: its label, else the tooltip of the legend entry it refers to."""
    ref: int | None = None
    line: int | None = None
    """Line in its file."""

    @property
    def class_code(self) -> float | None:
        """The one code of a class; None for other entries."""
        intervals = self.value or self.source
        return intervals[0].lower if len(intervals) == 1 and intervals[0].is_single else None


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One patch of a legend."""

    id: int
    rgb: Rgba
    tooltip: str
    label: str | None = None
    show_tick: bool = False
    show_label: bool = False


@dataclass(frozen=True, slots=True)
class Legend:
    """How a ColorMap is explained."""

    type: str
    entries: tuple[LegendEntry, ...]
    min_label: str | None = None
    max_label: str | None = None

    def __post_init__(self) -> None:
        if self.type not in LEGEND_TYPES:
            raise ColormapError(f"the type of a legend must be {', '.join(sorted(LEGEND_TYPES))}, not {self.type!r}")


@dataclass(frozen=True, slots=True)
class Part:
    """One ColorMap of a file."""

    title: str
    entries: tuple[Entry, ...]
    units: str = ""
    legend: Legend | None = None

    @property
    def is_classification(self) -> bool:
        """Whether its entries are classes (no data is one) rather than ranges of a quantity."""
        if self.legend is not None:
            return self.legend.type == "classification"
        return all(interval.is_single for entry in self.entries for interval in entry.value or entry.source)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A flaw of a colormap, and how it was read."""

    file: str
    text: str
    line: int | None = None
    entry: int | None = None
    """Index of the entry over all ColorMaps, from 0."""

    def __str__(self) -> str:
        location = [self.file]
        if self.line is not None:
            location.append(f"line {self.line}")
        if self.entry is not None:
            location.append(f"entry {self.entry}")
        return f"{', '.join(location)}: {self.text}"


@dataclass(frozen=True)
class Colormap:
    """A named colormap: every entry of every ColorMap of its file."""

    name: str
    parts: tuple[Part, ...]
    warnings: tuple[Diagnostic, ...] = ()
    origin: str = ""
    """Where it comes from, to display: a file name, ``bundled``, a URL, ``generated``."""
    relative: bool = False
    """Whether its values run from 0 to 1 and are positions in a range still to be chosen."""

    def __post_init__(self) -> None:
        if not self.entries:
            raise ColormapError(f"colormap {self.name} has no entries")
        if any(entry.index != position for position, entry in enumerate(self.entries)):
            raise ColormapError(f"colormap {self.name}: the indices of entries must count from 0 in document order")

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry, in document order over all parts."""
        return tuple(entry for part in self.parts for entry in part.entries)

    @property
    def data_parts(self) -> tuple[Part, ...]:
        """The parts that colour data: all but those that hold only no-data entries or classify missing data."""
        measured = tuple(part for part in self.parts if not part.is_classification)
        return measured or tuple(part for part in self.parts if not all(entry.nodata for entry in part.entries))

    @property
    def main_part(self) -> Part:
        """The first part that colours data; it gives the colormap its title and units."""
        return next(iter(self.data_parts), self.parts[0])

    @property
    def title(self) -> str:
        """Title of the main part."""
        return self.main_part.title

    @property
    def units(self) -> str:
        """Units of the values, as the file spells them; empty where it has none."""
        return self.main_part.units or next((part.units for part in self.parts if part.units), "")

    @property
    def is_classification(self) -> bool:
        """Whether it colours classes only."""
        return self.main_part.is_classification

    @property
    def nodata_entry(self) -> Entry | None:
        """The entry whose colour represents no data: the first that is marked so."""
        return next((entry for entry in self.entries if entry.nodata), None)

    @cached_property
    def has_scaled_source(self) -> bool:
        """Whether sourceValues are raw numbers on another scale than the values.

        Then an entry with a sourceValue alone cannot be compared with physical values: MODIS land surface
        temperature has no data at raw ``[0,7500)`` and 150 K and up as values.
        """
        return any(e.value and e.source and e.value != e.source for e in self.entries if not e.nodata)

    def bins(self, entry: Entry) -> tuple[Interval, ...]:
        """Return the intervals of physical values that an entry colours.

        Args:
            entry: Of this colormap.

        Returns:
            The intervals of ``value``, else those of ``sourceValue`` unless they are on another scale. Where no entry
            of the colormap has either, each ``ref`` is a class code.
        """
        if entry.value:
            return entry.value
        if entry.source:
            return () if self.has_scaled_source else entry.source
        if self._codes_are_refs and entry.ref is not None and not entry.nodata:
            return (Interval.single(float(entry.ref)),)
        return ()

    @cached_property
    def _codes_are_refs(self) -> bool:
        return not any(entry.value or entry.source for entry in self.entries)

    def part(self, title: str) -> Part:
        """Return the part of a title.

        Args:
            title: Of a ColorMap.

        Returns:
            The part.

        Raises:
            ColormapError: No part has this title.
        """
        for part in self.parts:
            if part.title == title:
                return part
        known = ", ".join(repr(part.title) for part in self.parts)
        raise ColormapError(f"colormap {self.name} has no ColorMap titled {title!r}; it has {known}")

    def with_warnings(self, warnings: tuple[Diagnostic, ...]) -> Colormap:
        """Return the same colormap with other warnings.

        Args:
            warnings: Replace the present ones.

        Returns:
            The colormap.
        """
        return replace(self, warnings=warnings)
