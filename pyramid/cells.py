"""Plans: which cell of a level each pixel shows, cut at the borders of chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.backend import array_module, beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.grid import Shape


class ChunkPart(Protocol):
    """The pixels that one chunk fills."""

    @property
    def chunk_row(self) -> int:
        """Row of the chunk."""
        ...

    @property
    def chunk_col(self) -> int:
        """Column of the chunk."""
        ...

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Take this part's cells out of its chunk, in the shape that ``scatter`` wants."""
        ...

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, as ``gather`` shaped them, at this part's pixels of ``out``, shape (height, width)."""
        ...


class Plan(Protocol):
    """The cells that a block of tiles shows."""

    @property
    def level(self) -> int:
        """Level of the pyramid."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        ...

    def parts(self, chunk: Shape) -> Iterator[ChunkPart]:
        """Cut the map at chunk borders. Each pixel that shows a cell is in one part."""
        ...

    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels that show no cell, shape (height, width); None where every pixel shows one."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Neighbouring pixels along one axis that show cells of one chunk."""

    chunk: int
    """Row or column of the chunk."""
    pixels: slice
    cells: NDArray[np.intp]
    """Cell in the chunk of each of the pixels."""
    span: slice | None
    """The same cells where they ascend one by one, as on a native grid."""

    def take(self, array: NDArray[Any], axis: int) -> NDArray[Any]:
        """Return the cells along an axis of a chunk: a view where they are neighbours."""
        if self.span is not None:
            return array[self.span, ...] if axis == 0 else array[:, self.span]
        xp = array_module(array)
        taken: NDArray[Any] = xp.take(array, beside(self.cells, array), axis=axis)
        return taken


@dataclass(frozen=True, slots=True, eq=False)
class AxisCells:
    """The cell that each pixel along one axis shows, cut at chunk borders once for all tiles that share the axis."""

    cells: NDArray[np.int64]
    """Shape (pixels,): row or column of the level's grid, -1 where there is none."""
    _runs: dict[int, tuple[Run, ...]] = field(default_factory=dict)

    def runs(self, chunk_length: int) -> tuple[Run, ...]:
        """Return the runs of pixels in chunks of so many cells, in the order of the pixels."""
        runs = self._runs.get(chunk_length)
        if runs is None:
            # Two threads may both make them; they are the same.
            runs = self._runs[chunk_length] = tuple(_runs(self.cells, chunk_length))
        return runs

    def missing(self) -> NDArray[np.bool_] | None:
        """Return which pixels show no cell, shape (pixels,); None where every pixel shows one."""
        nothing = self.cells < 0
        return nothing if nothing.any() else None

    @property
    def nbytes(self) -> int:
        """Bytes in memory, those of the runs included."""
        return 2 * self.cells.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class AxisPart:
    """``out[out_rows, out_cols] = chunk[in_rows][:, in_cols]``."""

    along_rows: Run
    along_cols: Run

    @property
    def chunk_row(self) -> int:
        """Row of the chunk."""
        return self.along_rows.chunk

    @property
    def chunk_col(self) -> int:
        """Column of the chunk."""
        return self.along_cols.chunk

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, shape (rows, cols) of the part; a view of the chunk where they are neighbours.

        Two takes of one axis are 4 times faster than one.
        """
        return self.along_cols.take(self.along_rows.take(chunk, 0), 1)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values of the part's shape in their place."""
        out[self.along_rows.pixels, self.along_cols.pixels] = values


@dataclass(frozen=True, slots=True, eq=False)
class AxisPlan:
    """A plan whose axes are independent."""

    level: int
    along_rows: AxisCells
    along_cols: AxisCells

    @classmethod
    def of(cls, level: int, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> AxisPlan:
        """Return the plan of the cells in ``rows``, shape (height,), and ``cols``, shape (width,); -1 for none."""
        return cls(level, AxisCells(rows), AxisCells(cols))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of the level's grid for each pixel row, -1 where there is none: shape (height,)."""
        return self.along_rows.cells

    @property
    def cols(self) -> NDArray[np.int64]:
        """Column for each pixel column, -1 where there is none: shape (width,)."""
        return self.along_cols.cells

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.size, self.cols.size

    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels that show no cell; None where every pixel shows one."""
        no_row, no_col = self.along_rows.missing(), self.along_cols.missing()
        if no_row is None and no_col is None:
            return None
        return (self.rows < 0)[:, None] | (self.cols < 0)

    def parts(self, chunk: Shape) -> Iterator[AxisPart]:
        """Cut the map at chunk borders. Each chunk comes up once for each run of pixels that it fills."""
        col_runs = self.along_cols.runs(chunk.cols)
        for row_run in self.along_rows.runs(chunk.rows):
            for col_run in col_runs:
                yield AxisPart(row_run, col_run)


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
        cells: NDArray[Any] = xp.take(xp.reshape(chunk, (-1,)), beside(self.cells, chunk), axis=0)
        return cells

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, one-dimensional, in their place."""
        width = out.shape[1]
        out[beside(self.pixels // width, out), beside(self.pixels % width, out)] = values


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


def _span(cells: NDArray[np.intp]) -> slice | None:
    """Return the slice that takes these cells, None where they do not ascend one by one."""
    first, last = int(cells[0]), int(cells[-1])
    is_span = last - first + 1 == cells.size and bool((cells[1:] - cells[:-1] == 1).all())
    return slice(first, last + 1) if is_span else None


def _runs(cells: NDArray[np.int64], chunk_length: int) -> Iterator[Run]:
    """Yield each run of neighbouring pixels in one chunk; -1 is skipped."""
    chunks = np.where(cells >= 0, cells // chunk_length, -1)
    starts = np.flatnonzero(np.diff(chunks, prepend=-2))
    stops = np.append(starts[1:], cells.size)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        chunk = int(chunks[start])
        if chunk >= 0:
            inside = (cells[start:stop] - chunk * chunk_length).astype(np.intp)
            yield Run(chunk, slice(start, stop), inside, _span(inside))
