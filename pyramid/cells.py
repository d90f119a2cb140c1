"""Plans: which cell of a level each pixel shows, cut at the borders of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

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
class AxisPart:
    """``out[out_rows, out_cols] = chunk[in_rows][:, in_cols]``."""

    chunk_row: int
    chunk_col: int
    out_rows: slice
    out_cols: slice
    in_rows: NDArray[np.intp]
    in_cols: NDArray[np.intp]

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, shape (rows, cols) of the part; a view of the chunk where they are neighbours.

        Two takes of one axis are 4 times faster than one, and neighbours (a native grid) need none.
        """
        rows, cols = _span(self.in_rows), _span(self.in_cols)
        found = chunk[rows] if rows is not None else chunk.take(self.in_rows, axis=0)
        return found[:, cols] if cols is not None else found.take(self.in_cols, axis=1)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values of the part's shape in their place."""
        out[self.out_rows, self.out_cols] = values


@dataclass(frozen=True, slots=True, eq=False)
class AxisPlan:
    """A plan whose axes are independent."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height,): row of the level's grid for each pixel row, -1 where there is none."""
    cols: NDArray[np.int64]
    """Shape (width,): column for each pixel column, -1 where there is none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels: (height, width)."""
        return self.rows.size, self.cols.size

    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels that show no cell; None where every pixel shows one."""
        no_row, no_col = self.rows < 0, self.cols < 0
        return no_row[:, None] | no_col if no_row.any() or no_col.any() else None

    def parts(self, chunk: Shape) -> Iterator[AxisPart]:
        """Cut the map at chunk borders. Each chunk comes up once for each run of pixels that it fills."""
        col_runs = list(_runs(self.cols, chunk.cols))
        for chunk_row, out_rows, in_rows in _runs(self.rows, chunk.rows):
            for chunk_col, out_cols, in_cols in col_runs:
                yield AxisPart(chunk_row, chunk_col, out_rows, out_cols, in_rows, in_cols)


@dataclass(frozen=True, slots=True, eq=False)
class MeshPart:
    """``out.flat[pixels] = chunk.flat[cells]``."""

    chunk_row: int
    chunk_col: int
    pixels: NDArray[np.intp]
    cells: NDArray[np.intp]

    def gather(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return the cells, one-dimensional."""
        return chunk.reshape(-1).take(self.cells)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Put values, one-dimensional, in their place."""
        out.reshape(-1)[self.pixels] = values


@dataclass(frozen=True, slots=True, eq=False)
class MeshPlan:
    """A plan in which every pixel has a cell of its own."""

    level: int
    rows: NDArray[np.int64]
    """Shape (height, width): row of the level's grid, -1 where the pixel shows nothing."""
    cols: NDArray[np.int64]
    """Shape (height, width): column of the level's grid, -1 where the pixel shows nothing."""

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


def _span(cells: NDArray[np.intp]) -> slice | None:
    """Return the slice that takes these cells, None where they do not ascend one by one."""
    first, last = int(cells[0]), int(cells[-1])
    is_span = last - first + 1 == cells.size and bool((cells[1:] - cells[:-1] == 1).all())
    return slice(first, last + 1) if is_span else None


def _runs(cells: NDArray[np.int64], chunk_length: int) -> Iterator[tuple[int, slice, NDArray[np.intp]]]:
    """Yield (chunk, pixels, cells in the chunk) for each run of neighbouring pixels in one chunk; -1 is skipped."""
    chunks = np.where(cells >= 0, cells // chunk_length, -1)
    starts = np.flatnonzero(np.diff(chunks, prepend=-2))
    stops = np.append(starts[1:], cells.size)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        chunk = int(chunks[start])
        if chunk >= 0:
            yield chunk, slice(start, stop), (cells[start:stop] - chunk * chunk_length).astype(np.intp)
