"""The nearest cell of a mesh for each cell of a regular grid."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.grid import FULL_CIRCLE, Grid
from lazytile.pyramid.fetch.source_url import path_or_url
from lazytile.pyramid.sources.formats.container import open_group
from lazytile.pyramid.sources.meshes.centres import Centres, check_scipy, spatial, unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.store.layout import Range

_STRIP_CELLS = 1 << 19
_CACHED_MAPS = 2


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

    def source_cells(self, rows: Range, cols: Range) -> NDArray[np.int64]:
        """Return the cell of the mesh at each cell of a block: the one whose centre is nearest, if it reaches there.

        Args:
            rows: Range of rows.
            cols: Range of columns.

        Returns:
            Numbers of cells, shape (rows, cols) of the block; -1 where there is none.
        """
        return process.current().resource("maps of mesh cells", _Maps).get(self, rows, cols)


class _Maps:
    """The last maps made in this process, and the cells of the last mesh."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: dict[tuple[MeshResampling, Range, Range], NDArray[np.int64]] = {}
        self._cells: tuple[tuple[str, str, Centres], _Cells] | None = None

    def get(self, resampling: MeshResampling, rows: Range, cols: Range) -> NDArray[np.int64]:
        key = (resampling, rows, cols)
        with self._lock:
            found = self._maps.pop(key, None)
            if found is None:
                found = self._cells_of(resampling).nearest(resampling.grid, rows, cols)
            self._maps[key] = found
            while len(self._maps) > _CACHED_MAPS:
                self._maps.pop(next(iter(self._maps)))
            return found

    def _cells_of(self, resampling: MeshResampling) -> _Cells:
        key = (resampling.path, resampling.group, resampling.centres)
        if self._cells is None or self._cells[0] != key:
            group = open_group(path_or_url(resampling.path), resampling.engine, resampling.group)
            self._cells = key, _Cells(*resampling.centres.read(group))
        return self._cells[1]


class _Cells:
    """The centres of a mesh's cells, and how far each of them reaches."""

    def __init__(self, lat: NDArray[np.float64], lon: NDArray[np.float64], reach: NDArray[np.float64]) -> None:
        check_scipy()
        self._lat, self._lon = lat, lon
        self._reach = np.where(np.isfinite(lat) & np.isfinite(lon), reach, np.nan)
        self._farthest = float(np.nanmax(self._reach, initial=0.0))

    def nearest(self, grid: Grid, rows: Range, cols: Range) -> NDArray[np.int64]:
        lats, lons = grid.y.centres()[slice(*rows)], grid.x.centres()[slice(*cols)]
        found = np.full((lats.size, lons.size), -1, np.int64)
        near = self._near(lats, lons)
        if near.size == 0:
            return found
        tree = spatial.cKDTree(unit_vectors(self._lat[near], self._lon[near]))
        reach = self._reach[near]
        step = max(1, _STRIP_CELLS // lons.size)
        for top in range(0, lats.size, step):
            points = unit_vectors(*np.meshgrid(lats[top : top + step], lons, indexing="ij"))
            distance, index = tree.query(points, distance_upper_bound=self._farthest * (1 + 1e-9) + 1e-12)
            there = index < near.size
            there[there] = distance[there] <= reach[index[there]]
            strip = found[top : top + step]
            strip[there] = near[index[there]]
        return found

    def _near(self, lats: NDArray[np.float64], lons: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cells that may reach a block."""
        pad = math.degrees(2 * math.asin(min(1.0, self._farthest / 2))) + 1e-6
        with np.errstate(invalid="ignore"):
            near = np.isfinite(self._reach) & (self._lat >= lats.min() - pad) & (self._lat <= lats.max() + pad)
            highest = min(90.0, float(np.abs(lats).max()) + pad)
            if highest < 85:
                half = (lons.max() - lons.min()) / 2 + pad / math.cos(math.radians(highest))
                off = np.abs((self._lon - (lons.max() + lons.min()) / 2 + 180) % FULL_CIRCLE - 180)
                near &= off <= half
        return np.flatnonzero(near)
