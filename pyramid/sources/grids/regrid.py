"""Resampling of curvilinear grids and swaths to a regular grid, once, at conversion.

A cell of the regular grid takes the code of the source cell whose centre is nearest on the sphere, if it lies within
``REACH`` of half the diagonal of that source cell, else no data. So no value arises that the source does not hold,
classes and packed integers remain unchanged, and gaps between swaths remain gaps. A k-d tree of SciPy (the extra
``regrid``) finds the nearest centre.

Memory: the latitudes and longitudes of the source (20 bytes a cell), a tree of the cells near each block in progress,
and up to ``_CACHED_MAP_BYTES`` of maps. What is cached is told apart by the file's size, time and inode, so that a file
overwritten in place is read anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Grid, RegularAxis
from lazytile.pyramid.fetch.source_url import path_or_url, source_stamp
from lazytile.pyramid.sources.formats.container import open_group
from lazytile.pyramid.sources.grids.places import Places, unit_vectors
from lazytile.pyramid.sources.grids.scipy_spatial import scipy_spatial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.store.layout import Range

REACH = 1.2
"""How far from its centre a source cell reaches, in halves of its diagonal: a little over 1 closes seams."""
_SAMPLE_CELLS = 1 << 20
_TIED = 16
"""Cells that may be equally near: two or three, each of them twice where a grid overlaps itself."""
_STRIP_CELLS = 1 << 19
_LON_BINS = 7200
_CACHED_MAP_BYTES = 768 << 20
"""One map of the largest block, ``MAX_BLOCK_BYTES`` of one-byte codes; of usual blocks, one for each of six threads."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """Which source cells a regular grid consists of. Holds plain values, so it can be sent to any process."""

    path: str
    engine: str
    places: Places
    source_cols: int
    """Columns of the source, by which flat indices are divided."""
    grid: Grid

    def source_cells(self, rows: Range, cols: Range, version: str = "") -> NDArray[np.int64]:
        """Return the source cell of each cell of a block.

        The maps of the last blocks are cached, since every variable and step needs them.

        Args:
            rows: Range of rows.
            cols: Range of columns.
            version: Of a remote source.

        Returns:
            Flat indices, shape (rows, cols) of the block; -1 where there is none.
        """
        source = (self.path, source_stamp(self.path), version)
        maps: BytesLru[NDArray[np.int64]] = process.current().resource("maps of source cells", new_maps)
        return maps.get((self, source, rows, cols), lambda: self._cell_centres(source).nearest(self.grid, rows, cols))

    def _cell_centres(self, source: tuple[object, ...]) -> CellCentres:
        """Return the cell centres of the source; those of the last one are cached."""
        centres: BytesLru[CellCentres] = process.current().resource("centres of source cells", new_centres)
        return centres.get((source, self.places), self._read_centres)

    def _read_centres(self) -> CellCentres:
        group = open_group(path_or_url(self.path), self.engine, self.places.group)
        try:
            return CellCentres(*self.places.read(group))
        finally:
            group.close()


def new_maps() -> BytesLru[NDArray[np.int64]]:
    """Return the cache of maps. Threads that need the same one wait for it, others do not."""
    return BytesLru(_CACHED_MAP_BYTES, lambda cells: cells.nbytes)


def new_centres() -> BytesLru[CellCentres]:
    """Return the cache of one source's cell centres."""
    return BytesLru(1, lambda _: 1)


