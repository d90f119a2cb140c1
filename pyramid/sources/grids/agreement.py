"""How far the true places of some cells lie from where a grid puts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC
from lazytile.pyramid.sources.grids.axis_placement import longitudes_near
from lazytile.pyramid.sources.grids.places import cleaned, plane_of, plane_steps
from lazytile.pyramid.sources.grids.units_of_places import degrees_per_unit

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.sources.grids.coordinate_pair import CoordinatePair

_SAMPLE_ROWS = 9
_SAMPLE_COLS = 65
_LEAST_PLACES = 2


def sampled_places(
    group: xr.Dataset, pair: CoordinatePair
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the true places of some cells.

    Args:
        group: Variables, not decoded.
        pair: Coordinates along the same dimensions.

    Returns:
        Row, column, latitude and longitude of each cell, shape (cells,) each, degrees; None where the file has none.

    Raises:
        SourceError: The latitudes cannot be those of places.
    """
    cells = pair.cells
    if cells is None or cells.moving:
        return None
    count = group.sizes[pair.row_dim]
    rows = np.unique(np.linspace(0, count - 1, _SAMPLE_ROWS).astype(np.int64))
    factor = degrees_per_unit(group, cells)
    parts = []
    for name, unit in zip((cells.latitude, cells.longitude), factor, strict=True):
        plane = plane_of(group.variables[name], name, pair.row_dim, pair.col_dim, unit)
        if plane.axes[0] is None:
            parts.append(np.repeat(next(plane_steps(group, plane)), rows.size, axis=0))
        else:
            parts.append(
                np.concatenate([next(plane_steps(group, plane, slice(row, row + 1))) for row in rows.tolist()])
            )
    lat, lon = cleaned(parts[0], parts[1], cells.latitude)
    cols = np.unique(np.linspace(0, lat.shape[1] - 1, _SAMPLE_COLS).astype(np.int64))
    lat, lon = lat[:, cols], lon[:, cols]
    known = np.isfinite(lat)
    if known.sum() < _LEAST_PLACES:
        return None
    at_rows, at_cols = (each[known] for each in np.meshgrid(rows, cols, indexing="ij"))
    return at_rows, at_cols, lat[known], lon[known]


def distance_cells(
    grid: Grid,
    centres: tuple[NDArray[np.float64], NDArray[np.float64]],
    places: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Return how far a grid puts cells from their true places.

    Args:
        grid: The grid.
        centres: y and x of the source's rows and columns, in the coordinate reference system of the grid.
        places: As ``sampled_places`` returns them.

    Returns:
        The largest distance in cells; infinite where the grid cannot hold any of the places.
    """
    rows, cols, lat, lon = places
    if grid.is_geographic:
        x, y = lon, lat
    else:
        to = pyproj.Transformer.from_crs(GEOGRAPHIC, grid.crs, always_xy=True)
        x, y = (np.asarray(each) for each in to.transform(lon, lat, errcheck=False))
    own_y, own_x = centres[0][rows], centres[1][cols]
    off_x = longitudes_near(x, own_x) if grid.is_angular else x - own_x
    off = np.hypot(off_x / grid.x.cell_size, (y - own_y) / grid.y.cell_size)
    # At a pole every longitude is the same place.
    off[(np.abs(lat) > 90 - 1e-6) & grid.is_geographic & (np.abs(y - own_y) < abs(grid.y.cell_size))] = 0.0
    off = off[np.isfinite(off)]
    return float(off.max()) if off.size else float("inf")
