"""The nearest cell of a mesh for each cell of a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.fetch.source_url import path_or_url, source_stamp
from lazytile.pyramid.sources.formats.container import open_group
from lazytile.pyramid.sources.grids.regrid import CellCentres, new_centres, new_maps
from lazytile.pyramid.sources.meshes.centres import Centres, check_scipy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.store.layout import Range


@dataclass(frozen=True, slots=True)
class MeshResampling:
    """Which cells of a mesh a regular grid consists of. Holds plain values, so it can be sent to any process."""

    path: str
    engine: str
    group: str
    centres: Centres
    source_cols: int
    """Number of cells: they count as the columns of one row."""
    grid: Grid

    def source_cells(self, rows: Range, cols: Range, version: str = "") -> NDArray[np.int64]:
        """Return the cell of the mesh at each cell of a block: the one whose centre is nearest, if it reaches there.

        Args:
            rows: Range of rows.
            cols: Range of columns.
            version: Of a remote source.

        Returns:
            Numbers of cells, shape (rows, cols) of the block; -1 where there is none.
        """
        source = (self.path, source_stamp(self.path), version)
        maps: BytesLru[NDArray[np.int64]] = process.current().resource("maps of source cells", new_maps)
        return maps.get((self, source, rows, cols), lambda: self._cells(source).nearest(self.grid, rows, cols))

    def _cells(self, source: tuple[object, ...]) -> CellCentres:
        """Return the cells of the mesh; those of the last one are cached."""
        centres: BytesLru[CellCentres] = process.current().resource("centres of source cells", new_centres)
        return centres.get((source, self.group, self.centres), self._read)

    def _read(self) -> CellCentres:
        check_scipy()
        group = open_group(path_or_url(self.path), self.engine, self.group)
        try:
            return CellCentres(*self.centres.read(group))
        finally:
            group.close()
