"""Locations: where the pixels of a block lie in the cells of a level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.grid import cells_of
from lazytile.pyramid.resampling.axis_location import AxisLocation
from lazytile.pyramid.resampling.mesh_plan import MeshPlan, Window
from lazytile.pyramid.resampling.read_plan import AxisPlan

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np
    from numpy.typing import NDArray

WINDOW_CELLS = 1 << 21
"""The largest rectangle of cells that is read for a mesh."""


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """Positions of pixel centres in cells of a level: the centre of cell i is i + 0.5. NaN where there is no data."""

    level: int
    x: NDArray[np.float64]
    """Shape (width,), or (height, width) where ``is_mesh``."""
    y: NDArray[np.float64]
    """Shape (height,), or (height, width) where ``is_mesh``."""
    width_cells: NDArray[np.float64] | None = None
    """Cells that each pixel covers along x, shaped like ``x``; None where the method does not need it."""
    height_cells: NDArray[np.float64] | None = None
    """The same along y, shaped like ``y``."""
    down: AxisLocation | None = None
    """``y`` as cached for all tiles of a row of the matrix."""
    across: AxisLocation | None = None
    """``x`` as cached for all tiles of a column."""
    kept: dict[Hashable, Any] = field(default_factory=dict)
    """What kernels make of a mesh, once."""
    _plan: list[MeshPlan | Window] = field(default_factory=list)
    """The result of ``nearest``, once computed."""

    @property
    def is_mesh(self) -> bool:
        """Whether every pixel has a position of its own."""
        return self.x.ndim == 2

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        arrays = (self.x, self.y, self.width_cells, self.height_cells)
        plan = (self.x, self.y, self.x) if self.is_mesh else ()
        return sum(array.nbytes for array in (*arrays, *plan) if array is not None)

    def rows(self, part: slice) -> Location:
        """Return some rows of pixels.

        Args:
            part: The rows.

        Returns:
            Their location.
        """
        wide, high = self.width_cells, self.height_cells
        y, high = self.y[part], None if high is None else high[part]
        if not self.is_mesh:
            return Location(self.level, self.x, y, wide, high, None, self.across)
        return Location(self.level, self.x[part], y, None if wide is None else wide[part], high)

    def axes(self) -> tuple[AxisLocation, AxisLocation]:
        """Return the rows and columns of pixels, where they are independent."""
        down = self.down or AxisLocation.of(self.y, self.height_cells)
        return down, self.across or AxisLocation.of(self.x, self.width_cells)

    def nearest(self) -> AxisPlan | MeshPlan | Window:
        """Return the plan that shows the cell under each pixel's centre; that of a mesh is computed once."""
        if self.is_mesh:
            if not self._plan:
                mesh = MeshPlan(self.level, cells_of(self.y), cells_of(self.x))
                self._plan.append(mesh.window(WINDOW_CELLS) or mesh)
            return self._plan[0]
        if self.down is not None and self.across is not None:
            return AxisPlan(self.level, self.down.cells, self.across.cells)
        return AxisPlan.of(self.level, cells_of(self.y), cells_of(self.x))
