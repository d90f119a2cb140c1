"""The codes of a box of cells, at one step of a layer or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.subsets.window import pieces
from lazytile.pyramid.tiling.reprojection import transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.store.dataset import Dimension, Variable
    from lazytile.pyramid.store.store import StoredDataset
    from lazytile.pyramid.subsets.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """A box of cells with their codes."""

    stored: StoredDataset
    variable: Variable
    indices: tuple[tuple[int, ...], ...]
    """Index along the leading dimensions for each step; they differ along the time only."""
    window: Window
    codes: NDArray[Any]
    """Shape (steps, rows, cols), of the packing's dtype, as stored."""

    def steps_along(self, axis: int) -> tuple[int, ...]:
        """Return the indices along a leading dimension.

        Args:
            axis: Number of the dimension.

        Returns:
            All of them along the time, one along another dimension.
        """
        return tuple(dict.fromkeys(index[axis] for index in self.indices))

    def labels(self, dimension: Dimension) -> list[str]:
        """Return the label along a dimension for each step.

        Args:
            dimension: One of the variable's.

        Returns:
            As many labels as steps.
        """
        axis = self.variable.dimensions.index(dimension)
        return [dimension.labels[index[axis]] for index in self.indices]

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the longitude and the latitude of each cell's centre, both of shape (rows, cols), degrees."""
        x, y = np.meshgrid(self.window.x, self.window.y)
        return (x, y) if self.window.grid.is_geographic else transform(self.window.grid.crs, "EPSG:4326", x, y)


def read_subset(
    stored: StoredDataset,
    variable: Variable,
    indices: tuple[tuple[int, ...], ...],
    window: Window,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Subset:
    """Read the cells of a window.

    Args:
        stored: The dataset.
        variable: The variable.
        indices: Index along its leading dimensions for each step.
        window: The cells.
        is_stopped: Called before each chunk; True stops reading.

    Returns:
        The cells with their codes.

    Raises:
        StoreError: A chunk cannot be read.
        StoppedError: ``is_stopped`` returned True.
    """
    chunk = stored.description.chunk
    codes = np.empty((len(indices), window.rows, window.cols), variable.packing.dtype)
    parts, left = [], 0
    for run in window.runs:
        for col, west, east in pieces(run.first, run.stop, chunk.cols):
            for row, top, bottom in pieces(window.first_row, window.stop_row, chunk.rows):
                here = slice(top - window.first_row, bottom - window.first_row)
                target = here, slice(left + west - run.first, left + east - run.first)
                source = (
                    slice(top - row * chunk.rows, bottom - row * chunk.rows),
                    slice(west - col * chunk.cols, east - col * chunk.cols),
                )
                parts.append(((row, col), target, source))
        left += run.stop - run.first
    for step, index in enumerate(indices):
        chunks = stored.chunks(0, variable.name, index, [position for position, _, _ in parts])
        for found, (_, target, source) in zip(chunks, parts, strict=True):
            if is_stopped():
                raise StoppedError
            codes[step][target] = found[source]
    return Subset(stored, variable, indices, window, codes)
