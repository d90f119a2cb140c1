"""Where pixels lie along one axis of a grid, and everything that follows from it: kept for all who share the axis.

Tiles of a row of a matrix share their rows and those of a column their columns, whatever the time, variable or style.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.core.grid import cells_of
from lazytile.pyramid.render.read_plan import AxisCells
from lazytile.pyramid.render.resampling import taps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.render.resampling import AxisBlend, Resampling


@dataclass(frozen=True, slots=True, eq=False)
class AxisLocation:
    """Pixels along one axis of a level. It is shared, so its arrays are read-only."""

    position: NDArray[np.float64]
    """Shape (pixels,): in cells of the level, the centre of cell i is i + 0.5; NaN where there is no data."""
    covered: NDArray[np.float64] | None
    """Shape (pixels,): cells that each pixel covers; None where nobody asked."""
    cells: AxisCells
    """The cell under each centre."""
    _blends: dict[tuple[Resampling, int, bool], AxisBlend] = field(default_factory=dict)

    @classmethod
    def of(cls, position: NDArray[np.float64], covered: NDArray[np.float64] | None) -> AxisLocation:
        """Return the axis of pixels at these positions; takes the arrays as its own."""
        cells = cells_of(position)
        for array in (position, covered, cells):
            if array is not None:
                array.flags.writeable = False
        return cls(position, covered, AxisCells(cells))

    def blend(self, method: Resampling, length: int, *, wraps: bool) -> AxisBlend:
        """Return what the pixels are made of on an axis of so many cells, as ``resampling.taps`` gives it."""
        key = (method, length, wraps)
        found = self._blends.get(key)
        if found is None:
            # Two threads may both make it; they are the same.
            found = taps(method, self.position, self.covered, length, wraps=wraps).compact(length)
            self._blends[key] = found
        return found

    @property
    def nbytes(self) -> int:
        """Bytes in memory, with one blend of the few taps that are usual."""
        return self.position.nbytes * 8 + self.cells.nbytes
