"""Where the cells of a regular grid lie on the Earth.

A grid is two axes in a coordinate reference system. Rows run from north to south and columns from west to east:
the converter turns a source that runs otherwise. Everything here is in the units of the CRS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_CIRCLE = 360.0
GEOGRAPHIC_CODES = frozenset({"EPSG:4326", "OGC:CRS84"})
"""The CRSs in which x is a longitude in degrees and every point is also at x + 360."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of an array of cells or pixels."""

    rows: int
    cols: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The outer edges of an area, in the units of its CRS. ``east`` may be past 180 degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about: an object and four floats."""
        return 160


@process.memo
def _is_angular(crs: str) -> bool:
    """Return whether a CRS counts in degrees. Raises ``StoreError`` for an unknown CRS."""
    try:
        known = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise StoreError(f"the CRS {crs[:80]!r} is not known") from error
    return bool(known.is_geographic) and known.axis_info[0].unit_name == "degree"


def cells_of(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the cell in which each position lies.

    Args:
        positions: Any shape, float64, in cells from the first edge.

    Returns:
        Same shape, int64; -1 for NaN.
    """
    return np.where(np.isnan(positions), -1.0, np.floor(positions)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class RegularAxis:
    """Cells of equal size along one coordinate."""

    first_edge: float
    """Coordinate of the outer edge of cell 0."""
    cell_size: float
    """Signed: negative where the coordinate falls as the index grows (north-up rows)."""
    length: int
    """Number of cells."""

    def __post_init__(self) -> None:
        if self.cell_size == 0 or not np.isfinite([self.first_edge, self.cell_size]).all():
            raise StoreError(f"cell size must be finite and not 0, got {self.cell_size} from {self.first_edge}")
        if self.length < 1:
            raise StoreError(f"an axis has at least one cell, got {self.length}")

    @property
    def last_edge(self) -> float:
        """Coordinate of the outer edge of the last cell."""
        return self.first_edge + self.cell_size * self.length

    def centres(self) -> NDArray[np.float64]:
        """Return the centre of each cell, shape (length,), float64."""
        return self.first_edge + (np.arange(self.length, dtype=np.float64) + 0.5) * self.cell_size

    def position_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position of each coordinate in cells from the first edge.

        The centre of cell i is at i + 0.5. Position i, an edge, belongs to cell i, so that neighbouring tiles never
        share a pixel.

        Args:
            coordinates: Any shape, float64.

        Returns:
            Same shape, float64; NaN outside the axis, for NaN and for infinity.
        """
        with np.errstate(invalid="ignore"):
            position = (coordinates - self.first_edge) / self.cell_size
            return np.where((position >= 0) & (position < self.length), position, np.nan)

    def index_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the cell that holds each coordinate.

        Args:
            coordinates: Any shape, float64.

        Returns:
            Same shape, int64; -1 outside the axis.
        """
        return cells_of(self.position_of(coordinates))

    def coarsen(self, level: int) -> RegularAxis:
        """Return the axis of a level of the pyramid.

        Args:
            level: The level.

        Returns:
            The axis of cells 2**level times as large, the last one ragged.
        """
        factor = 1 << level
        return RegularAxis(self.first_edge, self.cell_size * factor, -(-self.length // factor))


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of cells: rows from north to south, columns from west to east."""

    crs: str
    """``EPSG:4326`` for longitude and latitude, else an authority code, WKT or PROJ text. x is always first here."""
    x: RegularAxis
    y: RegularAxis

    def __post_init__(self) -> None:
        if self.x.cell_size < 0 or self.y.cell_size > 0:
            raise StoreError("a grid has columns from west to east and rows from north to south")

    @property
    def is_geographic(self) -> bool:
        """Whether x is a longitude and y a latitude, in degrees."""
        return self.crs in GEOGRAPHIC_CODES

    @property
    def is_angular(self) -> bool:
        """Whether x is an angle in degrees, so that every point is also at x + 360 (rotated poles too)."""
        return self.is_geographic or _is_angular(self.crs)

    @property
    def shape(self) -> Shape:
        """Cells in rows and columns."""
        return Shape(self.y.length, self.x.length)

    @property
    def bounds(self) -> Bounds:
        """Outer edges of the cells. Rows centred on a pole reach past it; nothing is clipped here."""
        return Bounds(self.x.first_edge, self.y.last_edge, self.x.last_edge, self.y.first_edge)

    @property
    def is_full_circle(self) -> bool:
        """Whether the columns cover the whole circle."""
        return self.is_angular and self.x.cell_size * self.x.length >= FULL_CIRCLE * (1 - 1e-9)

    def col_positions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position of each x in columns. Longitudes are normalised to the grid's circle.

        Args:
            x: Any shape, float64, in units of the CRS.

        Returns:
            Same shape, float64; NaN outside the grid.
        """
        if self.is_angular:
            with np.errstate(invalid="ignore"):
                x = x - FULL_CIRCLE * np.floor((x - self.x.first_edge) / FULL_CIRCLE)
        position = self.x.position_of(x)
        if self.is_full_circle:
            # Just west of column 0, rounding may take a longitude past the last column; a circle has no gap.
            position[np.isnan(position) & np.isfinite(x)] = self.x.length - 0.5
        return position

    def row_positions(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position of each y in rows.

        Args:
            y: Any shape, float64, in units of the CRS.

        Returns:
            Same shape, float64; NaN outside the grid.
        """
        return self.y.position_of(y)

    def cols_of(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the column that holds each x. Longitudes are normalised to the grid's circle.

        Args:
            x: Any shape, float64, in units of the CRS.

        Returns:
            Same shape, int64; -1 outside the grid.
        """
        return cells_of(self.col_positions(x))

    def rows_of(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the row that holds each y.

        Args:
            y: Any shape, float64, in units of the CRS.

        Returns:
            Same shape, int64; -1 outside the grid.
        """
        return cells_of(self.row_positions(y))

    def shape_at(self, level: int) -> Shape:
        """Return the cells of a level of the pyramid in rows and columns.

        Args:
            level: The level.

        Returns:
            As ``coarsen(level).shape``.
        """
        return Shape(-(-self.y.length >> level), -(-self.x.length >> level))

    def coarsen(self, level: int) -> Grid:
        """Return the grid of a level of the pyramid.

        Args:
            level: The level.

        Returns:
            The grid; its last row and column may reach past this grid's edge.
        """
        return Grid(self.crs, self.x.coarsen(level), self.y.coarsen(level))
