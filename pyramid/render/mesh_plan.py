"""Plans in which every pixel has a cell of its own, cut at the borders of chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module, to_device_of
from lazytile.pyramid.render.read_plan import AxisPart, AxisPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape


@dataclass(frozen=True, slots=True, eq=False)
class MeshPart:
    """``out.flat[pixels] = chunk.flat[cells]``."""

    chunk_row: int
    chunk_col: int
    pixels: NDArray[np.intp]
    cells: NDArray[np.intp]

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, one-dimensional."""
        xp = array_module(chunk)
        cells: NDArray[Any] = xp.take(xp.reshape(chunk, (-1,)), to_device_of(self.cells, chunk), axis=0)
        return cells

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, one-dimensional, in their place."""
        width = out.shape[1]
        out[to_device_of(self.pixels // width, out), to_device_of(self.pixels % width, out)] = values


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A mesh of cells as places in the rectangle of all rows and columns that it uses."""

    axes: AxisPlan
    """The rectangle."""
    cells: NDArray[np.intp]
    """Shape (height, width): flat index in the rectangle; 0 where the pixel shows nothing."""
    nothing: NDArray[np.bool_] | None
    """Shape (height, width): pixels that show nothing; None where every pixel shows a cell."""
    _parts: dict[Shape, tuple[AxisPart, ...]] = field(default_factory=dict)

    def parts(self, chunk: Shape) -> tuple[AxisPart, ...]:
        """Return the parts of the rectangle that some pixel shows a cell of: no other chunk need be read."""
        parts = self._parts.get(chunk)
        if parts is None:
            cells = self.cells if self.nothing is None else self.cells[~self.nothing]
            rows, cols = self.axes.rows // chunk.rows, self.axes.cols // chunk.cols
            touched = np.zeros((int(rows.max()) + 1, int(cols.max()) + 1), np.bool_)
            down, across = np.divmod(cells, cols.size)
            touched[rows[down], cols[across]] = True
            parts = tuple(part for part in self.axes.parts(chunk) if touched[part.chunk_row, part.chunk_col])
            self._parts[chunk] = parts
        return parts


@dataclass(frozen=True, slots=True, eq=False)
class MeshPlan:
    """A plan in which every pixel has a cell of its own."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height, width): row of the level's grid, -1 where the pixel shows nothing."""
    cols: NDArray[np.int64]
    """Shape (height, width): column of the level's grid, -1 where the pixel shows nothing."""

    def window(self, limit_cells: int) -> Window | None:
        """Return the plan by way of a rectangle, None where that would have more cells than the limit.

        One gather from a rectangle is many times quicker than one from each chunk.
        """
        nothing = (self.rows < 0) | (self.cols < 0)
        used_rows, down = _among(self.rows, nothing)
        used_cols, across = _among(self.cols, nothing)
        if not 0 < used_rows.size * used_cols.size <= limit_cells:
            return None
        axes = AxisPlan.of(self.level, used_rows, used_cols)
        return Window(axes, down * used_cols.size + across, nothing if nothing.any() else None)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.shape[0], self.rows.shape[1]

    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels that show no cell; None where every pixel shows one."""
        nothing = (self.rows < 0) | (self.cols < 0)
        return nothing if nothing.any() else None

    def parts(self, chunk: Shape) -> Iterator[MeshPart]:
        """Cut the map at chunk borders; each chunk comes up once."""
        rows, cols = self.rows.reshape(-1), self.cols.reshape(-1)
        pixels = np.flatnonzero((rows >= 0) & (cols >= 0))
        if pixels.size == 0:
            return
        rows, cols = rows[pixels], cols[pixels]
        chunk_rows, chunk_cols = rows // chunk.rows, cols // chunk.cols
        cells = (rows - chunk_rows * chunk.rows) * chunk.cols + (cols - chunk_cols * chunk.cols)
        across = int(chunk_cols.max(initial=0)) + 1
        chunks = chunk_rows * across + chunk_cols
        order = np.argsort(chunks, kind="stable")
        starts = np.flatnonzero(np.diff(chunks[order], prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), order.size], strict=True):
            mine = order[start:stop]
            row, col = divmod(int(chunks[mine[0]]), across)
            yield MeshPart(row, col, pixels[mine], cells[mine].astype(np.intp))


def _among(cells: NDArray[np.int64], nothing: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the cells of an axis that pixels use, ascending, and each pixel's place among them; 0 for ``nothing``."""
    used = np.zeros(int(cells.max(initial=-1)) + 2, np.bool_)
    used[np.where(nothing, -1, cells)] = True  # -1 marks the spare last one
    used[-1] = False
    place = np.cumsum(used) - 1
    return np.flatnonzero(used), np.where(nothing, 0, place[cells])
