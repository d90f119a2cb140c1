"""Regular axes over coordinates that are not evenly spaced, that leave cells out, or that start anew at a seam.

Gaps are not data: a source cell reaches no farther than its own edges. Those are its bounds where the file has them.
Else they lie halfway to its neighbours, but a distance that is much larger than those on both of its sides is a gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE, RegularAxis
from lazytile.pyramid.sources.cf.axes import TOLERANCE_CELLS, AxisMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAX_REFINEMENT = 4
"""Cells of the regular axis for each cell of an irregular one, at most; gaps do not count."""
MAX_CELLS = 1 << 17
"""Cells of a regular axis with gaps, at most."""
GAP_RATIO = 1.9
"""A distance this much larger than one on each side is a gap: one missing row makes it twice as large."""
_SAME = 1e-3
"""A distance this small, in median ones, is none."""
_NEIGHBOURS = 3
"""Distances on each side with which a distance is compared."""


@dataclass(frozen=True, slots=True)
class Centres:
    """Cell centres in ascending order, with the index in the source and the edges of each."""

    values: NDArray[np.float64]
    """Shape (cells,), ascending."""
    indices: NDArray[np.int64]
    """Shape (cells,), into the source."""
    edges: NDArray[np.float64]
    """Shape (cells, 2), lower and upper."""
    bounded: bool
    """Whether the file states the edges."""

    @property
    def has_gaps(self) -> bool:
        """Whether there is room between two cells."""
        widths = np.diff(self.edges, axis=1)[:, 0]
        return bool((self.edges[1:, 0] - self.edges[:-1, 1] > TOLERANCE_CELLS * widths.min()).any())


def ascending(values: NDArray[np.float64], name: str, *, circle: bool) -> NDArray[np.int64]:
    """Return the order in which coordinates rise.

    Args:
        values: Shape (cells,), finite.
        name: Of the coordinate, for errors.
        circle: Whether they are angles in degrees, which may start anew at any seam, and where the first ones may be
            repeated 360 degrees further on.

    Returns:
        Indices, shape (cells,). On a circle repeated ones are left out, and where there is a gap the first one follows
        it.

    Raises:
        SourceError: The coordinates repeat, or rise and fall more than once.
    """
    around = values % FULL_CIRCLE if circle else values
    order = np.argsort(around, kind="stable")
    spacing = np.diff(around[order])
    same = np.append(False, spacing <= _SAME * np.median(spacing)) if spacing.size else np.zeros(1, bool)
    if same.any() and circle:
        order = order[~same]
    elif same.any():
        raise SourceError(f"{name} has the value {around[order][same][0]:g} twice; every cell needs its own")
    if circle and order.size > 1:
        order = _from_the_start(order, around)
    rises = int((np.diff(order) > 0).sum())
    if min(rises, order.size - 1 - rises) > (1 if circle else 0):
        raise SourceError(f"{name} both rises and falls; sort it first")
    return order


def _from_the_start(order: NDArray[np.int64], around: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return an order on the circle from where the coordinates start, or from the end of a gap among them."""
    rises = int((np.diff(order) > 0).sum())
    start = order.min() if 2 * rises >= order.size - 1 else order.max()
    order = np.roll(order, -int(np.flatnonzero(order == start)[0]))
    spacing = np.diff(np.append(around[order], around[order[0]])) % FULL_CIRCLE
    widest = int(spacing.argmax())
    # Parts on both sides of a seam are one; parts with gaps on both sides of them start where the file starts.
    goes_on = spacing[-1] <= GAP_RATIO * np.median(spacing) or spacing[widest] > FULL_CIRCLE / 2
    return np.roll(order, -(widest + 1)) if goes_on and spacing[widest] > GAP_RATIO * spacing[-1] else order


def unrolled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles in degrees that each follow the one before within a circle.

    Args:
        values: Shape (cells,), in the order of ``ascending``.

    Returns:
        Shape (cells,), ascending from the first value.
    """
    turned: NDArray[np.float64] = values[0] + np.concatenate([[0.0], np.cumsum(np.diff(values) % FULL_CIRCLE)])
    return turned


def own_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of cells that the file has no bounds for.

    Args:
        values: Centres, shape (cells,), at least two, ascending.

    Returns:
        Lower and upper edges, shape (cells, 2): halfway to the neighbours, and beside a gap as far as on the other
        side.
    """
    spacing = np.diff(values)
    gap = _gaps(spacing)
    solid = np.where(gap, np.nan, spacing)
    below, above = np.append(np.nan, solid), np.append(solid, np.nan)
    smallest = np.nanmin(solid) if (~gap).any() else spacing.min()
    lower = np.where(np.isnan(below), np.where(np.isnan(above), smallest, above), below)
    upper = np.where(np.isnan(above), np.where(np.isnan(below), smallest, below), above)
    return np.stack([values - lower / 2, values + upper / 2], axis=1)


