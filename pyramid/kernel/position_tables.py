"""Tables of positions: which cells the pixels of a block want, as compiled kernels read it. No data is read.

Each table has the fields of the struct of the same name in ``source/pixels.h``, which explains them. It is made
once and kept with the axis or the mesh that it describes; ``structs`` gives it addresses, the processor's or a GPU's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.resampling.taps import WEIGHT_UNIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.job import Job, Position
    from lazytile.pyramid.resampling.read_plan import AxisCells
    from lazytile.pyramid.resampling.taps import AxisBlend

PADDED_TO = 64
"""Entries of an axis come in multiples of it, so that a block of pixels never reads past the end."""


@dataclass(frozen=True, slots=True, eq=False)
class AxisTable:
    """Pixels along one axis, and the cells that they want."""

    index: NDArray[np.int32] | None
    weight: NDArray[np.int32] | None
    share: NDArray[np.int32] | None
    cell: NDArray[np.int32]
    run_of: NDArray[np.int32]
    run: NDArray[np.int32]
    """Shape (runs, 4): first, count, cell, is_contiguous."""
    pixels: int
    padded: int
    taps: int
    wanted: int
    runs: int
    kept: dict[str, Any] = field(default_factory=dict)
    """The struct that a kernel makes of it, once."""

    @property
    def arrays(self) -> tuple[NDArray[np.int32] | None, ...]:
        """The arrays that the struct points to, in its order."""
        return (self.index, self.weight, self.share, self.cell, self.run_of, self.run)

    @classmethod
    def of_nearest(cls, cells: AxisCells, chunk_length: int) -> AxisTable:
        """Return the table of pixels that show one cell each.

        Args:
            cells: The cell of each pixel.
            chunk_length: Cells of a chunk along the axis.

        Returns:
            The table, made once.
        """
        key = ("table", chunk_length)
        table: AxisTable | None = cells.kept.get(key)
        if table is None:
            count, runs = cells.cells.size, len(cells.runs(chunk_length))
            table = cells.kept[key] = cls(None, None, None, *_places(cells, chunk_length), count, count, 0, count, runs)
        return table

    @classmethod
    def of_blend(cls, blend: AxisBlend, chunk_length: int) -> AxisTable:
        """Return the table of pixels that several cells contribute to.

        Args:
            blend: The cells and their weights.
            chunk_length: Cells of a chunk along the axis.

        Returns:
            The table, made once.
        """
        key = ("table", chunk_length)
        table: AxisTable | None = blend.kept.get(key)
        if table is None:
            pixels, taps = blend.taps.index.shape
            padded = -(-pixels // PADDED_TO) * PADDED_TO
            index, weight = np.zeros((taps, padded), np.int32), np.zeros((taps, padded), np.int32)
            index[:, :pixels] = blend.taps.index.T
            weight[:, :pixels] = np.rint(blend.taps.weight.T / WEIGHT_UNIT)
            share = weight.sum(axis=0, dtype=np.int32)
            places = _places(blend.wanted, chunk_length)
            runs = len(blend.wanted.runs(chunk_length))
            table = cls(index, weight, share, *places, pixels, padded, taps, blend.wanted.cells.size, runs)
            blend.kept[key] = table
        return table


def _places(cells: AxisCells, chunk_length: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return for each wanted cell its place in its chunk and the number of its run; and the runs."""
    runs = cells.runs(chunk_length)
    count = max(1, cells.cells.size)
    cell, run_of = np.full(count, -1, np.int32), np.zeros(count, np.int32)
    table = np.zeros((max(1, len(runs)), 4), np.int32)
    for number, run in enumerate(runs):
        cell[run.pixels], run_of[run.pixels] = run.cells, number
        table[number] = (run.pixels.start, run.cells.size, run.cells[0], run.span is not None)
    return cell, run_of, table


@dataclass(frozen=True, slots=True, eq=False)
class MeshTable:
    """Pixels that each have a position of their own."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    wide: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    slot: NDArray[np.int32]
    """Shape (chunks down, chunks across)."""
    width: int
    height: int
    rows: int
    cols: int
    wraps: int
    chunk_rows: int
    across: int
    positions: tuple[Position, ...] = ()
    """Row and column of the chunk in each slot."""
    kept: dict[str, Any] = field(default_factory=dict)
    """The struct that a kernel makes of it, once."""

    @property
    def arrays(self) -> tuple[NDArray[Any] | None, ...]:
        """The arrays that the struct points to, in its order."""
        return (self.x, self.y, self.wide, self.high, self.slot)

    @classmethod
    def of(cls, job: Job, find: Callable[[MeshTable], tuple[Position, ...]]) -> MeshTable:
        """Return the table of a job's mesh.

        Args:
            job: A job of a mesh.
            find: Finds the chunks that the pixels want, by the table before any of them has a slot.

        Returns:
            The table, made once for each method of a location.
        """
        key = ("mesh table", job.method, job.chunk)
        table: MeshTable | None = job.location.kept.get(key)
        if table is None:
            # Two threads may both make it; the results are equal.
            empty = cls._without_slots(job)
            table = replace(empty, positions=find(empty), kept={})
            for slot, position in enumerate(table.positions):
                table.slot[position] = slot
            job.location.kept[key] = table
        return table

    @classmethod
    def _without_slots(cls, job: Job) -> MeshTable:
        location, shape, chunk = job.location, job.shape, job.chunk
        x, y = np.ascontiguousarray(location.x), np.ascontiguousarray(location.y)
        wide = None if location.width_cells is None else np.ascontiguousarray(location.width_cells)
        high = None if location.height_cells is None else np.ascontiguousarray(location.height_cells)
        down, across = -(-shape.rows // chunk.rows), -(-shape.cols // chunk.cols)
        slot = np.full((down, across), -1, np.int32)
        height, width = job.pixels
        return cls(
            x, y, wide, high, slot, width, height, shape.rows, shape.cols, int(job.wraps), chunk.rows, across
        )  # fmt: skip


def sums_columns_first(job: Job) -> bool:
    """Return whether the NumPy kernel sums means along the columns of pixels first, where order matters.

    Args:
        job: A job of axes, with a mean.

    Returns:
        As in ``mixture.blend_axes``.
    """
    rows, cols = job.blends()
    height, width = job.pixels
    return not height * cols.wanted.cells.size < rows.wanted.cells.size * width
