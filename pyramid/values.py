"""Value tiles: what the pixels of a block of tiles show, before any colour.

The nearest cell keeps the variable's codes, still packed; other methods blend decoded values. A value tile is what
restyling, filters, expressions and data tiles start from, so it is kept in memory for a while: a second style
of the same pixels touches neither the store nor the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.cells import AxisPlan, MeshPlan, Plan
from lazytile.pyramid.packing import Packing
from lazytile.pyramid.resample import MAX_TAPS, Resampling, Taps, blend_axes, blend_stack, mode_stack, taps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.dataset import Variable
    from lazytile.pyramid.grid import Shape
    from lazytile.pyramid.plan import Location
    from lazytile.pyramid.store import StoredDataset

VALUES = Packing("float64")
"""The packing of blended tiles: physical values, NaN where there is no data."""
_STRIP_CELLS = 1 << 21
"""Pixels are blended in strips of rows that need no more cells than this at a time (16 MiB an array)."""
_WINDOW_CELLS = 1 << 20
"""The largest rectangle of cells that a strip is read from at once (8 MiB decoded)."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueTile:
    """The codes of a block of tiles."""

    codes: NDArray[Any]
    """Shape (height, width); anything where ``outside``."""
    packing: Packing
    outside: NDArray[np.bool_] | None
    """Shape (height, width): pixels that show no cell. None where every pixel shows one."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.codes.nbytes + (0 if self.outside is None else self.outside.nbytes)

    def decode(self) -> NDArray[np.float64]:
        """Physical values, shape (height, width), NaN where there is no data."""
        values = self.packing.decode(self.codes)
        if self.outside is not None:
            values[self.outside] = np.nan
        return values


def read_values(
    stored: StoredDataset, variable: Variable, leading: tuple[int, ...], location: Location, method: Resampling
) -> ValueTile:
    """Read the cells that a block of tiles shows and resample them."""

    def read(plan: Plan) -> ValueTile:
        return _read_cells(stored, variable, leading, plan)

    if method is Resampling.NEAREST:
        return read(location.nearest())
    grid = stored.description.grid
    shape = grid.coarsen(location.level).shape
    blend = _blend_mesh if location.is_mesh else _blend_axes
    values = blend(read, location, shape, method, wraps=grid.is_full_circle)
    return ValueTile(values, VALUES, None)


def _read_cells(stored: StoredDataset, variable: Variable, leading: tuple[int, ...], plan: Plan) -> ValueTile:
    codes = np.zeros(plan.shape, variable.packing.dtype)
    parts = list(plan.parts(stored.description.chunk))
    places = [(part.chunk_row, part.chunk_col) for part in parts]
    for part, chunk in zip(parts, stored.chunks(plan.level, variable.name, leading, places), strict=True):
        part.scatter(codes, part.gather(chunk))
    return ValueTile(codes, variable.packing, plan.outside())


def _taps(location: Location, shape: Shape, method: Resampling, *, wraps: bool) -> tuple[Taps, Taps]:
    """Taps of the rows and of the columns of a level."""
    return (
        taps(method, location.y, location.height_cells, shape.rows, wraps=False),
        taps(method, location.x, location.width_cells, shape.cols, wraps=wraps),
    )


def _blend_axes(
    read: Callable[[Plan], ValueTile], location: Location, shape: Shape, method: Resampling, *, wraps: bool
) -> NDArray[np.float64]:
    rows, cols = _taps(location, shape, method, wraps=wraps)
    wanted_rows, rows = _compact(rows, shape.rows)
    wanted_cols, cols = _compact(cols, shape.cols)
    height, width = rows.index.shape[0], cols.index.shape[0]
    if wanted_rows.size == 0 or wanted_cols.size == 0:
        return np.full((height, width), np.nan)
    window = read(AxisPlan.of(location.level, wanted_rows, wanted_cols)).decode()
    if method is not Resampling.MODE:
        return blend_axes(window, rows, cols)
    pairs = [(i, j) for i in range(rows.index.shape[1]) for j in range(cols.index.shape[1])]
    out = np.empty((height, width))
    for part in _strips(height, width * len(pairs)):
        index, weight = rows.index[part], rows.weight[part]
        values = np.stack([window[index[:, i]][:, cols.index[:, j]] for i, j in pairs])
        weights = np.stack([weight[:, i, None] * cols.weight[:, j] for i, j in pairs])
        out[part] = mode_stack(values, weights)
    return out


def _strips(rows: int, cells_a_row: int) -> Iterator[slice]:
    """Cut rows of pixels into strips of no more than ``_STRIP_CELLS`` cells, one row at least."""
    step = max(1, _STRIP_CELLS // max(1, cells_a_row))
    return (slice(top, top + step) for top in range(0, rows, step))


def _compact(axis: Taps, cells: int) -> tuple[NDArray[np.int64], Taps]:
    """Return the cells that taps use, ascending, and the taps as positions among them."""
    used = np.zeros(cells + 1, np.bool_)
    used[axis.index] = True  # -1 marks the spare last one
    used[-1] = False
    position: NDArray[np.int64] = np.cumsum(used) - 1
    return np.flatnonzero(used), Taps(np.where(axis.index >= 0, position[axis.index], 0), axis.weight)


def _blend_mesh(
    read: Callable[[Plan], ValueTile], location: Location, shape: Shape, method: Resampling, *, wraps: bool
) -> NDArray[np.float64]:
    combine = mode_stack if method is Resampling.MODE else blend_stack
    height, width = location.x.shape
    out = np.empty((height, width))
    for part in _strips(height, width * MAX_TAPS**2):
        rows, cols = _taps(location.rows(part), shape, method, wraps=wraps)
        values = _mesh_values(read, location.level, rows, cols, shape)
        pairs = ((i, j) for i in range(rows.index.shape[-1]) for j in range(cols.index.shape[-1]))
        out[part] = combine(values, np.stack([rows.weight[..., i] * cols.weight[..., j] for i, j in pairs]))
    return out


def _mesh_values(
    read: Callable[[Plan], ValueTile], level: int, rows: Taps, cols: Taps, shape: Shape
) -> NDArray[np.float64]:
    """Values of every pair of taps: shape (row taps * col taps, height, width), float64."""
    pairs = [(i, j) for i in range(rows.index.shape[-1]) for j in range(cols.index.shape[-1])]
    wanted_rows, row_taps = _compact(rows, shape.rows)
    wanted_cols, col_taps = _compact(cols, shape.cols)
    if wanted_rows.size == 0 or wanted_cols.size == 0:
        return np.full((len(pairs), *rows.index.shape[:2]), np.nan)
    if wanted_rows.size * wanted_cols.size <= _WINDOW_CELLS:
        window = read(AxisPlan.of(level, wanted_rows, wanted_cols)).decode()
        return np.stack([window[row_taps.index[..., i], col_taps.index[..., j]] for i, j in pairs])
    # Round a pole the pixels' columns are far apart: only the chunks that hold a wanted cell are read.
    plans = (MeshPlan(level, rows.index[..., i], cols.index[..., j]) for i, j in pairs)
    return np.stack([read(plan).decode() for plan in plans])
