"""Plans in which every pixel has a cell of its own, split at the borders of chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module, to_device_of
from lazytile.pyramid.resampling.read_plan import AxisPart, AxisPlan

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
        """Return the part's cells.

        Args:
            chunk: Shape (chunk rows, chunk cols).

        Returns:
            Shape (cells,), dtype of the chunk.
        """
        xp = array_module(chunk)
        cells: NDArray[Any] = xp.take(xp.reshape(chunk, (-1,)), to_device_of(self.cells, chunk), axis=0)
        return cells

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Write values to the part's pixels.

        Args:
            out: Shape (height, width), changed in place.
            values: Shape (cells,), as ``gather`` returns them.
        """
        width = out.shape[1]
        out[to_device_of(self.pixels // width, out), to_device_of(self.pixels % width, out)] = values


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A mesh of cells as positions in the rectangle of all rows and columns that it uses."""

    axes: AxisPlan
    """The rectangle."""
    cells: NDArray[np.intp]
    """Shape (height, width): flat index in the rectangle; 0 where the pixel shows no cell."""
    missing: NDArray[np.bool_] | None
    """Shape (height, width): pixels that show no cell; None where every pixel shows a cell."""
    _parts: dict[Shape, tuple[AxisPart, ...]] = field(default_factory=dict)

    def parts(self, chunk: Shape) -> tuple[AxisPart, ...]:
        """Return the parts of the rectangle that pixels show cells of: no other chunk need be read.

        Args:
            chunk: Size of a chunk in cells.

        Returns:
            The parts, computed once.
        """
        parts = self._parts.get(chunk)
        if parts is None:
            cells = self.cells if self.missing is None else self.cells[~self.missing]
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
    """Shape (height, width): row of the level's grid, -1 where the pixel shows no cell."""
    cols: NDArray[np.int64]
    """Shape (height, width): column of the level's grid, -1 where the pixel shows no cell."""

    def window(self, limit_cells: int) -> Window | None:
        """Return the same cells as positions in a rectangle.

        One gather from a rectangle is many times faster than one from each chunk.

        Args:
            limit_cells: Cells that the rectangle may have.

        Returns:
            The window, or None where the rectangle exceeds the limit or is empty.
        """
        missing = (self.rows < 0) | (self.cols < 0)
        used_rows, down = _among(self.rows, missing)
        used_cols, across = _among(self.cols, missing)
        if not 0 < used_rows.size * used_cols.size <= limit_cells:
            return None
        axes = AxisPlan.of(self.level, used_rows, used_cols)
        return Window(axes, down * used_cols.size + across, missing if missing.any() else None)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.shape[0], self.rows.shape[1]

    def outside(self) -> NDArray[np.bool_] | None:
        """Return the pixels that show no cell, shape (height, width); None where every pixel shows one."""
        missing = (self.rows < 0) | (self.cols < 0)
        return missing if missing.any() else None

    def parts(self, chunk: Shape) -> Iterator[MeshPart]:
        """Split the plan at the borders of chunks.

        Args:
            chunk: Size of a chunk in cells.

        Yields:
            One part for each chunk.
        """
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
            own = order[start:stop]
            row, col = divmod(int(chunks[own[0]]), across)
            yield MeshPart(row, col, pixels[own], cells[own].astype(np.intp))


def _among(cells: NDArray[np.int64], missing: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the cells of an axis in use, ascending, and each pixel's index among them; 0 where ``missing``."""
    used = np.zeros(int(cells.max(initial=-1)) + 2, np.bool_)
    used[np.where(missing, -1, cells)] = True  # -1 marks the spare last one
    used[-1] = False
    index = np.cumsum(used) - 1
    return np.flatnonzero(used), np.where(missing, 0, index[cells])
