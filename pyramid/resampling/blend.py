"""Blended value tiles: reading the cells that contribute to the pixels of a block, and mixing them.

Codes are mixed, not values: decoding is linear, and whole numbers mix exactly (``resampling``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.resampling.mesh_plan import MeshPlan
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.mixture import WeightedSum, blend_axes, mode_stack
from lazytile.pyramid.resampling.read_plan import AxisPlan, Plan
from lazytile.pyramid.resampling.taps import MAX_TAPS, taps
from lazytile.pyramid.resampling.value_tile import VALUES, ValueTile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.resampling.taps import AxisBlend

    Read = Callable[[Plan], ValueTile]

STRIP_CELLS = 1 << 21
"""Pixels are blended in strips of rows that need at most this many cells at a time (16 MiB an array)."""
WINDOW_BYTES = 16 << 20
"""The largest rectangle of codes that a strip is read from at once."""
_SPLIT = 2.0**13 + 1.0
"""Rounds a float64 to 40 bits (Veltkamp's splitting): more than float32 has, fewer than rounding errors reach."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells as numbers that can be mixed."""

    numbers: NDArray[np.float64]
    missing: NDArray[np.bool_] | None
    """Where there is no data; None if there is data everywhere."""

    @classmethod
    def of(cls, tile: ValueTile) -> _Cells:
        codes = tile.codes
        numbers = codes.astype(np.float64)
        missing = tile.packing.is_missing(codes)
        if codes.dtype.kind == "f":
            missing |= np.isinf(numbers)
        if tile.outside is not None:
            missing |= tile.outside
        return cls(numbers, missing if missing.any() else None)


@dataclass(frozen=True, slots=True)
class _Level:
    """The cells of a level and how to read them."""

    read: Read
    packing: Packing
    shape: Shape
    wraps: bool
    stop: StopFlag

    def strips(self, rows: int, cells_a_row: int) -> Iterator[slice]:
        """Cut rows of pixels into strips of at most ``STRIP_CELLS`` cells, but at least one row."""
        step = max(1, STRIP_CELLS // max(1, cells_a_row))
        for top in range(0, rows, step):
            self.stop.check()
            yield slice(top, top + step)


def blend(  # noqa: PLR0917 - a level, pixels, a method
    read: Read,
    packing: Packing,
    location: Location,
    shape: Shape,
    method: Resampling,
    stop: StopFlag | None = None,
    *,
    wraps: bool,
) -> ValueTile:
    """Return the blended tile of a location.

    Args:
        read: Reads the cells of a plan of the level.
        packing: Packing of the cells.
        location: Where the pixels lie in the level.
        shape: Size of the level in cells.
        method: How pixels are resampled.
        stop: Looked at between strips of rows, or None.
        wraps: Whether the last column's neighbour is the first.

    Returns:
        The tile: fractions of codes, or decoded values for ``mode``.

    Raises:
        StoppedError: ``stop`` was set.
    """
    level = _Level(read, packing, shape, wraps, stop or StopFlag())
    if method is Resampling.MODE:
        return ValueTile((_mode_mesh if location.is_mesh else _mode_axes)(level, location), VALUES, None)
    numbers, missing = (_mix_mesh if location.is_mesh else _mix_axes)(level, location, method)
    dtype = np.dtype(packing.dtype)
    if dtype.kind == "f" and dtype.itemsize <= np.dtype(np.float32).itemsize:
        scaled = numbers * _SPLIT
        numbers = scaled - (scaled - numbers)
    if dtype.kind == "f":
        numbers += 0.0  # a mean of zeros has no sign: it would depend on cells without weight
    fractions = Packing("float64", packing.scale_factor, packing.add_offset)
    return ValueTile(numbers, fractions, missing, packing if packing.has_table else None)


def _mix_axes(
    level: _Level, location: Location, method: Resampling
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    down, across = location.axes()
    rows = down.blend(method, level.shape.rows, wraps=False)
    cols = across.blend(method, level.shape.cols, wraps=level.wraps)
    if rows.is_empty or cols.is_empty:
        empty = (down.position.size, across.position.size)
        return np.zeros(empty), np.ones(empty, np.bool_)
    cells = _Cells.of(level.read(AxisPlan(location.level, rows.wanted, cols.wanted)))
    return blend_axes(cells.numbers, cells.missing, rows.taps, cols.taps)


def _mode_axes(level: _Level, location: Location) -> NDArray[np.float64]:
    down, across = location.axes()
    by_row = down.blend(Resampling.MODE, level.shape.rows, wraps=False)
    by_col = across.blend(Resampling.MODE, level.shape.cols, wraps=level.wraps)
    height, width = down.position.size, across.position.size
    if by_row.is_empty or by_col.is_empty:
        return np.full((height, width), np.nan)
    window = level.read(AxisPlan(location.level, by_row.wanted, by_col.wanted)).decode()
    rows, cols = by_row.taps, by_col.taps
    pairs = [(i, j) for i in range(rows.index.shape[1]) for j in range(cols.index.shape[1])]
    out = np.empty((height, width))
    for part in level.strips(height, width * len(pairs)):
        index, weight = rows.index[part], rows.weight[part]
        values = np.stack([window[index[:, i]][:, cols.index[:, j]] for i, j in pairs])
        weights = np.stack([weight[:, i, None] * cols.weight[:, j] for i, j in pairs])
        out[part] = mode_stack(values, weights)
    return out


@dataclass(frozen=True, slots=True)
class _Strip:
    """The taps of some rows of pixels of a mesh, and the reading of their cells."""

    read: Read
    level: int
    rows: AxisBlend
    cols: AxisBlend
    code_bytes: int

    @classmethod
    def of(cls, level: _Level, location: Location, method: Resampling) -> _Strip:
        down = taps(method, location.y, location.height_cells, level.shape.rows, wraps=False)
        across = taps(method, location.x, location.width_cells, level.shape.cols, wraps=level.wraps)
        rows, cols = down.compact(level.shape.rows), across.compact(level.shape.cols)
        return cls(level.read, location.level, rows, cols, np.dtype(level.packing.dtype).itemsize)

    @property
    def is_empty(self) -> bool:
        """Whether no pixel shows a cell."""
        return self.rows.is_empty or self.cols.is_empty

    def pairs(self) -> Iterator[tuple[NDArray[Any], ValueTile]]:
        """Yield the weights of each pair of taps, shape (height, width), and its cells."""
        rows, cols = self.rows.taps, self.cols.taps
        window: ValueTile | None = None
        wide = self.cols.wanted.cells.size
        if self.rows.wanted.cells.size * wide * self.code_bytes <= WINDOW_BYTES:
            window = self.read(AxisPlan(self.level, self.rows.wanted, self.cols.wanted))
        for i in range(rows.index.shape[-1]):
            down, row_weight = rows.index[..., i], rows.weight[..., i]
            starts = down * wide
            for j in range(cols.index.shape[-1]):
                across, weight = cols.index[..., j], row_weight * cols.weight[..., j]
                if not weight.any():
                    continue
                if window is not None:
                    yield weight, window.take(starts + across)
                else:
                    # Near a pole the pixels' columns are far apart: read only the chunks that hold a wanted cell.
                    there = weight != 0
                    at_rows = np.where(there, self.rows.wanted.cells[down], -1)
                    at_cols = np.where(there, self.cols.wanted.cells[across], -1)
                    yield weight, self.read(MeshPlan(self.level, at_rows, at_cols))


def _mix_mesh(
    level: _Level, location: Location, method: Resampling
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    height, width = location.x.shape
    total, share = np.zeros((height, width)), np.zeros((height, width))
    for part in level.strips(height, width * MAX_TAPS**2):
        strip = _Strip.of(level, location.rows(part), method)
        if strip.is_empty:
            continue
        mixture = WeightedSum(total[part], share[part])
        for weight, tile in strip.pairs():
            cells = _Cells.of(tile)
            mixture.add(cells.numbers, cells.missing, weight)
    return WeightedSum(total, share).mean()


def _mode_mesh(level: _Level, location: Location) -> NDArray[np.float64]:
    height, width = location.x.shape
    out = np.full((height, width), np.nan)
    for part in level.strips(height, width * MAX_TAPS**2):
        strip = _Strip.of(level, location.rows(part), Resampling.MODE)
        if strip.is_empty:
            continue
        pairs = [(weight, tile.decode()) for weight, tile in strip.pairs()]
        if pairs:
            out[part] = mode_stack(np.stack([values for _, values in pairs]), np.stack([weight for weight, _ in pairs]))
    return out
