"""Regions of the Earth, and the cells of a grid in them: a region contains a cell if it contains its centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds, RegularAxis
from lazytile.pyramid.tiling.reprojection import latitude_of, transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid

EARTH_AREA_RADIUS_M = 6371007.181
"""Radius of the sphere with the area of the WGS 84 ellipsoid."""
_COMPARED = 1 << 20
"""Pairs of a row and an edge that are compared at a time."""
DENSE_DEGREES = 0.5
"""Longest piece of an edge that is projected as a straight line."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Rings of longitude and latitude. A point is inside if an odd number of rings contain it, so holes are rings."""

    rings: tuple[NDArray[np.float64], ...]
    """Each of shape (points, 2), degrees; the last point is joined to the first. 360 degrees wide at most."""

    @classmethod
    def of_bounds(cls, bounds: Bounds) -> Region:
        """Return a box; its west and south edges belong to it, its east and north edges do not.

        Args:
            bounds: The box, degrees.

        Returns:
            A region of one ring.
        """
        west, south, east, north = bounds.west, bounds.south, bounds.east, bounds.north
        return cls((np.array([[west, south], [east, south], [east, north], [west, north]]),))

    @property
    def bounds(self) -> Bounds:
        """The box around the region, degrees."""
        points = np.concatenate(self.rings)
        west, south = points.min(axis=0).tolist()
        east, north = points.max(axis=0).tolist()
        return Bounds(west, south, east, north)

    @property
    def extent_share(self) -> float:
        """Share of all longitudes and latitudes that the box around the region has, 0 to 1."""
        points = np.concatenate(self.rings)
        width, height = np.ptp(points, axis=0)
        return float(min(1.0, width / FULL_CIRCLE) * min(1.0, height / (FULL_CIRCLE / 2)))


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The edges of a region in the CRS of a grid, each array of shape (edges,)."""

    x1: NDArray[np.float64]
    y1: NDArray[np.float64]
    x2: NDArray[np.float64]
    y2: NDArray[np.float64]

    @property
    def bounds(self) -> Bounds:
        """Outer bounds of the region."""
        return Bounds(float(self.x1.min()), float(self.y1.min()), float(self.x1.max()), float(self.y1.max()))

    def shifted(self, x: float) -> Edges:
        """Return the edges shifted along x.

        Args:
            x: Distance, in units of the CRS.

        Returns:
            The shifted edges.
        """
        return Edges(self.x1 + x, self.y1, self.x2 + x, self.y2)

    def mask(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points of a mesh are inside.

        A point on an edge belongs to the region to its east or north, so adjacent regions share none.

        Args:
            xs: Ascending x coordinates, shape (cols,), float64.
            ys: Y coordinates, shape (rows,), float64.

        Returns:
            Shape (rows, cols), bool.
        """
        inside = np.zeros((ys.size, xs.size), np.bool_)
        step = max(1, _COMPARED // max(1, self.y1.size))
        for top in range(0, ys.size, step):
            y = ys[top : top + step, None]
            row, edge = np.nonzero((self.y1 <= y) != (self.y2 <= y))
            x1, y1 = self.x1[edge], self.y1[edge]
            at = x1 + (y[row, 0] - y1) / (self.y2[edge] - y1) * (self.x2[edge] - x1)
            # Where a row crosses an edge, all columns from there on change sides.
            turns = np.bincount(row * (xs.size + 1) + np.searchsorted(xs, at), minlength=y.size * (xs.size + 1))
            turned: NDArray[np.bool_] = turns.reshape(y.size, xs.size + 1)[:, :-1] & 1 != 0
            inside[top : top + step] = np.logical_xor.accumulate(turned, axis=1)
        return inside


def edges_on(region: Region, grid: Grid) -> list[Edges]:
    """Return a region's edges in the CRS of a grid.

    Args:
        region: The region.
        grid: The grid.

    Returns:
        One copy for each full turn of longitude in which the region reaches the grid.
    """
    found = [_ring_edges(ring, grid) for ring in region.rings]
    edges = Edges(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    if not grid.is_geographic:
        return [edges]
    west, east = grid.bounds.west, grid.bounds.east
    first = int(np.floor((west - edges.bounds.east) / FULL_CIRCLE))
    last = int(np.ceil((east - edges.bounds.west) / FULL_CIRCLE))
    copies = [edges.shifted(turn * FULL_CIRCLE) for turn in range(first, last + 1)]
    return [copy for copy in copies if copy.bounds.east > west and copy.bounds.west < east]


def _ring_edges(ring: NDArray[np.float64], grid: Grid) -> tuple[NDArray[np.float64], ...]:
    if grid.is_geographic:
        x, y = ring[:, 0], ring[:, 1]
    else:
        longitudes, latitudes = _dense(ring)
        x, y = transform("EPSG:4326", grid.crs, longitudes, latitudes)
        shown = np.isfinite(x) & np.isfinite(y)
        x, y = x[shown], y[shown]
        if x.size == 0:
            x = y = np.zeros(1)
    return x, y, np.roll(x, -1), np.roll(y, -1)


def _dense(ring: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points of a ring with further ones between, so that projected edges curve as they should."""
    following = np.roll(ring, -1, axis=0)
    pieces = np.ceil(np.abs(following - ring).max(axis=1) / DENSE_DEGREES).astype(int).clip(1)
    start = np.repeat(ring, pieces, axis=0)
    step = np.repeat((following - ring) / pieces[:, None], pieces, axis=0)
    index = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    points = start + step * index[:, None]
    return points[:, 0], points[:, 1]


@dataclass(frozen=True, slots=True)
class CellAxis:
    """The cells of an axis at a level, clipped at the edge of the data."""

    axis: RegularAxis
    """Of level 0."""
    level: int

    @property
    def length(self) -> int:
        """Number of cells."""
        return self.axis.coarsen(self.level).length

    def edges(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the edges of a run of cells.

        Args:
            first: The first cell.
            last: The cell after the last one.

        Returns:
            Coordinates, shape (cells + 1,), float64.
        """
        at = np.minimum(np.arange(first, last + 1) << self.level, self.axis.length)
        return np.asarray(self.axis.first_edge + at * self.axis.cell_size, np.float64)

    def cells_between(self, low: float, high: float) -> tuple[int, int]:
        """Return the cells that overlap an interval.

        Args:
            low: One end, in units of the CRS.
            high: The other end.

        Returns:
            The first cell and the one after the last.
        """
        size = self.axis.cell_size * (1 << self.level)
        ends = sorted(((low - self.axis.first_edge) / size, (high - self.axis.first_edge) / size))
        first, last = np.clip([np.floor(ends[0]), np.ceil(ends[1])], 0, self.length).astype(int).tolist()
        return first, max(first, last)


def cell_areas(grid: Grid, x_edges: NDArray[np.float64], y_edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas of cells on the Earth.

    Exact on the sphere for longitude/latitude and Web Mercator; elsewhere from the projection's areal scale at the
    centre of each cell.

    Args:
        grid: The grid, for its CRS.
        x_edges: Edges of the columns, shape (cols + 1,), float64.
        y_edges: Edges of the rows, shape (rows + 1,), float64.

    Returns:
        Square metres, shape (rows, cols), float64; 0 for a cell that is not on the Earth.
    """
    if grid.is_geographic or grid.crs == "EPSG:3857":
        latitudes = np.clip(y_edges if grid.is_geographic else latitude_of(y_edges), -90.0, 90.0)
        to_degrees = 1.0 if grid.is_geographic else FULL_CIRCLE / (2 * np.pi * 6378137.0)
        bands = np.abs(np.diff(np.sin(np.radians(latitudes))))
        widths = np.radians(np.abs(np.diff(x_edges)) * to_degrees)
        return np.asarray(EARTH_AREA_RADIUS_M**2 * bands[:, None] * widths[None, :], np.float64)
    x, y = (x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2
    longitudes, latitudes = transform(grid.crs, "EPSG:4326", *np.meshgrid(x, y))
    flat = np.abs(np.diff(y_edges))[:, None] * np.abs(np.diff(x_edges))[None, :]
    metres = pyproj.CRS.from_user_input(grid.crs).axis_info[0].unit_conversion_factor or 1.0
    on_earth = np.isfinite(longitudes) & np.isfinite(latitudes)
    scale = pyproj.Proj(grid.crs).get_factors(
        np.where(on_earth, longitudes, 0.0), np.where(on_earth, latitudes, 0.0), errcheck=False
    ).areal_scale  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = np.where(on_earth, flat * metres**2 / np.asarray(scale, np.float64), 0.0)
    return np.where(np.isfinite(areas), areas, 0.0)
