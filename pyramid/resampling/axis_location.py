"""Where pixels lie along one axis of a grid, and what follows from it, shared by all tiles on that axis.

Tiles of one row of a matrix share their rows of pixels, those of one column their columns, whatever the time, variable
or style.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.core.grid import cells_of
from lazytile.pyramid.resampling.read_plan import AxisCells
from lazytile.pyramid.resampling.taps import taps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.resampling.method import Resampling
    from lazytile.pyramid.resampling.taps import AxisBlend


@dataclass(frozen=True, slots=True, eq=False)
class AxisLocation:
    """Pixels along one axis of a level. Tiles share it, so its arrays are read-only."""

    position: NDArray[np.float64]
    """Shape (pixels,): in cells of the level, the centre of cell i is i + 0.5; NaN where there is no data."""
    covered: NDArray[np.float64] | None
    """Shape (pixels,): cells that each pixel covers; None where the method does not need it."""
    cells: AxisCells
    """The cell under each centre."""
    _blends: dict[tuple[Resampling, int, bool], AxisBlend] = field(default_factory=dict)

    @classmethod
    def of(cls, position: NDArray[np.float64], covered: NDArray[np.float64] | None) -> AxisLocation:
        """Return the axis of pixels at some positions.

        Args:
            position: Shape (pixels,), float64, in cells of the level; NaN where there is no data. Becomes read-only.
            covered: Shape (pixels,), float64, cells that each pixel covers, or None. Becomes read-only.

        Returns:
            The axis.
        """
        cells = cells_of(position)
        for array in (position, covered, cells):
            if array is not None:
                array.flags.writeable = False
        return cls(position, covered, AxisCells(cells))

    def blend(self, method: Resampling, length: int, *, wraps: bool) -> AxisBlend:
        """Return the cells that contribute to each pixel, and their weights.

        Args:
            method: How pixels are resampled.
            length: Number of cells of the axis.
            wraps: Whether the last cell's neighbour is the first.

        Returns:
            The result of ``resampling.taps``, computed once.
        """
        key = (method, length, wraps)
        found = self._blends.get(key)
        if found is None:
            # Two threads may both compute it; the results are equal.
            found = taps(method, self.position, self.covered, length, wraps=wraps).compact(length)
            self._blends[key] = found
        return found

    @property
    def nbytes(self) -> int:
        """Bytes in memory, including one blend of a few taps and the tables that a kernel makes of it."""
        return self.position.nbytes * 16 + self.cells.nbytes
