"""Plans: which cell of a level each pixel shows, split at the borders of chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.core.array_backend import array_module, to_device_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape


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
        """Return this part's cells of its chunk.

        Args:
            chunk: Shape (chunk rows, chunk cols).

        Returns:
            The cells, in the shape that ``scatter`` takes.
        """
        ...

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Write values to this part's pixels.

        Args:
            out: Shape (height, width), changed in place.
            values: As ``gather`` returns them.
        """
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
        """Split the plan at the borders of chunks.

        Args:
            chunk: Size of a chunk in cells.

        Yields:
            The parts. Each pixel that shows a cell is in exactly one.
        """
        ...

    def outside(self) -> NDArray[np.bool_] | None:
        """Return the pixels that show no cell, shape (height, width); None where every pixel shows one."""
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
        """Return the cells along an axis of a chunk.

        Args:
            array: A chunk, two-dimensional.
            axis: 0 for rows, 1 for columns.

        Returns:
            The cells; a view where they are neighbours.
        """
        if self.span is not None:
            return array[self.span, ...] if axis == 0 else array[:, self.span]
        xp = array_module(array)
        taken: NDArray[Any] = xp.take(array, to_device_of(self.cells, array), axis=axis)
        return taken


@dataclass(frozen=True, slots=True, eq=False)
class AxisCells:
    """The cell that each pixel along one axis shows, split at chunk borders once for all tiles on the axis."""

    cells: NDArray[np.int64]
    """Shape (pixels,): row or column of the level's grid, -1 where there is none."""
    kept: dict[Hashable, Any] = field(default_factory=dict)
    """What kernels make of the cells, once."""
    _runs: dict[int, tuple[Run, ...]] = field(default_factory=dict)

    def runs(self, chunk_length: int) -> tuple[Run, ...]:
        """Return the runs of pixels in chunks.

        Args:
            chunk_length: Cells of a chunk along the axis.

        Returns:
            The runs in the order of the pixels, computed once.
        """
        runs = self._runs.get(chunk_length)
        if runs is None:
            # Two threads may both compute them; the results are equal.
            runs = self._runs[chunk_length] = tuple(_runs(self.cells, chunk_length))
        return runs

    def missing(self) -> NDArray[np.bool_] | None:
        """Return the pixels that show no cell, shape (pixels,); None where every pixel shows one."""
        missing = self.cells < 0
        return missing if missing.any() else None

    @property
    def nbytes(self) -> int:
        """Bytes in memory, including the runs."""
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
        """Return the part's cells.

        Two takes along one axis each are 4 times faster than one along both.

        Args:
            chunk: Shape (chunk rows, chunk cols).

        Returns:
            Shape (rows, cols) of the part; a view of the chunk where they are neighbours.
        """
        return self.along_cols.take(self.along_rows.take(chunk, 0), 1)

    def scatter(self, out: NDArray[Any], values: NDArray[Any]) -> None:
        """Write values to the part's pixels.

        Args:
            out: Shape (height, width), changed in place.
            values: Shape (rows, cols) of the part.
        """
        out[self.along_rows.pixels, self.along_cols.pixels] = values


@dataclass(frozen=True, slots=True, eq=False)
class AxisPlan:
    """A plan whose axes are independent."""

    level: int
    along_rows: AxisCells
    along_cols: AxisCells

    @classmethod
    def of(cls, level: int, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> AxisPlan:
        """Return the plan of some rows and columns of cells.

        Args:
            level: Level of the pyramid.
            rows: Shape (height,), int64; -1 for none.
            cols: Shape (width,), int64; -1 for none.

        Returns:
            The plan.
        """
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
        """Return the pixels that show no cell, shape (height, width); None where every pixel shows one."""
        no_row, no_col = self.along_rows.missing(), self.along_cols.missing()
        if no_row is None and no_col is None:
            return None
        return (self.rows < 0)[:, None] | (self.cols < 0)

    def parts(self, chunk: Shape) -> Iterator[AxisPart]:
        """Split the plan at the borders of chunks.

        Args:
            chunk: Size of a chunk in cells.

        Yields:
            A part for each run of pixels in each chunk.
        """
        col_runs = self.along_cols.runs(chunk.cols)
        for row_run in self.along_rows.runs(chunk.rows):
            for col_run in col_runs:
                yield AxisPart(row_run, col_run)


def _span(cells: NDArray[np.intp]) -> slice | None:
    """Return the slice of these cells; None where they do not ascend one by one."""
    first, last = int(cells[0]), int(cells[-1])
    is_span = last - first + 1 == cells.size and bool((cells[1:] - cells[:-1] == 1).all())
    return slice(first, last + 1) if is_span else None


def _runs(cells: NDArray[np.int64], chunk_length: int) -> Iterator[Run]:
    """Yield each run of neighbouring pixels in one chunk, without those that show no cell."""
    chunks = np.where(cells >= 0, cells // chunk_length, -1)
    starts = np.flatnonzero(np.diff(chunks, prepend=-2))
    stops = np.append(starts[1:], cells.size)[: starts.size]
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        chunk = int(chunks[start])
        if chunk >= 0:
            inside = (cells[start:stop] - chunk * chunk_length).astype(np.intp)
            yield Run(chunk, slice(start, stop), inside, _span(inside))
