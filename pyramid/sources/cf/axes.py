"""Regular axes with exact edges, from the coordinates of cell centres in files.

Files hold centres, often rounded to float32 or to a few decimals. To find the axis that the producer meant, round
numbers are tried first: the first one that explains every centre within the rounding is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE, RegularAxis

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_AXIS = "exact_axis"
"""Attribute of a coordinate whose format states it exactly: first edge and step, in stored order."""
TOLERANCE_CELLS = 0.05
"""How far a centre may lie from its position on the regular axis, in cells."""
_MIN_SLACK_CELLS = 1e-4
_MAX_SLACK_CELLS = 1e-3
"""Centres that are off by no more than this count as rounded."""
_NOISE_ULPS = 2
_SHORT_DECIMALS = 5
_MAX_DECIMALS = 10
_MAX_DENOMINATOR = 3600


class IrregularAxisError(SourceError):
    """The centres of an axis are not evenly spaced."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """A regular axis, and the index in the source of each of its cells."""

    axis: RegularAxis
    flipped: bool
    """Whether the source runs in the opposite direction."""
    dropped: int
    """Source cells left out at the end, because they repeat the first ones 360 degrees further on."""
    nearest: tuple[int, ...] | None = None
    """The source index of each cell where the source is not evenly spaced, -1 where no source cell lies; ``flipped`` is
    then False."""

    @property
    def has_gaps(self) -> bool:
        """Whether some cells have no source cell."""
        return self.nearest is not None and min(self.nearest) < 0

    def source_range(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range of source indices that some cells need.

        Args:
            start: First cell of the axis.
            stop: After the last cell.

        Returns:
            Start and stop of the range, ascending; both are 0 where no cell has a source cell.
        """
        if self.nearest is not None:
            picked = [index for index in self.nearest[start:stop] if index >= 0]
            return (min(picked), max(picked) + 1) if picked else (0, 0)
        if not self.flipped:
            return start, stop
        length = self.axis.length + self.dropped
        return length - stop, length - start

    def take_indices(self, start: int, stop: int) -> NDArray[np.int64] | None:
        """Return where cells lie within ``source_range``.

        Args:
            start: First cell of the axis.
            stop: After the last cell.

        Returns:
            Indices into the range, shape (cells,), -1 where no source cell lies; None where the cells follow each
            other.
        """
        if self.nearest is None:
            return None
        picked = np.asarray(self.nearest[start:stop], np.int64)
        indices: NDArray[np.int64] = np.where(picked < 0, -1, picked - self.source_range(start, stop)[0])
        return indices


def longitude_axis(
    centres: NDArray[Any], name: str, bounds: NDArray[Any] | None = None, *, noise: float | None = None
) -> AxisMap:
    """Return the axis of longitudes, from west to east.

    Args:
        centres: Degrees, shape (cells,), evenly spaced, in either direction and with any seam.
        name: Of the coordinate, for errors.
        bounds: Edges of the cell where there is only one, degrees.
        noise: Rounding of the stored numbers, where ``centres`` were converted from them.

    Returns:
        The axis; columns that repeat the first ones are dropped.

    Raises:
        IrregularAxisError: The centres are not evenly spaced.
        SourceError: Centres are missing, all equal, or one without bounds.
    """
    values = np.unwrap(_finite(centres, name), period=FULL_CIRCLE)
    axis, flipped = _regular(values, _resolution(centres) if noise is None else noise, name, bounds, circle=True)
    if axis.cell_size < 0:
        axis = RegularAxis(axis.last_edge, -axis.cell_size, axis.length)
    whole = round(FULL_CIRCLE / axis.cell_size)
    goes_round = abs(whole * axis.cell_size - FULL_CIRCLE) <= TOLERANCE_CELLS * axis.cell_size
    dropped = axis.length - whole if goes_round and axis.length > whole else 0
    return AxisMap(RegularAxis(axis.first_edge, axis.cell_size, axis.length - dropped), flipped, dropped)


def latitude_axis(
    centres: NDArray[Any], name: str, bounds: NDArray[Any] | None = None, *, noise: float | None = None
) -> AxisMap:
    """Return the axis of latitudes, from north to south.

    Args:
        centres: Degrees, shape (cells,), evenly spaced, in either direction.
        name: Of the coordinate, for errors.
        bounds: Edges of the cell where there is only one, degrees.
        noise: Rounding of the stored numbers, where ``centres`` were converted from them.

    Returns:
        The axis.

    Raises:
        IrregularAxisError: The centres are not evenly spaced.
        SourceError: Centres are missing, beyond the poles, all equal, or one without bounds.
    """
    values = _finite(centres, name)
    if np.abs(values).max() > 90.0 + 1e-6:
        raise SourceError(f"{name} reaches {np.abs(values).max():g}; latitudes lie within -90..90 degrees")
    axis, _ = _regular(values, _resolution(centres) if noise is None else noise, name, bounds, circle=False)
    if axis.cell_size > 0:
        axis = RegularAxis(axis.last_edge, -axis.cell_size, axis.length)
        return AxisMap(axis, flipped=True, dropped=0)
    return AxisMap(axis, flipped=False, dropped=0)


