"""Resampling: which cells a pixel is made of, and with which weights.

A ``Taps`` says so for one axis: pixel p is the weighted mean of the cells ``index[p]``. Weights of cells without data
are left out and the rest is scaled up; a pixel is no data where less than half of its weight has data. Infinite values
cannot be mixed and count as no data, except for ``mode``, which picks one of the values. Kernels work on
NumPy and CuPy arrays alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.backend import array_module
from lazytile.pyramid.errors import InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FOOTPRINT_CELLS = 4.0
"""A pixel is made of so many cells along an axis at most. The level is at most twice as fine as the tile, except
where a projection shrinks (towards a pole) or the pyramid ends; there the cells nearest to the centre are taken."""
MAX_TAPS = 6
"""Cells along an axis that a pixel can have a share of."""
ENOUGH_WEIGHT = 0.5


class Resampling(Enum):
    """How a pixel is made of the cells round its centre."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    AVERAGE = "average"
    MODE = "mode"

    @property
    def needs_footprints(self) -> bool:
        """Whether a pixel is made of the cells under it, so that its size counts."""
        return self in (Resampling.AVERAGE, Resampling.MODE)

    @classmethod
    def parse(cls, text: str) -> Resampling:
        """Return the method of that name or raise ``InvalidParameterError``."""
        try:
            return cls(text)
        except ValueError:
            allowed = ", ".join(item.value for item in cls)
            raise InvalidParameterError("resampling", f"resampling {text!r} is invalid, it may be {allowed}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """The cells of each pixel along one axis."""

    index: NDArray[np.int64]
    """Shape (*pixels, taps): cell, -1 where there is none."""
    weight: NDArray[np.float64]
    """Shape (*pixels, taps): its share, 0 where there is no cell; without edges the shares of a pixel sum to 1."""


def taps(
    method: Resampling,
    position: NDArray[np.float64],
    footprint: NDArray[np.float64] | None,
    cells: int,
    *,
    wraps: bool,
) -> Taps:
    """Return the taps of pixels along an axis.

    ``position``: shape (*pixels,), in cells from the axis' first edge, NaN where a pixel shows nothing.
    ``footprint``: same shape, cells that a pixel covers, for methods that have ``needs_footprints``. ``cells``:
    number of cells. ``wraps``: whether the last cell's neighbour is the first.
    """
    shown = np.isfinite(position)
    centre = np.where(shown, position, 0.5)
    if method is Resampling.BILINEAR:
        first = np.floor(centre - 0.5)
        offset = centre - 0.5 - first
        weight = np.stack((1 - offset, offset), -1)
    elif method is Resampling.CUBIC:
        inner = np.floor(centre - 0.5)
        first = inner - 1
        weight = _keys(centre - 0.5 - inner)
    else:
        if footprint is None:
            raise ValueError(f"{method.value} needs the footprint of each pixel")
        width = np.clip(np.where(shown, footprint, 1.0), 1.0, MAX_FOOTPRINT_CELLS)
        low, high = (centre - width / 2)[..., None], (centre + width / 2)[..., None]
        first = np.floor(low[..., 0])
        edges = first[..., None] + np.arange(int(np.ceil(width.max(initial=1.0))) + 2)
        overlap = np.minimum(edges[..., 1:], high) - np.maximum(edges[..., :-1], low)
        weight = np.maximum(overlap, 0.0) / width[..., None]
    index = first.astype(np.int64)[..., None] + np.arange(weight.shape[-1])
    if wraps:
        index = np.mod(index, cells)
    there = (index >= 0) & (index < cells) & shown[..., None] & (weight != 0)
    return Taps(np.where(there, index, -1), np.where(there, weight, 0.0))


def _keys(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the four cells round a pixel (Keys 1981, a = -1/2), shape (*pixels, 4); ``t`` in [0, 1)."""
    return np.stack(
        (
            ((-0.5 * t + 1) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ),
        -1,
    )


def blend_axes(values: NDArray[np.float64], rows: Taps, cols: Taps) -> NDArray[np.float64]:
    """Blend a window of values by independent taps of its axes.

    ``values``: shape (window rows, window cols), float64, NaN where there is no data; the taps' indices count from
    the window's corner. Returns shape (height, width), float64, NaN where there is no data.
    """
    xp = array_module(values)
    valid = xp.isfinite(values)
    filled = xp.where(valid, values, 0.0)
    return _normalised(_along_axes(filled, rows, cols), _along_axes(valid.astype(xp.float64), rows, cols))


def _along_axes(values: NDArray[Any], rows: Taps, cols: Taps) -> NDArray[Any]:
    lines: Any = 0.0
    for tap in range(rows.index.shape[-1]):
        lines = lines + values[rows.index[:, tap]] * rows.weight[:, tap, None]
    out: Any = 0.0
    for tap in range(cols.index.shape[-1]):
        out = out + lines[:, cols.index[:, tap]] * cols.weight[:, tap]
    return np.asarray(out) if isinstance(out, float) else out


def blend_stack(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blend the cells of each pixel: both shape (cells, ...), float64, values NaN where there is no data."""
    xp = array_module(values)
    valid = xp.isfinite(values)
    return _normalised((xp.where(valid, values, 0.0) * weights).sum(axis=0), (valid * weights).sum(axis=0))


def _normalised(total: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    xp = array_module(total)
    enough = share >= ENOUGH_WEIGHT - 1e-12
    blended: NDArray[np.float64] = xp.where(enough, total / xp.where(enough, share, 1.0), xp.nan)
    return blended


def mode_stack(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value with the largest weight among the cells of each pixel; the first of equals wins.

    Both shape (cells, ...), float64, values NaN where there is no data. No data where it has over half the weight.
    """
    xp = array_module(values)
    valid = ~xp.isnan(values)
    best_weight: Any = xp.zeros(values.shape[1:])
    best: Any = xp.full(values.shape[1:], xp.nan)
    for candidate in values:
        weight = ((values == candidate) * weights).sum(axis=0)
        better = weight > best_weight + 1e-12
        best = xp.where(better, candidate, best)
        best_weight = xp.where(better, weight, best_weight)
    mode: NDArray[np.float64] = xp.where((valid * weights).sum(axis=0) >= ENOUGH_WEIGHT - 1e-12, best, xp.nan)
    return mode
