"""One chunk of an overview, computed from the chunks of the next finer level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.reduce import reduce_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.store.dataset import Dataset, Variable


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
