"""Tile matrix sets: which pixel of which tile lies where (OGC 17-083r4).

The registered sets come from one table of exact numbers, frozen when this module is imported. Nothing here calls
morecantile, whose ``get`` copies the whole set and rounds bounds. Every coordinate is x first (longitude, easting),
whatever the axis order of the CRS's authority.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from numpy.typing import NDArray


EARTH_RADIUS_M = 6378137.0
METRES_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180.0
"""One degree on the WGS 84 equator: 111319.49079327358 m (OGC 07-057r7, Annex E)."""
PIXEL_SIZE_M = 0.00028
"""The standardised rendering pixel of OGC 07-057r7, 6.1."""
MERCATOR_HALF_WIDTH_M = EARTH_RADIUS_M * math.pi
GLOBE = Bounds(-180.0, -90.0, 180.0, 90.0)

CRS84_URN = "urn:ogc:def:crs:OGC:1.3:CRS84"
WEB_MERCATOR_URN = "urn:ogc:def:crs:EPSG::3857"
GIBS_WEB_MERCATOR_URN = "urn:ogc:def:crs:EPSG:6.18:3:3857"


@dataclass(frozen=True, slots=True)
class TileMatrix:
    """One zoom of a set: a grid of tiles of equal size."""

    identifier: str
    cell_width: float
    """Size of a pixel along x, in units of the CRS."""
    cell_height: float
    """Size of a pixel along y. WMTS can only describe sets in which it equals ``cell_width``."""
    origin_x: float
    """Left edge of column 0."""
    origin_y: float
    """Top edge of row 0."""
    tile_width: int
    """Pixels."""
    tile_height: int
    matrix_width: int
    """Tiles."""
    matrix_height: int
    scale_denominator: float

    def check(self, row: int, col: int) -> None:
        """Check that the matrix has a tile (OGC 07-057r7, Table 24).

        Args:
            row: Row of the tile.
            col: Column of the tile.

        Raises:
            TileOutOfRangeError: It has none.
        """
        for field, value, size in (
            (RequestField.ROW, row, self.matrix_height),
            (RequestField.COLUMN, col, self.matrix_width),
        ):
            if not 0 <= value < size:
                raise TileOutOfRangeError(field, f"{field} {value} is out of range, it may be 0 to {size - 1}")

    def pixel_xs(self, col: int, count: int = 1, margin_px: int = 0, unit: float = 1.0) -> NDArray[np.float64]:
        """Return x of the pixel centres of neighbouring tiles, with a margin on both sides.

        Web Mercator's pixels are binary fractions of ``METRES_PER_DEGREE``, so in that unit its centres are exact
        longitudes; divided afterwards, a centre on the edge of a cell may come out on either side.

        Args:
            col: Column of the first tile.
            count: Number of tiles.
            margin_px: Width of the margin.
            unit: Length to count in, in units of the CRS.

        Returns:
            Shape (count * tile_width + 2 * margin_px,), float64.
        """
        first, last = col * self.tile_width - margin_px, (col + count) * self.tile_width + margin_px
        return self.origin_x / unit + (np.arange(first, last, dtype=np.float64) + 0.5) * (self.cell_width / unit)

    def pixel_ys(self, row: int, count: int = 1, margin_px: int = 0) -> NDArray[np.float64]:
        """Return y of the pixel centres of neighbouring tiles, with a margin on both sides.

        Args:
            row: Row of the first tile.
            count: Number of tiles.
            margin_px: Width of the margin.

        Returns:
            Shape (count * tile_height + 2 * margin_px,), float64.
        """
        first, last = row * self.tile_height - margin_px, (row + count) * self.tile_height + margin_px
        return self.origin_y - (np.arange(first, last, dtype=np.float64) + 0.5) * self.cell_height

    def enlarged(self, factor: int) -> TileMatrix:
        """Return the matrix of the same tiles with more pixels (``@2x``).

        Args:
            factor: How many times the pixels along each axis.

        Returns:
            The matrix.
        """
        return replace(
            self,
            cell_width=self.cell_width / factor,
            cell_height=self.cell_height / factor,
            tile_width=self.tile_width * factor,
            tile_height=self.tile_height * factor,
        )

    def tile_bounds(self, row: int, col: int) -> Bounds:
        """Return the outer edges of a tile.

        Args:
            row: Row of the tile.
            col: Column of the tile.

        Returns:
            The edges, in units of the CRS.
        """
        width, height = self.tile_width * self.cell_width, self.tile_height * self.cell_height
        west, north = self.origin_x + col * width, self.origin_y - row * height
        return Bounds(west, north - height, west + width, north)


@dataclass(frozen=True, slots=True)
class TileMatrixSet:
    """A CRS and its matrices, coarsest first."""

    identifier: str
    title: str
    crs: str
    """``EPSG:4326`` stands for longitude and latitude here: x is first."""
    supported_crs: str
    """The URN for ows:SupportedCRS, whose axis order TopLeftCorner follows. Empty where the CRS has no code: WMTS
    cannot describe such a set, but it can be served."""
    well_known_scale_set: str | None
    matrices: tuple[TileMatrix, ...]
    bounds: Bounds
    """Pixels whose centre lies outside have no data: the last tiles of GIBS sets reach past the globe, where longitudes
    must not repeat. The edges of the matrices where the set states no others."""
    is_native: bool = False
    """Whether this is a dataset's own grid: then a pixel is a cell."""

    @property
    def has_square_pixels(self) -> bool:
        """Whether pixels are as wide as high, which WMTS needs: it has one scale per matrix."""
        return all(math.isclose(m.cell_width, m.cell_height, rel_tol=1e-9) for m in self.matrices)

    @property
    def fits_wmts(self) -> bool:
        """Whether a WMTS capabilities document can describe this set."""
        return self.has_square_pixels and bool(self.supported_crs)

    def matrix(self, identifier: str) -> TileMatrix:
        """Return a matrix.

        Args:
            identifier: Its name.

        Returns:
            The matrix.

        Raises:
            InvalidParameterError: The set has no such matrix.
        """
        for matrix in self.matrices:
            if matrix.identifier == identifier:
                return matrix
        allowed = f"{self.matrices[0].identifier} to {self.matrices[-1].identifier}"
        raise InvalidParameterError(
            RequestField.TILE_MATRIX, f"tile matrix {identifier!r} is not in {self.identifier}, it may be {allowed}"
        )


