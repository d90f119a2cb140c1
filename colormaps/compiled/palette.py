"""A compiled colormap: the exact palette index of a value, and the colour of an index.

Slot 0 is no data: its colour is that of the first no-data entry, or transparent black. The other entries follow in
document order. A value that no entry holds is no data.

Every bin edge is exact. All finite ends of all intervals are cut points; between two cuts, and at each cut, one entry
wins (the first in document order). An edge that belongs to the bin below it is a cut at the next float64 above it.
There is no value between the two, so one half-open search serves open and closed ends alike.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.compiled.uniform_cuts import EvenCuts, even_cuts
from lazytile.colormaps.core.array_module import array_module
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import TRANSPARENT, Colormap, Entry, Interval
from lazytile.colormaps.core.units import IDENTITY, Conversion, are_comparable, conversion, is_difference
from lazytile.colormaps.synthesis.rescale import rescaled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MAX_INDEXED = 256
"""Colours that an 8-bit palette holds."""
MAX_COLOURS = 65536
_FORMAT = b"lazytile palette 1"


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """A mapping from values to palette indices to colours. Palettes with equal keys give equal pixels."""

    rgba: NDArray[np.uint8]
    """Shape (colours, 4): the colour of each index; row 0 is no data."""
    cuts: NDArray[np.float64]
    """Shape (cuts,), strictly ascending, units of the colormap: where the index changes."""
    slots: NDArray[np.uint8] | NDArray[np.uint16]
    """Shape (cuts + 2,): the index below the first cut, from each cut on, and last (0) that of NaN."""
    conversion: Conversion = IDENTITY
    """From the units of the data to those of the colormap."""
    entries: tuple[int, ...] = ()
    """Index in the colormap of the ColorMapEntry behind each palette index; -1 where there is none."""
    notes: tuple[str, ...] = ()
    """Remarks on this compilation, for people."""
    even: EvenCuts | None = field(init=False, default=None)
    """How to avoid a search where the cuts are even enough. Never changes an index."""
    key: str = field(init=False, default="")
    """SHA-256 in hexadecimal over everything that decides pixels; equal on every machine."""

    def __post_init__(self) -> None:
        if self.rgba.ndim != 2 or self.rgba.shape[1] != 4 or not 1 <= len(self.rgba) <= MAX_COLOURS:
            raise ColormapError(f"a palette has 1 to {MAX_COLOURS} colours, got shape {self.rgba.shape}")
        if len(self.slots) != len(self.cuts) + 2 or int(self.slots[-1]) != 0 or int(self.slots.max()) >= len(self.rgba):
            raise ColormapError("a palette has one slot below its cuts, one for each cut, and 0 for NaN")
        if not bool(np.all(self.cuts[1:] > self.cuts[:-1])):
            raise ColormapError("the cuts of a palette must ascend")
        for array in (self.rgba, self.cuts, self.slots):
            array.setflags(write=False)
        object.__setattr__(self, "even", even_cuts(self.cuts))
        object.__setattr__(self, "key", self._digest())

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that the arrays are read-only on the other side as well.
        fields = (self.rgba, self.cuts, self.slots, self.conversion, self.entries, self.notes)
        return Palette, tuple(np.array(f) if isinstance(f, np.ndarray) else f for f in fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Palette) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def is_indexed(self) -> bool:
        """Whether the indices fit an 8-bit palette image; if not, use ``colours``."""
        return len(self.rgba) <= MAX_INDEXED

    def _digest(self) -> str:
        digest = hashlib.sha256(_FORMAT)
        for array, dtype in ((self.rgba, "u1"), (self.cuts, "<f8"), (self.slots, "<u2")):
            data = np.ascontiguousarray(array, dtype=dtype).tobytes()
            digest.update(len(data).to_bytes(8, "little") + data)
        digest.update(repr(self.conversion.steps).encode())
        return digest.hexdigest()

    def index_of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the palette index of each value.

        Args:
            values: Any shape, floats or integers in the units of the data, NumPy or CuPy.

        Returns:
            The same shape and kind of array, uint8, or uint16 where the palette is not indexed; 0 for NaN.
        """
        xp = array_module(values)
        indices: NDArray[Any] = xp.take(xp.asarray(self.slots), self.cuts_below(values))
        return indices

    def cuts_below(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return how many cuts each value has reached. No colour begins between two values of equal count.

        Args:
            values: As for ``index_of``.

        Returns:
            The same shape, integers; for NaN one more than there are cuts.
        """
        xp = array_module(values)
        with np.errstate(over="ignore"):  # a value beyond the largest float64 is infinite, as it should be
            converted = self.conversion.apply(values.astype(np.float64))
        nan = converted != converted  # noqa: PLR0124
        if self.even is not None:
            found = self.even.count(xp, self.cuts, converted, nan)
        else:
            found = xp.searchsorted(xp.asarray(self.cuts), converted, side="right")
        counts: NDArray[Any] = xp.where(nan, len(self.cuts) + 1, found)
        return counts

    def runs(self, ascending: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return how many of some values have reached no cut, one cut, two, and so on.

        Args:
            ascending: Shape (values,), float64, no NaN, in the units of the colormap.

        Returns:
            Shape (cuts + 1,): lengths of the runs of values of one index, in the order of ``slots``.
        """
        return np.diff(np.searchsorted(ascending, self.cuts, side="left"), prepend=0, append=len(ascending))

    def colours(self, indices: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the colour of each palette index.

        Args:
            indices: Any shape, NumPy or CuPy.

        Returns:
            Shape (*shape, 4), uint8, the same kind of array.
        """
        coloured: NDArray[np.uint8] = array_module(indices).asarray(self.rgba)[indices]
        return coloured


def compile_colormap(
    colormap: Colormap,
    *,
    data_units: str = "",
    map_title: str | None = None,
    rescale: tuple[float, float] | None = None,
    spacing: str = "keep",
) -> Palette:
    """Compile a colormap for data in the given units.

    Args:
        colormap: To compile.
        data_units: Values are converted before they are binned, where ``colormaps.core.units`` knows a conversion.
        map_title: Of several ColorMaps that colour the same values, the one to use; no-data and classification parts
            stay.
        rescale: As for ``rescaled``, in the units of the colormap; those of the data for a relative one.
        spacing: As for ``rescaled``.

    Returns:
        The palette.

    Raises:
        ColormapError: No part has this title, the colormap cannot be rescaled so, or it has too many entries.
    """
    if rescale is not None or spacing != "keep":
        units = data_units if colormap.relative else None
        colormap = rescaled(colormap, *(rescale or (None, None)), spacing=spacing, units=units)
    chosen = colormap.part(map_title) if map_title is not None else None
    slots = _slots(colormap)
    map_units = (chosen.units if chosen is not None else "") or colormap.units
    bins = (
        (interval, slots[entry.index])
        for part in colormap.parts
        if chosen is None or part is chosen or part.is_classification
        for entry in part.entries
        for interval in colormap.bins(entry)
        if not interval.is_empty
    )
    nodata = colormap.nodata_entry
    ordered = sorted((slot, entry) for entry, slot in slots.items() if slot or nodata is not None)
    colours = [colormap.entries[entry].rgba for _, entry in ordered]
    sources = [entry for _, entry in ordered]
    if nodata is None:
        colours.insert(0, TRANSPARENT)
        sources.insert(0, -1)
    if len(colours) > MAX_COLOURS:
        raise ColormapError(f"colormap {colormap.name} has {len(colours)} colours, at most {MAX_COLOURS} are supported")
    cuts, winners = _cuts(bins)
    notes: tuple[str, ...] = ()
    if not are_comparable(data_units, map_units):
        notes = (
            f"data in {data_units} is coloured by a map in {map_units}: no conversion is known, values are compared",
        )
    return Palette(
        np.array(colours, np.uint8),
        np.array(cuts, np.float64),
        np.array([*winners, 0], np.uint8) if len(colours) <= MAX_INDEXED else np.array([*winners, 0], np.uint16),
        conversion(data_units, map_units, difference=is_difference(f"{(chosen or colormap).title} {colormap.name}")),
        tuple(sources),
        notes,
    )


def _slots(colormap: Colormap) -> dict[int, int]:
    """Return the palette index of each entry."""
    nodata = colormap.nodata_entry
    slots = {nodata.index: 0} if nodata is not None else {}
    rest: Iterable[Entry] = (entry for entry in colormap.entries if entry is not nodata)
    slots.update({entry.index: slot for slot, entry in enumerate(rest, start=1)})
    return slots


def _cuts(bins: Iterable[tuple[Interval, int]]) -> tuple[list[float], list[int]]:
    """Return the cuts, ascending, and the winning slots: below the first cut, then from each cut on.

    ``bins`` come in order of precedence. A half-open bin is two float64: the first value in it, and the first value
    after it (None: nothing is after).
    """
    ranges = [(*_half_open(interval), slot) for interval, slot in bins]
    starts = sorted({start for start, _, _ in ranges} | {end for _, end, _ in ranges if end is not None})
    number = {start: position for position, start in enumerate(starts)}
    winners: list[int | None] = [None] * len(starts)
    # The next position at or after this one that no interval has won yet, with path compression: linear in effect,
    # however much the intervals overlap.
    free = list(range(len(starts) + 1))

    def next_free(position: int) -> int:
        while free[position] != position:
            free[position] = free[free[position]]
            position = free[position]
        return position

    for start, end, slot in ranges:
        stop = len(starts) if end is None else number[end]
        position = next_free(number[start])
        while position < stop:
            winners[position] = slot
            free[position] = position + 1
            position = next_free(position + 1)
    below = 0
    cuts: list[float] = []
    slots: list[int] = []
    for start, winner in zip(starts, winners, strict=True):
        slot = winner or 0
        if start == -math.inf:
            below = slot
        elif slot != (slots[-1] if slots else below):
            cuts.append(start)
            slots.append(slot)
    return cuts, [below, *slots]


def _half_open(interval: Interval) -> tuple[float, float | None]:
    start = interval.lower if interval.closed_lower else math.nextafter(interval.lower, math.inf)
    if not interval.closed_upper:
        return start, interval.upper
    return start, None if interval.upper == math.inf else math.nextafter(interval.upper, math.inf)
