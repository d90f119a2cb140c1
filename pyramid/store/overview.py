"""One chunk of an overview, computed from the chunks of the next finer level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.damage import ChunkNotMadeError
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.reduce import reduce_level
from lazytile.pyramid.streams.spare_threads import for_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.store.chunk_reader import SourceReader
    from lazytile.pyramid.store.dataset import Dataset, Variable

BOX_CELLS = 2048
"""Rows and columns of the finer level that are read and reduced at once."""


@dataclass(frozen=True, slots=True)
class ChunkIndex:
    """The position of a chunk in an array of a pyramid."""

    level: int
    dim_index: tuple[int, ...]
    """Index along each leading dimension."""
    row: int
    col: int

    @property
    def coordinates(self) -> tuple[int, ...]:
        """Index of the chunk along every axis."""
        return (*self.dim_index, self.row, self.col)


def overview_codes(
    read: Callable[[tuple[int, ...], int, int], NDArray[Any]], dataset: Dataset, variable: Variable, at: ChunkIndex
) -> NDArray[Any]:
    """Compute a chunk of level 1 or coarser, exactly as the converter does.

    Args:
        read: Reads a whole chunk of the next finer level, by index along the leading dimensions, row and column.
        dataset: Its description.
        variable: Of the dataset.
        at: Which chunk.

    Returns:
        Its cells, without padding at the grid's edge: shape (rows, cols) of at most a chunk.
    """
    rows, cols = dataset.chunk.rows, dataset.chunk.cols
    shape = level_shape(dataset.grid.shape, at.level - 1)
    height = min(2 * rows, shape.rows - 2 * at.row * rows)
    width = min(2 * cols, shape.cols - 2 * at.col * cols)
    parts = [
        [read(at.dim_index, 2 * at.row + down, 2 * at.col + right) for right in range(1 + (width > cols))]
        for down in range(1 + (height > rows))
    ]
    codes = np.ascontiguousarray(np.block(parts)[:height, :width])
    return reduce_level(codes, variable.packing, variable.reduction)


def derived_codes(
    read: Callable[[tuple[int, ...], int, int], NDArray[Any]],
    source: SourceReader | None,
    dataset: Dataset,
    variable: Variable,
    at: ChunkIndex,
) -> NDArray[Any]:
    """Compute a chunk from those of the next finer level, or where these were never made, from a linked source.

    Args:
        read: As for ``overview_codes``; it makes nothing.
        source: Reads the coarsest level that a linked source has; None without one.
        dataset: Its description.
        variable: Of the dataset.
        at: Which chunk.

    Returns:
        Its cells, as ``overview_codes`` returns them.

    Raises:
        ChunkNotMadeError: A chunk of the finer level was not made, and there is no source.
    """
    try:
        if source is None or at.level > dataset.linked:
            return overview_codes(read, dataset, variable, at)
    except ChunkNotMadeError:
        if source is None:
            raise
    return overview_of_boxes(source, dataset, variable, at, dataset.linked - 1)


def overview_of_boxes(
    source: SourceReader, dataset: Dataset, variable: Variable, at: ChunkIndex, base: int
) -> NDArray[Any]:
    """Compute a chunk from a much finer level at once, without the chunks in between, with the same result.

    Args:
        source: Reads boxes of the finer level.
        dataset: Its description.
        variable: Of the dataset.
        at: Which chunk.
        base: The finer level.

    Returns:
        Its cells, as ``overview_codes`` returns them.
    """
    depth = at.level - base
    here, finest = level_shape(dataset.grid.shape, at.level), level_shape(dataset.grid.shape, base)
    top, left = at.row * dataset.chunk.rows, at.col * dataset.chunk.cols
    bottom, right = min(here.rows, top + dataset.chunk.rows), min(here.cols, left + dataset.chunk.cols)
    cells = np.empty((bottom - top, right - left), variable.packing.dtype)
    narrow = source.narrow_cols
    # The fewer ends boxes have, the fewer chunks of the source are needed for two of them.
    sides = (2 * BOX_CELLS, min(BOX_CELLS, narrow)) if narrow else (BOX_CELLS, BOX_CELLS)
    height, width = (max(1, side >> depth) for side in sides)

    def fill(corner: tuple[int, int]) -> None:
        row, col = corner
        rows = row << depth, min(finest.rows, min(bottom, row + height) << depth)
        cols = col << depth, min(finest.cols, min(right, col + width) << depth)
        codes = source.read_box(at.dim_index, rows, cols)
        for _ in range(depth):
            codes = reduce_level(np.ascontiguousarray(codes), variable.packing, variable.reduction)
        cells[row - top : row - top + codes.shape[0], col - left : col - left + codes.shape[1]] = codes

    corners = list(product(range(top, bottom, height), range(left, right, width)))
    if narrow:
        for_all(fill, corners)
    else:
        for corner in corners:
            fill(corner)
    return cells