def metres_per_unit(crs: str) -> float:
    """Return the length of a unit of a CRS on the equator (OGC 07-057r7, 6.1).

    Args:
        crs: The CRS.

    Returns:
        Metres.
    """
    if crs in ("EPSG:4326", "EPSG:3857"):
        return METRES_PER_DEGREE if crs == "EPSG:4326" else 1.0
    return _known_unit(crs)


def _unit(crs: str) -> float:
    axis = pyproj.CRS.from_user_input(crs).axis_info[0]
    factor = float(axis.unit_conversion_factor) or 1.0
    return factor * EARTH_RADIUS_M if axis.unit_name == "degree" else factor


_known_unit = process.memo(_unit)


def _quad_matrices(
    crs: str, top_cell_size: float, origin: tuple[float, float], tile: int, sizes: tuple[tuple[int, int], ...]
) -> tuple[TileMatrix, ...]:
    """Return matrices whose pixels halve from one to the next; ``sizes`` are widths and heights in tiles."""
    matrices = []
    # Sets are made at import, where no cache exists.
    unit_m = METRES_PER_DEGREE if crs == "EPSG:4326" else _unit(crs)
    for zoom, (width, height) in enumerate(sizes):
        cell = top_cell_size / (1 << zoom)
        scale = cell * unit_m / PIXEL_SIZE_M
        matrices.append(TileMatrix(str(zoom), cell, cell, *origin, tile, tile, width, height, scale))
    return tuple(matrices)


