"""The order in which the CRS of a tile matrix set writes the coordinates of a position (OGC 07-057r7, 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.tiling.crs_axes import has_y_first

if TYPE_CHECKING:
    from lazytile.pyramid.tiling.tms import TileMatrixSet


def position(tms: TileMatrixSet, x: float, y: float) -> tuple[float, float]:
    """Return a position in the axis order of the CRS of a set.

    Args:
        tms: The set; that of a CRS without a code has the order of the definition of the CRS.
        x: Easting or longitude.
        y: Northing or latitude.

    Returns:
        The two coordinates, in order.
    """
    return (y, x) if has_y_first(tms.supported_crs or tms.crs) else (x, y)
