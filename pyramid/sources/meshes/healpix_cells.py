"""HEALPix: the pixel that holds each cell of a regular grid (Gorski et al. 2005; the extra ``healpix``)."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.source_url import path_or_url, source_stamp
from lazytile.pyramid.sources.formats.container import open_group

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.store.layout import Range

healpix: Any
try:
    healpix = importlib.import_module("healpix")  # untyped
except ImportError:  # the extra is not installed
    healpix = None


@dataclass(frozen=True, slots=True)
class Pixelization:
    """A HEALPix of the sphere."""

    nside: int
    nested: bool

    @property
    def pixels(self) -> int:
        """Number of pixels of the whole sphere."""
        return 12 * self.nside**2

    @property
    def step(self) -> float:
        """The side of a square as large as a pixel, degrees."""
        return math.degrees(math.sqrt(4 * math.pi / self.pixels))

    def positions(self, pixels: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centres of pixels.

        Args:
            pixels: Numbers, any shape.

        Returns:
            Latitudes and longitudes in degrees, the same shape.
        """
        check_healpix()
        lon, lat = healpix.pix2ang(self.nside, pixels, nest=self.nested, lonlat=True)
        return np.asarray(lat), np.asarray(lon)


def check_healpix() -> None:
    """Check that the package healpix is there.

    Raises:
        SourceError: It is not.
    """
    if healpix is None:
        raise SourceError(
            "its cells are HEALPix pixels; resampling them needs healpix: pip install 'lazytile[healpix]'"
        )


@dataclass(frozen=True, slots=True)
class HealpixResampling:
    """Which pixels a regular grid consists of. Holds plain values, so it can be sent to any process."""

    path: str
    engine: str
    group: str
    pixelization: Pixelization
    numbers: str
    """Variable with the number of each stored pixel; empty where all are stored in their order."""
    source_cols: int
    """Number of stored pixels: they count as the columns of one row."""
    grid: Grid

    def source_cells(self, rows: Range, cols: Range, version: str = "") -> NDArray[np.int64]:
        """Return the stored pixel that holds the centre of each cell of a block.

        Args:
            rows: Range of rows.
            cols: Range of columns.
            version: Of a remote source.

        Returns:
            Positions of stored pixels, shape (rows, cols) of the block; -1 where there is none.
        """
        check_healpix()
        lats, lons = self.grid.y.centres()[slice(*rows)], self.grid.x.centres()[slice(*cols)]
        lat, lon = np.meshgrid(lats, lons, indexing="ij")
        pixel = np.asarray(
            healpix.ang2pix(self.pixelization.nside, lon, lat, nest=self.pixelization.nested, lonlat=True), np.int64
        )
        if not self.numbers:
            return pixel
        source = (self.path, source_stamp(self.path), version)
        known: BytesLru[tuple[NDArray[np.int64], NDArray[np.int64]]]
        known = process.current().resource("HEALPix numbers", _new_numbers)
        order, numbers = known.get((source, self.group, self.numbers), self._read)
        at = np.minimum(np.searchsorted(numbers, pixel), numbers.size - 1)
        return np.where(numbers[at] == pixel, order[at], -1)

    def _read(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the position of each stored pixel, and their numbers, ascending."""
        group = open_group(path_or_url(self.path), self.engine, self.group)
        try:
            numbers = pixel_numbers(group, self.numbers)
        finally:
            group.close()
        order = np.argsort(numbers, kind="stable")
        return order, numbers[order]


def _new_numbers() -> BytesLru[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the cache of one source's pixel numbers."""
    return BytesLru(1, lambda _: 1)


def pixel_numbers(group: xr.Dataset, name: str) -> NDArray[np.int64]:
    """Read the numbers of the stored pixels.

    Args:
        group: Variables, not decoded.
        name: Of the variable.

    Returns:
        Shape (pixels,).
    """
    return np.asarray(group.variables[name].values).astype(np.int64)
