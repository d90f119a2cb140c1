"""Mixtures: weighted means of cells, and the most frequent of them, in NumPy or CuPy.

Weights of cells without data are dropped and the others are scaled up; a pixel has no data where less than half of its
weight has. Infinite values cannot be mixed and count as no data, except for ``mode``, which picks one of the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.array_backend import array_module, to_device_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.resampling.taps import Taps

ENOUGH_WEIGHT = 0.5


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

    Cells without weight are not candidates: which cells those are depends on the block, not on the pixel.

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
        better = (weights[at, ...] > 0) & (weight > best_weight + 1e-12)
        best = xp.where(better, candidate, best)
        best_weight = xp.where(better, weight, best_weight)
    share = xp.sum(xp.where(valid, weights, 0.0), axis=0)
    mode: NDArray[np.float64] = xp.where(share >= ENOUGH_WEIGHT, best, xp.nan)
    return mode
