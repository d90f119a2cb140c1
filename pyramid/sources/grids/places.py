"""The true places of cells: the latitude and longitude of every cell, read and rid of what is no place.

Fill values, numbers beyond the valid range, and one number repeated over many cells are no places: NEMO writes 0, 0
where it left out the processors of the land. Where corners of the cells are stated and the places lie on them, the
cells lie in the middle of their corners (CF 7.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.sources.grids.stored_coordinate import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

    Positions = tuple[NDArray[np.float64], NDArray[np.float64]]

MAX_SOURCE_CELLS = 1 << 28
"""Most cells whose places are read one by one; a swath of VIIRS has 2 ** 25."""
_POLE = 90.0
_FARTHEST_LON = 2 * FULL_CIRCLE
_LEAST_REPEATS, _REPEATED_SHARE = 16, 1000
"""How often a place must occur to be none: at least so often, and in one of so many cells."""
_MOST_FILLS = 3
"""Different numbers beyond the range of places that are still fill values."""
_MOST_REPEATED = 100
_FAR_SPACINGS = 20
"""How many spacings from its neighbours a single place at 0, 0 must lie to be none."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One coordinate of every cell in a file. Holds plain values, so it can be sent to any process."""

    name: str
    axes: tuple[int | None, int | None]
    """The stored axis of rows and that of columns; None where the coordinate does not run along it."""
    factor: float = 1.0
    """Degrees in one unit."""
    corners: str = ""
    """Variable with the corners of each cell, by which the cells lie; empty where the coordinates are their middles."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the places of all cells lie in a file. Holds plain values, so it can be sent to any process."""

    group: str
    latitude: Plane
    longitude: Plane
    merged: bool = False
    """Whether steps besides the first have places that it lacks."""

    def read(self, group: xr.Dataset) -> Positions:
        """Read the places.

        Args:
            group: Of the file, not decoded.

        Returns:
            Latitudes and longitudes, degrees, shape (rows, cols) each, NaN where a cell has no place.

        Raises:
            SourceError: The latitudes cannot be those of places, or there are too many.
        """
        cells = math.prod(group.variables[self.latitude.name].shape[-2:])
        if cells > MAX_SOURCE_CELLS:
            raise SourceError(f"{self.latitude.name} has {cells} cells, the places of {MAX_SOURCE_CELLS} are read")
        if self.latitude.corners:
            lat, lon = _middles_of_corners(group, self)
        else:
            lat, lon = (next(plane_steps(group, plane)) for plane in (self.latitude, self.longitude))
        if self.merged:
            steps = zip(plane_steps(group, self.latitude), plane_steps(group, self.longitude), strict=True)
            for lats, lons in steps:
                unknown = ~(np.isfinite(lat) & np.isfinite(lon))
                lat, lon = np.where(unknown, lats, lat), np.where(unknown, lons, lon)
        return cleaned(lat, lon, self.latitude.name)


def plane_of(variable: xr.Variable, name: str, row_dim: str, col_dim: str, factor: float) -> Plane:
    """Return where one coordinate of every cell is stored.

    Args:
        variable: The coordinate, not decoded.
        name: Of the variable in its own group.
        row_dim: Dimension of rows.
        col_dim: Dimension of columns.
        factor: Degrees in one unit.

    Returns:
        The description.
    """
    dims = [str(dim) for dim in variable.dims]
    axes = tuple(dims.index(dim) if dim in dims else None for dim in (row_dim, col_dim))
    return Plane(name, (axes[0], axes[1]), factor)


def _key(variable: xr.Variable, plane: Plane, step: tuple[int, ...], rows: slice) -> tuple[int | slice, ...]:
    others = iter(step)
    row_axis, col_axis = plane.axes
    return tuple(
        rows if axis == row_axis else slice(None) if axis == col_axis else next(others) for axis in range(variable.ndim)
    )


def _plane(
    variable: xr.Variable, plane: Plane, step: tuple[int, ...], rows: slice = slice(None)
) -> NDArray[np.float64]:
    stored = np.asarray(variable[_key(variable, plane, step, rows)].values)
    values = decoded(stored, variable.attrs, defaults=True)
    row_axis, col_axis = plane.axes
    if row_axis is not None and col_axis is not None:
        values = values.T if row_axis > col_axis else values
    else:
        values = values[:, None] if col_axis is None else values[None, :]
    return values if plane.factor == 1.0 else values * plane.factor


def plane_steps(group: xr.Dataset, plane: Plane, rows: slice = slice(None)) -> Iterator[NDArray[np.float64]]:
    """Yield the plane of each step of the other dimensions of a coordinate.

    Args:
        group: Of the file, not decoded.
        plane: The coordinate.
        rows: Rows to read.

    Yields:
        Degrees, shape (rows, cols), 1 for the one along which the coordinate does not run; NaN where missing.
    """
    variable = group.variables[plane.name]
    others = [size for axis, size in enumerate(variable.shape) if axis not in plane.axes]
    for step in np.ndindex(*others):
        yield _plane(variable, plane, step, rows)