class CellCentres:
    """The centres of the source's cells, and how far each of them reaches."""

    def __init__(
        self, lat: NDArray[np.float64], lon: NDArray[np.float64], reach: NDArray[np.float64] | None = None
    ) -> None:
        """Prepare the search.

        Args:
            lat: Latitudes, degrees, any shape.
            lon: Longitudes, degrees, the same shape.
            reach: Chord of the unit sphere that each cell reaches from its centre; None: by the neighbours along rows
                and columns.
        """
        self._lat, self._lon = lat.ravel(), lon.ravel()
        self._reach = (_reaches(lat, lon) if reach is None else reach.astype(np.float64)).ravel()
        self._reach[~(np.isfinite(self._lat) & np.isfinite(self._lon))] = np.nan
        self._farthest = float(np.nanmax(self._reach, initial=0.0))

    def nearest(self, grid: Grid, rows: Range, cols: Range) -> NDArray[np.int64]:
        """Return the nearest source cell of each cell of a block.

        Args:
            grid: The regular grid.
            rows: Range of rows.
            cols: Range of columns.

        Returns:
            Flat indices, shape (rows, cols) of the block; -1 where no cell reaches.
        """
        lats, lons = grid.y.centres()[slice(*rows)], grid.x.centres()[slice(*cols)]
        found = np.full((lats.size, lons.size), -1, np.int64)
        near = self._near(lats, lons)
        if near.size == 0:
            return found
        spatial: Any = scipy_spatial()
        tree = spatial.cKDTree(unit_vectors(self._lat[near], self._lon[near]))
        reach = self._reach[near]
        step = max(1, _STRIP_CELLS // lons.size)
        for top in range(0, lats.size, step):
            points = unit_vectors(*np.meshgrid(lats[top : top + step], lons, indexing="ij"))
            distance, index = _nearest(tree, points, self._farthest * (1 + 1e-9) + 1e-12)
            there = index < near.size
            there[there] = distance[there] <= reach[index[there]]
            strip = found[top : top + step]
            strip[there] = near[index[there]]
        return found

    def _near(self, lats: NDArray[np.float64], lons: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the source cells that may reach a block."""
        pad = math.degrees(2 * math.asin(min(1.0, self._farthest / 2))) + 1e-6
        with np.errstate(invalid="ignore"):
            near = np.isfinite(self._reach) & (self._lat >= lats.min() - pad) & (self._lat <= lats.max() + pad)
            highest = min(90.0, np.abs(lats).max() + pad)
            if highest < 85:
                half = (lons.max() - lons.min()) / 2 + pad / math.cos(math.radians(highest))
                off = np.abs((self._lon - (lons.max() + lons.min()) / 2 + 180) % FULL_CIRCLE - 180)
                near &= off <= half
        return np.flatnonzero(near)


def _nearest(tree: Any, points: NDArray[np.float64], limit: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distance and index of the point of a tree that is nearest to each point, of equally near ones the first.

    Which of them a tree finds depends on what else is in it, and thus on the block that is asked for.
    """
    distance, index = tree.query(points, k=2, distance_upper_bound=limit)
    tied = (distance[..., 0] == distance[..., 1]) & np.isfinite(distance[..., 0])
    distance, index = distance[..., 0], index[..., 0]
    if tied.any():
        distances, indices = tree.query(points[tied], k=_TIED, distance_upper_bound=limit)
        index[tied] = np.where(distances == distances[:, :1], indices, tree.n).min(axis=1)
    return distance, index


def _reaches(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each cell reaches from its centre (chord of the unit sphere), by its nearer neighbours."""
    total = np.zeros(lat.shape)
    for axis in (0, 1):
        gaps = _spacings(lat, lon, axis)
        edge = np.full_like(np.take(lat, [0], axis=axis), np.nan)
        both = np.stack([np.concatenate([edge, gaps], axis=axis), np.concatenate([gaps, edge], axis=axis)])
        # The nearer one, since the other may lie across a seam or a gap. A repeated column has no size.
        both[both < 1e-9] = np.nan
        total += np.fmin(both[0], both[1]) ** 2
    return REACH * np.sqrt(total) / 2


def _spacings(lat: NDArray[np.float64], lon: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the chord between neighbours along an axis, by strips of rows, which avoids one large array of vectors."""
    shape = list(lat.shape)
    shape[axis] -= 1
    found = np.empty(shape)
    step = max(1, _STRIP_CELLS // lat.shape[1])
    for top in range(0, shape[0], step):
        stop = min(shape[0], top + step)
        rows = slice(top, stop + (axis == 0))
        found[top:stop] = np.linalg.norm(np.diff(unit_vectors(lat[rows], lon[rows]), axis=axis), axis=-1)
    return found


def regular_grid(lat: NDArray[np.float64], lon: NDArray[np.float64], name: str) -> Grid:
    """Return the longitude/latitude grid over cells, of matching resolution.

    Args:
        lat: Latitudes of cell centres, degrees, shape (rows, cols), NaN where missing.
        lon: Longitudes of cell centres, degrees, shape (rows, cols), NaN where missing.
        name: Of the latitudes, for errors.

    Returns:
        The grid. Its step is the smaller of the median distances between neighbours along rows and along columns.

    Raises:
        SourceError: SciPy is not installed, fewer than four cells have coordinates, or latitudes are out of range.
    """
    if scipy_spatial() is None:
        raise SourceError(
            f"{name} holds the latitude of each cell (a curvilinear grid or a swath); resampling it needs SciPy: "
            "pip install 'lazytile[regrid]'"
        )
    known = np.isfinite(lat) & np.isfinite(lon)
    if min(lat.shape) < 2 or known.sum() < 4:
        raise SourceError(f"{name} holds the latitude of fewer than four cells")
    if np.abs(lat[known]).max() > 90 + 1e-3:
        raise SourceError(f"{name} reaches {np.abs(lat[known]).max():g}; latitudes lie within -90..90 degrees")
    skip = max(1, lat.size // _SAMPLE_CELLS)
    along_rows = _spacings(lat[::skip], lon[::skip], 1)
    pairs = [_spacings(lat[row : row + 2], lon[row : row + 2], 0) for row in range(0, lat.shape[0] - 1, skip)]
    medians = [np.median(gaps[gaps > 1e-9]) for gaps in (along_rows, np.concatenate(pairs)) if (gaps > 1e-9).any()]
    return covering_grid(lat[known], lon[known], math.degrees(min(medians)))


def covering_grid(lat: NDArray[np.float64], lon: NDArray[np.float64], step: float) -> Grid:
    """Return the longitude/latitude grid over points.

    Args:
        lat: Latitudes, degrees, shape (points,), all finite.
        lon: Longitudes, degrees, shape (points,), all finite.
        step: Wanted size of a cell, degrees; the grid's is close to it.

    Returns:
        The grid.
    """
    west, width = _longitudes(lon, step)
    if width >= FULL_CIRCLE:
        step = FULL_CIRCLE / max(1, round(FULL_CIRCLE / step))
    else:
        step = float(f"{step:.2g}")
        west, width = _snapped(west, width, step)
    north = min(90.0, math.ceil((float(lat.max()) + step / 2) / step - 1e-6) * step)
    south = max(-90.0, float(lat.min()) - step / 2)
    rows = max(1, math.ceil((north - south) / step - 1e-6))
    cols = max(1, round(width / step))
    return Grid("EPSG:4326", RegularAxis(west, step, cols), RegularAxis(north, -step, rows))


def _snapped(west: float, width: float, step: float) -> tuple[float, float]:
    """Return the edges of whole cells around longitudes."""
    first = math.floor((west - step / 2) / step + 1e-6)
    last = math.ceil((west + width + step / 2) / step - 1e-6)
    return round(first * step, 10), (last - first) * step


def _longitudes(lon: NDArray[np.float64], step: float) -> tuple[float, float]:
    """Return the western end and the width of all longitudes: what the widest empty part of the circle leaves."""
    bins = max(8, min(_LON_BINS, int(FULL_CIRCLE / (2 * step))))
    filled = np.zeros(bins, bool)
    filled[np.minimum(((lon % FULL_CIRCLE) / FULL_CIRCLE * bins).astype(np.int64), bins - 1)] = True
    full = np.flatnonzero(filled)
    gaps = np.diff(np.append(full, full[0] + bins))
    widest = int(gaps.argmax())
    if gaps[widest] <= 2:
        return -180.0, FULL_CIRCLE
    start = full[(widest + 1) % full.size] * FULL_CIRCLE / bins
    offsets = (lon - start) % FULL_CIRCLE
    west = (start + float(offsets.min()) + 180) % FULL_CIRCLE - 180
    return west, float(offsets.max() - offsets.min())
