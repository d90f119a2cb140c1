"""Resampling: which cells contribute to a pixel, and with which weights.

``Taps`` describes one axis: pixel p is the weighted mean of the cells ``index[p]``. Weights of cells without data are
dropped and the others are scaled up; a pixel has no data where less than half of its weight has. Infinite values cannot
be mixed and count as no data, except for ``mode``, which picks one of the values. Kernels accept NumPy and CuPy arrays.

Weights are multiples of ``WEIGHT_UNIT``, so that float64 holds every sum of 8- and 16-bit codes exactly: the order of
the additions does not matter, and the mean of equal cells is that very number, which may be the edge of a colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module, to_device_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.read_plan import AxisCells

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FOOTPRINT_CELLS = 4.0
"""Most cells along an axis that contribute to a pixel. The level is at most twice as fine as the tile, except where a
projection shrinks (towards a pole) or the pyramid ends; there the cells nearest to the centre contribute."""
MAX_TAPS = 6
"""Most cells along an axis that can have a weight: a footprint may cut cells at both ends."""
ENOUGH_WEIGHT = 0.5
WEIGHT_UNIT = 2.0**-17
"""A code of 16 bits times two weights of at most 18 bits, up to four cells along each axis: 53 bits and no more."""


class Resampling(Enum):
    """How a pixel is computed from the cells around its centre."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    AVERAGE = "average"
    MODE = "mode"

    @property
    def needs_footprints(self) -> bool:
        """Whether the cells under a pixel contribute, so that its size matters."""
        return self in (Resampling.AVERAGE, Resampling.MODE)

    @classmethod
    def parse(cls, text: str) -> Resampling:
        """Return the method of a name.

        Args:
            text: The name as a request spells it.

        Returns:
            The method.

        Raises:
            InvalidParameterError: There is no such method.
        """
        try:
            return cls(text)
        except ValueError:
            allowed = ", ".join(item.value for item in cls)
            raise InvalidParameterError(
                RequestField.RESAMPLING, f"resampling {text!r} is invalid, it may be {allowed}"
            ) from None


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


def blend_axes(
    values: NDArray[np.float64], missing: NDArray[np.bool_] | None, rows: Taps, cols: Taps
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Blend a window of values by independent taps of its axes.

    Args:
        values: Shape (window rows, window cols), float64, finite.
        missing: Same shape, where there is no data; None if there is data everywhere.
        rows: Taps of the rows, which index the window.
        cols: Taps of the columns, likewise.

    Returns:
        Means, float64, and where there is no data (None: nowhere), both of shape (height, width).
    """
    xp = array_module(values)
    if missing is not None:
        values = xp.where(missing, 0.0, values)
        share = _along_axes(xp.astype(~missing, xp.float64), rows, cols)
    else:
        down, across = to_device_of(rows.weight.sum(axis=-1), values), to_device_of(cols.weight.sum(axis=-1), values)
        share = down[:, None] * across[None, :]
    return normalised(_along_axes(values, rows, cols), share)


def _along_axes(values: NDArray[Any], rows: Taps, cols: Taps) -> NDArray[Any]:
    """Sum weighted cells along one axis, then along the other; first along the one that shrinks the array."""
    shrinks = rows.index.shape[0] * values.shape[1] < values.shape[0] * cols.index.shape[0]
    for axis in (0, 1) if shrinks else (1, 0):
        values = _along(values, rows if axis == 0 else cols, axis)
    return values


def _along(values: NDArray[Any], taps_of: Taps, axis: int) -> NDArray[Any]:
    """Sum weighted cells along an axis, in place, since allocation takes as long as addition."""
    xp = array_module(values)
    index, weight = to_device_of(taps_of.index, values), to_device_of(taps_of.weight, values)
    total: Any = None
    for tap in range(taps_of.index.shape[-1]):
        part = xp.take(values, index[:, tap], axis=axis)
        part *= weight[:, tap][:, None] if axis == 0 else weight[:, tap]
        if total is None:
            total = part
        else:
            total += part
    summed: NDArray[Any] = total
    return summed


@dataclass(frozen=True, slots=True, eq=False)
class WeightedSum:
    """Weighted means of pixels, accumulated from one cell of each at a time. Any shape, float64, in place."""

    total: NDArray[np.float64]
    share: NDArray[np.float64]

    def add(self, values: NDArray[np.float64], missing: NDArray[np.bool_] | None, weight: NDArray[np.float64]) -> None:
        """Add a cell of each pixel.

        Args:
            values: Values of the cells, finite.
            missing: Where they have no data, or None.
            weight: Weights of the cells.
        """
        if missing is not None:
            xp = array_module(values)
            values, weight = xp.where(missing, 0.0, values), xp.where(missing, 0.0, weight)
        total, share = self.total, self.share
        share += weight
        total += values * weight

    def mean(self) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Return the means, and where there is no data, as ``normalised`` does."""
        return normalised(self.total, self.share)


def normalised(
    total: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Return weighted means from sums and weights.

    Args:
        total: Weighted sums, any shape, float64.
        share: Sums of the weights that have data, same shape.

    Returns:
        Means, and where there is no data (None: nowhere). There the means are finite but meaningless.
    """
    xp = array_module(total)
    missing: NDArray[np.bool_] = share < ENOUGH_WEIGHT
    if not bool(xp.any(missing)):
        return total / share, None
    return total / xp.where(missing, 1.0, share), missing


def mode_stack(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value with the largest weight among the cells of each pixel; the first of equals wins.

    Args:
        values: Shape (cells, ...), float64; NaN where there is no data.
        weights: Same shape.

    Returns:
        Shape (...), float64; NaN where cells without data have over half the weight.
    """
    xp = array_module(values)
    valid = ~xp.isnan(values)
    best_weight: Any = xp.zeros_like(values[0, ...])
    best: Any = xp.full_like(values[0, ...], float("nan"))
    for at in range(values.shape[0]):
        candidate = values[at, ...]
        weight = xp.sum(xp.where(values == candidate, weights, 0.0), axis=0)
        better = weight > best_weight + 1e-12
        best = xp.where(better, candidate, best)
        best_weight = xp.where(better, weight, best_weight)
    share = xp.sum(xp.where(valid, weights, 0.0), axis=0)
    mode: NDArray[np.float64] = xp.where(share >= ENOUGH_WEIGHT, best, xp.nan)
    return mode