def _middles_of_corners(group: xr.Dataset, places: Places, rows: slice = slice(None)) -> Positions:
    """Return the middles of cells by their corners."""
    lat, lon = (corners_of(group, plane, rows) for plane in (places.latitude, places.longitude))
    middles = unit_vectors(lat, lon).mean(axis=2)
    x, y, z = np.moveaxis(middles, -1, 0)
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def corners_of(group: xr.Dataset, plane: Plane, rows: slice = slice(None)) -> NDArray[np.float64]:
    """Return one coordinate of the corners of each cell.

    Args:
        group: Of the file, not decoded.
        plane: The coordinate, with corners.
        rows: Rows to read.

    Returns:
        Degrees, shape (rows, cols, corners).
    """
    middle, stored = group.variables[plane.name], group.variables[plane.corners]
    row_dim, col_dim = (middle.dims[axis] for axis in plane.axes if axis is not None)
    (corner_dim,) = (dim for dim in stored.dims if dim not in (row_dim, col_dim))
    part = stored.isel({row_dim: rows}).transpose(row_dim, col_dim, corner_dim)
    same = stored.dtype == middle.dtype and stored.dtype.kind in "iu"
    packing = {key: middle.attrs[key] for key in ("scale_factor", "add_offset") if key in middle.attrs and same}
    values = decoded(np.asarray(part.values), {**packing, **stored.attrs}, defaults=True)
    return values if plane.factor == 1.0 else values * plane.factor


def unit_vectors(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the unit sphere.

    Args:
        lat: Degrees, any shape.
        lon: Degrees, the shape of ``lat``.

    Returns:
        Shape (..., 3).
    """
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def cleaned(lat: NDArray[np.float64], lon: NDArray[np.float64], name: str) -> Positions:
    """Return places without numbers that are none.

    Args:
        lat: Degrees, NaN where missing; shape (rows, cols), or one that is broadcast to it.
        lon: As ``lat``.
        name: Of the latitudes, for errors.

    Returns:
        Latitudes and longitudes, shape (rows, cols), both NaN where a cell has no place.

    Raises:
        SourceError: Latitudes lie beyond the poles, and not as a few fill values do.
    """
    lat, lon = (np.array(each) for each in np.broadcast_arrays(lat, lon))
    none = ~(np.isfinite(lat) & np.isfinite(lon))
    with np.errstate(invalid="ignore"):
        beyond = ~none & ((np.abs(lat) > _POLE + 1e-3) | (np.abs(lon) > _FARTHEST_LON))
    if beyond.any():
        if min(np.unique(each[beyond]).size for each in (lat, lon)) > _MOST_FILLS:
            farthest = np.abs(lat[beyond]).max()
            if farthest > _POLE + 1e-3:
                raise SourceError(f"{name} reaches {farthest:g}; latitudes lie within -90..90 degrees")
            raise SourceError(f"the longitudes of {name} reach {np.abs(lon[beyond]).max():g} degrees")
        none |= beyond
    none |= _repeated(lat, lon, ~none)
    lat[none] = lon[none] = np.nan
    return lat, lon


def _repeated(lat: NDArray[np.float64], lon: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cells have a place that is none because many cells have it."""
    found: NDArray[np.bool_] = known & (lat == 0) & (lon == 0)
    count = int(found.sum())
    if count == 1 and not _is_alone(lat, lon, known, found):
        found[:] = False
    same = np.zeros(lat.shape, bool)
    same[:, 1:] |= (lat[:, 1:] == lat[:, :-1]) & (lon[:, 1:] == lon[:, :-1])
    same[1:] |= (lat[1:] == lat[:-1]) & (lon[1:] == lon[:-1])
    same &= known & ~found & (np.abs(lat) < _POLE)
    if int(same.sum()) < _LEAST_REPEATS - 1:
        return found
    places, counts = np.unique(lat[same] + 1j * lon[same], return_counts=True)
    for place in places[np.argsort(-counts)[:_MOST_REPEATED]]:
        here = known & (lat == place.real) & (lon == place.imag)
        if int(here.sum()) >= max(_LEAST_REPEATS, lat.size // _REPEATED_SHARE):
            found |= here
    return found


def _is_alone(
    lat: NDArray[np.float64], lon: NDArray[np.float64], known: NDArray[np.bool_], at: NDArray[np.bool_]
) -> bool:
    """Return whether a cell lies far from all neighbours, in their distances from each other."""
    row, col = (int(index[0]) for index in np.nonzero(at))
    window = np.s_[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2]
    others = known[window] & ~at[window]
    points = unit_vectors(lat[window][others], lon[window][others])
    if len(points) < 2:
        return False
    spacing = np.median(np.linalg.norm(np.diff(points, axis=0), axis=1))
    nearest = np.linalg.norm(points - np.array([1.0, 0.0, 0.0]), axis=1).min()
    return bool(nearest > _FAR_SPACINGS * spacing)
