"""Coordinates between coordinate reference systems: axes that stay independent, and exact points.

The same CRS, and longitude/latitude to or from Web Mercator, keep the axes independent: two exact vectors. Any other
pair is a surface (``tiling.mesh``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import GEOGRAPHIC_CODES
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.tiling.tms import EARTH_RADIUS_M, METRES_PER_DEGREE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PixelAxis:
    """Neighbouring pixels of a matrix along x or y."""

    origin: float
    """Coordinate of the outer edge of the matrix's pixel 0."""
    step: float
    """Signed size of a pixel."""
    first: int
    """Number of the first pixel, counted from the origin."""
    count: int

    def at(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the coordinates of pixel centres.

        Args:
            pixels: Numbers of pixels from the origin, any shape; they may be fractional.

        Returns:
            Same shape, float64, in units of the CRS.
        """
        return np.asarray(self.origin + (pixels + 0.5) * self.step, np.float64)

    def centres(self) -> NDArray[np.float64]:
        """Return the coordinates of the pixel centres, shape (count,), float64."""
        return self.at(np.arange(self.first, self.first + self.count, dtype=np.float64))

    def edges(self) -> NDArray[np.float64]:
        """Return the coordinates of the edges of the pixels, shape (count + 1,), float64."""
        return self.at(np.arange(self.first, self.first + self.count + 1, dtype=np.float64) - 0.5)


def keeps_axes_apart(tile_crs: str, data_crs: str) -> bool:
    """Return whether x depends on x only, and y on y only, between two CRSs.

    Args:
        tile_crs: CRS of the tile.
        data_crs: CRS of the data.

    Returns:
        True for equal CRSs, and for longitude/latitude and Web Mercator.
    """
    tile_crs, data_crs = _plain(tile_crs), _plain(data_crs)
    return tile_crs == data_crs or {tile_crs, data_crs} == {"EPSG:4326", "EPSG:3857"}


def _plain(crs: str) -> str:
    """Return one name for longitude and latitude: x is always first here, so both codes mean the same."""
    return "EPSG:4326" if crs in GEOGRAPHIC_CODES else crs


def map_x(tile_crs: str, data_crs: str, xs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map x between CRSs with independent axes.

    Args:
        tile_crs: CRS of the tile.
        data_crs: CRS of the data.
        xs: Any shape, float64, in the CRS of the tile.

    Returns:
        Same shape, float64, in the CRS of the data.
    """
    if _plain(tile_crs) == _plain(data_crs):
        return xs
    return xs / METRES_PER_DEGREE if tile_crs == "EPSG:3857" else xs * METRES_PER_DEGREE


def map_y(tile_crs: str, data_crs: str, ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map y between CRSs with independent axes.

    Args:
        tile_crs: CRS of the tile.
        data_crs: CRS of the data.
        ys: Any shape, float64, in the CRS of the tile.

    Returns:
        Same shape, float64, in the CRS of the data.
    """
    if _plain(tile_crs) == _plain(data_crs):
        return ys
    return latitude_of(ys) if tile_crs == "EPSG:3857" else northing_of(ys)


def latitude_of(northing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the latitude of a Web Mercator northing (EPSG method 1024).

    Args:
        northing: Any shape, float64, metres.

    Returns:
        Same shape, float64, degrees.
    """
    return np.degrees(2 * np.arctan(np.exp(northing / EARTH_RADIUS_M)) - np.pi / 2)


def northing_of(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Web Mercator northing of a latitude; the poles lie outside every grid.

    Args:
        latitude: Any shape, float64, degrees.

    Returns:
        Same shape, float64, metres.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return EARTH_RADIUS_M * np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2))


class _Transformers(threading.local):
    """pyproj transformers, one of each kind per thread: PROJ contexts are not shared between threads."""

    def __init__(self) -> None:
        self._transformers: dict[tuple[str, str], pyproj.Transformer] = {}

    def get(self, source: str, target: str) -> pyproj.Transformer:
        transformer = self._transformers.get((source, target))
        if transformer is None:
            try:
                transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
            except pyproj.exceptions.ProjError as error:
                raise InvalidParameterError(
                    RequestField.TILE_MATRIX_SET, f"no map from {source} to {target}: {error}"
                ) from error
            self._transformers[source, target] = transformer
        return transformer


def transform(
    source: str, target: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transform points exactly, x first.

    Args:
        source: CRS of the points.
        target: CRS to transform to.
        x: Any shape, float64.
        y: Same shape.

    Returns:
        x and y, same shape, float64; infinite where a point has no image.

    Raises:
        InvalidParameterError: There is no transformation between the CRSs.
        NotComputedError: Within ``process.if_known``.
    """
    process.check_may_compute("a projection")
    transformers = process.current().resource("pyproj transformers", _Transformers)
    target_x, target_y = transformers.get(source, target).transform(x, y, errcheck=False)
    return np.asarray(target_x, np.float64), np.asarray(target_y, np.float64)
