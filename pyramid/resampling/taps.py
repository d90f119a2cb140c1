"""Taps: which cells contribute to a pixel, and with which weights.

``Taps`` describes one axis: pixel p is the weighted mean of the cells ``index[p]``.

Weights are multiples of ``WEIGHT_UNIT``, so that float64 holds every sum of 8- and 16-bit codes exactly: the order of
the additions does not matter, and the mean of equal cells is that very number, which may be the edge of a colour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.read_plan import AxisCells

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

MAX_FOOTPRINT_CELLS = 4.0
"""Most cells along an axis that contribute to a pixel. The level is at most twice as fine as the tile, except where a
projection shrinks (towards a pole) or the pyramid ends; there the cells nearest to the centre contribute."""
MAX_TAPS = 6
"""Most cells along an axis that can have a weight: a footprint may cut cells at both ends."""
WEIGHT_UNIT = 2.0**-17
"""A code of 16 bits times two weights of at most 18 bits, up to four cells along each axis: 53 bits and no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """The cells of each pixel along one axis."""

    index: NDArray[np.int64]
    """Shape (*pixels, taps): cell, -1 where there is none. Stored tap by tap, in the order of use."""
    weight: NDArray[np.float64]
    """Shape (*pixels, taps): its weight, 0 where there is no cell; away from edges the weights of a pixel sum to 1."""

    def compact(self, cells: int) -> AxisBlend:
        """Return the taps as indices among the cells that they use.

        Args:
            cells: Number of cells of the axis.

        Returns:
            The cells in use, and the taps that index them.
        """
        by_tap = np.moveaxis(self.index, -1, 0)
        used = np.zeros(cells + 1, np.bool_)
        used[by_tap] = True  # -1 marks the spare last one
        used[-1] = False
        position: NDArray[np.int64] = np.cumsum(used) - 1
        position[-1] = 0
        among = np.moveaxis(position.take(by_tap, mode="wrap"), 0, -1)
        return AxisBlend(AxisCells(np.flatnonzero(used)), Taps(among, self.weight))


@dataclass(frozen=True, slots=True, eq=False)
class AxisBlend:
    """The cells that contribute to pixels along one axis, and taps that index them."""

    wanted: AxisCells
    """Cells of the axis, ascending."""
    taps: Taps
    kept: dict[Hashable, Any] = field(default_factory=dict)
    """What kernels make of the taps, once."""

    @property
    def is_empty(self) -> bool:
        """Whether no pixel shows a cell."""
        return not self.wanted.cells.size


def taps(
    method: Resampling,
    position: NDArray[np.float64],
    footprint: NDArray[np.float64] | None,
    cells: int,
    *,
    wraps: bool,
) -> Taps:
    """Return the taps of pixels along an axis.

    Args:
        method: How pixels are resampled.
        position: Shape (*pixels,), float64, in cells from the axis' first edge; NaN where a pixel shows nothing.
        footprint: Same shape, cells that a pixel covers, for methods with ``needs_footprints``; else None.
        cells: Number of cells.
        wraps: Whether the last cell's neighbour is the first.

    Returns:
        The taps.

    Raises:
        ValueError: The method needs footprints and has none.
    """
    shown = np.isfinite(position)
    centre = np.where(shown, position, 0.5)
    if method is Resampling.BILINEAR:
        first = np.floor(centre - 0.5)
        offset = _whole(centre - 0.5 - first)
        weight = np.stack((1 - offset, offset))
    elif method is Resampling.CUBIC:
        inner = np.floor(centre - 0.5)
        first = inner - 1
        weight = _keys(centre - 0.5 - inner)
    else:
        if footprint is None:
            raise ValueError(f"{method.value} needs the footprint of each pixel")
        width = np.clip(np.where(shown, footprint, 1.0), 1.0, MAX_FOOTPRINT_CELLS)
        low, high = centre - width / 2, centre + width / 2
        first = np.floor(low)
        count = int((np.ceil(high) - first).max(initial=1.0))
        weight = np.empty((count, *position.shape))
        for tap, shares in enumerate(weight):
            start = first + tap
            np.subtract(np.minimum(start + 1.0, high), np.maximum(start, low), out=shares)
        weight /= width
        np.maximum(weight, 0.0, out=weight)
    weight = _whole(weight)
    index = first.astype(np.int64) + np.arange(len(weight)).reshape(-1, *(1,) * position.ndim)
    if wraps:
        index = np.mod(index, cells)
    absent = (index < 0) | (index >= cells) | ~shown
    weight[absent] = 0.0
    index[weight == 0.0] = -1
    return Taps(np.moveaxis(index, 0, -1), np.moveaxis(weight, 0, -1))


def _whole(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round weights to multiples of ``WEIGHT_UNIT``."""
    return np.rint(weight / WEIGHT_UNIT) * WEIGHT_UNIT


def _keys(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of four cells around a pixel (Keys 1981, a = -1/2), shape (4, *pixels); ``t`` in [0, 1)."""
    return np.stack(
        (
            ((-0.5 * t + 1) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        )
    )