def _gibs_geographic(identifier: str, last_zoom: int) -> TileMatrixSet:
    # 0.5625 degrees per pixel at zoom 0, so 288 degrees per tile: the globe is not a whole number of tiles.
    sizes = tuple((math.ceil(360 * 2**zoom / 288), math.ceil(180 * 2**zoom / 288)) for zoom in range(last_zoom + 1))
    matrices = _quad_matrices("EPSG:4326", 0.5625, (-180.0, 90.0), 512, sizes)
    title = f"GIBS geographic, {identifier} at the finest"
    return TileMatrixSet(identifier, title, "EPSG:4326", CRS84_URN, None, matrices, GLOBE)


def _web_mercator(identifier: str, title: str, last_zoom: int, urn: str) -> TileMatrixSet:
    cell = 2 * MERCATOR_HALF_WIDTH_M / 256
    origin = (-MERCATOR_HALF_WIDTH_M, MERCATOR_HALF_WIDTH_M)
    matrices = _quad_matrices("EPSG:3857", cell, origin, 256, tuple((1 << z, 1 << z) for z in range(last_zoom + 1)))
    half = MERCATOR_HALF_WIDTH_M
    wkss = "urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible"
    return TileMatrixSet(identifier, title, "EPSG:3857", urn, wkss, matrices, Bounds(-half, -half, half, half))


def _world_crs84_quad(last_zoom: int) -> TileMatrixSet:
    sizes = tuple((2 << z, 1 << z) for z in range(last_zoom + 1))
    matrices = _quad_matrices("EPSG:4326", 0.703125, (-180.0, 90.0), 256, sizes)
    # No WellKnownScaleSet: GoogleCRS84Quad starts one scale earlier, and a set must use all from the largest on.
    return TileMatrixSet("WorldCRS84Quad", "CRS84 for the world", "EPSG:4326", CRS84_URN, None, matrices, GLOBE)


def _gibs_polar(epsg: int, name: str, half_width_m: float, last_zoom: int) -> TileMatrixSet:
    crs = f"EPSG:{epsg}"
    sizes = tuple((2 << zoom, 2 << zoom) for zoom in range(last_zoom + 1))
    matrices = _quad_matrices(crs, half_width_m / 512, (-half_width_m, half_width_m), 512, sizes)
    extent = Bounds(-half_width_m, -half_width_m, half_width_m, half_width_m)
    # GIBS names these ``1km`` and so on at an endpoint of their own; here all sets share one list of names.
    title = f"GIBS polar stereographic {crs}, {name} at the finest"
    return TileMatrixSet(f"EPSG{epsg}_{name}", title, crs, f"urn:ogc:def:crs:EPSG::{epsg}", None, matrices, extent)


_GIBS_POLAR = (
    *((epsg, name, 4194304.0, zoom) for epsg in (3413, 3031) for name, zoom in (("1km", 3), ("500m", 4), ("250m", 5))),
    (3413, "31.25m", 4194304.0, 8),
    *((epsg, "1.5km", 12400000.0, 4) for epsg in (3413, 3031)),
)
_GIBS_GEOGRAPHIC = {"16km": 2, "2km": 5, "1km": 6, "500m": 7, "250m": 8, "31.25m": 11, "15.625m": 12}
_GIBS_MERCATOR_LEVELS = (3, 6, 7, 8, 9, 12, 13)


def _registered() -> dict[str, TileMatrixSet]:
    sets = [
        _web_mercator("WebMercatorQuad", "Google Maps Compatible for the world", 24, WEB_MERCATOR_URN),
        _world_crs84_quad(23),
        *(_gibs_geographic(name, zoom) for name, zoom in _GIBS_GEOGRAPHIC.items()),
        *(
            _web_mercator(
                f"GoogleMapsCompatible_Level{zoom}", f"GIBS Web Mercator to zoom {zoom}", zoom, GIBS_WEB_MERCATOR_URN
            )
            for zoom in _GIBS_MERCATOR_LEVELS
        ),
        *(_gibs_polar(*definition) for definition in _GIBS_POLAR),
    ]
    return {tms.identifier: tms for tms in sets}


REGISTERED: dict[str, TileMatrixSet] = _registered()
"""The sets that every capabilities document may name, by identifier. ``registry`` has more."""