def _gaps(spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which distances are much larger than others on both sides, shape of ``spacing``."""
    found = np.zeros(spacing.size, bool)
    for at in np.flatnonzero(spacing > GAP_RATIO * spacing.min()):
        sides = spacing[max(0, at - _NEIGHBOURS) : at], spacing[at + 1 : at + 1 + _NEIGHBOURS]
        found[at] = all(side.size == 0 or side.min() * GAP_RATIO < spacing[at] for side in sides)
    return found


def axis_with_gaps(centres: Centres, regular: Callable[[NDArray[np.float64]], AxisMap]) -> AxisMap | None:
    """Return the regular axis from which cells were left out.

    Args:
        centres: Ascending.
        regular: Returns the axis of evenly spaced centres.

    Returns:
        The axis, whose missing cells have no source cell; None where the centres are no part of a regular axis.
    """
    spacing = np.diff(centres.values)
    gap = _gaps(spacing)
    if not gap.any() or gap.all():
        return None
    step = float(np.median(spacing[~gap]))
    places = np.append(0, np.cumsum(np.maximum(1, np.round(spacing / step)))).astype(np.int64)
    if places[-1] >= MAX_CELLS:
        return None
    step = float(centres.values[-1] - centres.values[0]) / int(places[-1])
    even = centres.values[0] + step * np.arange(places[-1] + 1)
    if (np.abs(even[places] - centres.values) > TOLERANCE_CELLS * step).any():
        return None
    found = regular(even)
    nearest = np.full(places[-1] + 1, -1, np.int64)
    nearest[places] = centres.indices
    if found.flipped:
        nearest = nearest[::-1]
    return AxisMap(found.axis, flipped=False, dropped=0, nearest=tuple(nearest[: found.axis.length].tolist()))


def permuted(found: AxisMap, indices: NDArray[np.int64]) -> AxisMap:
    """Return an axis of centres that were taken from the source in some order.

    Args:
        found: The axis of the centres in that order.
        indices: Index in the source of each centre, shape (cells,).

    Returns:
        The axis with indices in the source.
    """
    ordered = indices[::-1] if found.flipped else indices
    return AxisMap(found.axis, flipped=False, dropped=0, nearest=tuple(ordered[: found.axis.length].tolist()))


def resampled_axis(centres: Centres, name: str, *, rising: bool, limit: float | None = None) -> AxisMap:
    """Return a regular axis over unevenly spaced cells. Each of its cells has the source cell in which its centre lies.

    Args:
        centres: Ascending, at least two.
        name: Of the coordinate, for errors.
        rising: True for x, False for y.
        limit: Keeps the edges within -limit..limit.

    Returns:
        The axis. Its step is the smallest spacing, or larger where the axis would have more than ``MAX_REFINEMENT``
        cells for each centre.

    Raises:
        SourceError: The cells lie too far apart for one axis.
    """
    values, low, high = centres.values, float(centres.edges[0, 0]), float(centres.edges[-1, 1])
    if limit is not None:
        low, high = max(low, -limit), min(high, limit)
    covered = high - low
    if centres.has_gaps:
        covered = float(np.diff(np.clip(centres.edges, low, high), axis=1).sum())
    smallest = float(np.diff(values).min())
    if centres.bounded and centres.has_gaps:
        smallest = min(smallest, float(np.diff(centres.edges, axis=1).min()))
    # The smallest spacing may be rounded: 1e-3 keeps that from adding a cell.
    length = math.ceil((high - low) / max(smallest, covered / (MAX_REFINEMENT * values.size)) - 1e-3)
    if length > max(MAX_CELLS, MAX_REFINEMENT * values.size):
        raise SourceError(
            f"{name} has cells of {smallest:.3g} that spread over {high - low:.3g}; select one part first"
        )
    step = (high - low) / length
    axis = RegularAxis(low, step, length) if rising else RegularAxis(high, -step, length)
    at = axis.centres()
    ends = (centres.edges[1:, 0], centres.edges[:-1, 1]) if centres.bounded else (values[1:], values[:-1])
    picked = np.searchsorted((ends[0] + ends[1]) / 2, at, side="right")
    slack = 1e-9 * step
    inside = (at >= centres.edges[picked, 0] - slack) & (at <= centres.edges[picked, 1] + slack)
    nearest = np.where(inside, centres.indices[picked], -1)
    return AxisMap(axis, flipped=False, dropped=0, nearest=tuple(int(index) for index in nearest))