def projected_axis(
    centres: NDArray[Any], name: str, bounds: NDArray[Any] | None = None, *, rising: bool, noise: float | None = None
) -> AxisMap:
    """Return an axis of projected coordinates.

    Args:
        centres: Units of the coordinate reference system, shape (cells,), evenly spaced, in either direction.
        name: Of the coordinate, for errors.
        bounds: Edges of the cell where there is only one.
        rising: True for x, from west to east; False for y, from north to south.
        noise: Rounding of the stored numbers, where ``centres`` were converted from them.

    Returns:
        The axis.

    Raises:
        IrregularAxisError: The centres are not evenly spaced.
        SourceError: Centres are missing, all equal, or one without bounds.
    """
    values = _finite(centres, name)
    axis, _ = _regular(values, _resolution(centres) if noise is None else noise, name, bounds, circle=False)
    if (axis.cell_size > 0) == rising:
        return AxisMap(axis, flipped=False, dropped=0)
    return AxisMap(RegularAxis(axis.last_edge, -axis.cell_size, axis.length), flipped=True, dropped=0)


def exact_axis(first_edge: float, step: float, length: int, *, rising: bool) -> AxisMap:
    """Return the axis that a format states exactly, with rising x and falling y.

    Args:
        first_edge: Outer edge of the first cell, in stored order.
        step: From one cell to the next.
        length: Number of cells.
        rising: True for x, False for y.

    Returns:
        The axis.
    """
    axis = RegularAxis(first_edge, step, length)
    if (step > 0) == rising:
        return AxisMap(axis, flipped=False, dropped=0)
    return AxisMap(RegularAxis(axis.last_edge, -step, length), flipped=True, dropped=0)


def _finite(centres: NDArray[Any], name: str) -> NDArray[np.float64]:
    values = np.asarray(centres, dtype=np.float64)
    if values.size == 0:
        raise SourceError(f"{name} has no values")
    if not np.isfinite(values).all():
        raise SourceError(f"{name} has values that are missing or not finite; an axis needs all of them")
    return values


def _resolution(centres: NDArray[Any]) -> float:
    """Return the rounding of the stored numbers: a few units in the last place of the largest one."""
    kind = np.asarray(centres).dtype
    largest = float(np.abs(np.asarray(centres, dtype=np.float64)).max(initial=1.0))
    last_place = float(np.spacing(np.float32(largest))) if kind == np.float32 else float(np.spacing(largest)) * 64
    return _NOISE_ULPS * last_place


def _regular(
    values: NDArray[np.float64], noise: float, name: str, bounds: NDArray[Any] | None, *, circle: bool
) -> tuple[RegularAxis, bool]:
    """Return the axis in the order of the values, and whether a longitude axis must be flipped."""
    count = values.size
    if count == 1:
        return _single(name, bounds), False
    step = (values[-1] - values[0]) / (count - 1)
    if step == 0:
        raise SourceError(f"{name} neither rises nor falls: its first and last values are both {values[0]:g}")
    off = float(np.abs(values - (values[0] + step * np.arange(count))).max() / abs(step))
    if off > TOLERANCE_CELLS:
        raise IrregularAxisError(
            f"{name} is not regular: centres lie up to {off:.2g} cells from even steps of {step:.6g}; "
            f"{TOLERANCE_CELLS} cells are allowed"
        )
    # Only rounding is removed. Centres further off are what the producer meant.
    slack = max(noise, _MIN_SLACK_CELLS * abs(step), off * abs(step) if off <= _MAX_SLACK_CELLS else 0.0)
    cell = _clean_step(count, float(step), (noise, slack), circle=circle)
    # Counting from the middle splits the remaining rounding between both ends.
    middle = float(values[0] + values[-1]) / 2
    edge = _clean_edge(middle - cell * count / 2, cell, (noise, slack))
    return RegularAxis(edge, cell, count), bool(step < 0)


def _single(name: str, bounds: NDArray[Any] | None) -> RegularAxis:
    if bounds is None or np.asarray(bounds).size != 2:
        raise SourceError(f"{name} has one value and no bounds; the size of its cell is unknown")
    low, high = sorted(float(edge) for edge in np.asarray(bounds, dtype=np.float64).ravel())
    if not low < high:
        raise SourceError(f"{name} has a cell from {low:g} to {high:g}, which has no size")
    return RegularAxis(low, high - low, 1)


def _clean_step(count: int, step: float, slacks: tuple[float, ...], *, circle: bool) -> float:
    """Return the roundest step that puts every centre within the first slack that allows one."""
    size, sign = abs(step), math.copysign(1.0, step)
    whole = round(FULL_CIRCLE / size)
    if circle and count >= whole and abs(size * whole - FULL_CIRCLE) <= TOLERANCE_CELLS * size:
        return sign * FULL_CIRCLE / whole
    simple = float(Fraction(size).limit_denominator(_MAX_DENOMINATOR))
    short = [round(size, decimals) for decimals in range(_SHORT_DECIMALS)]
    long = [round(size, decimals) for decimals in range(_SHORT_DECIMALS, _MAX_DECIMALS)]
    for slack in slacks:
        for candidate in (*short, simple, *long):
            if candidate > 0 and abs(candidate - size) <= 2 * slack / (count - 1):
                return sign * candidate
    return step


def _clean_edge(edge: float, cell: float, slacks: tuple[float, ...]) -> float:
    """Return the roundest edge within the first slack that allows one: a multiple of half a cell or a short decimal."""
    halves = round(edge / (cell / 2)) * (cell / 2)
    for slack in slacks:
        if abs(halves - edge) <= slack:
            # Steps such as 0.01 are not exact in binary, and neither is their multiple: -179.995, not -179.995000...03.
            short = round(halves, _MAX_DECIMALS)
            return (short if abs(short - halves) <= 1e-12 * max(abs(halves), 1.0) else halves) + 0.0
        for decimals in range(_SHORT_DECIMALS):
            if abs(round(edge, decimals) - edge) <= slack:
                return round(edge, decimals) + 0.0
    return edge
