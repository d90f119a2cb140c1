"""The centres of a mesh's cells and how far each reaches, read from the variables that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.grids.regrid import REACH
from lazytile.pyramid.sources.grids.scipy_spatial import scipy_spatial

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

HALF_DIAGONAL = "half_diagonal"
"""Attribute of latitudes by which a format names the variable with the half diagonals of cells, in radians."""
_NEIGHBOURS = 3
_STRIP_CELLS = 1 << 18


@dataclass(frozen=True, slots=True)
class Centres:
    """Where the centres of cells are stored. Holds plain values, so it can be sent to any process."""

    latitude: str
    """Variable of one latitude for each cell; of each node where ``faces`` is given."""
    longitude: str
    vertices: tuple[str, str] | None = None
    """Variables of the latitudes and longitudes of each cell's vertices."""
    half_diagonals: str = ""
    """Variable of the half diagonals of cells."""
    faces: str = ""
    """Variable of the nodes of each face, where centres are made of them (UGRID)."""
    is_turned: bool = False
    """Whether the nodes of a face lie along the first dimension of that variable."""

    def read(self, group: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Read latitudes, longitudes and reaches.

        Args:
            group: Of the variables, not decoded.

        Returns:
            Degrees, degrees, and chords of the unit sphere, each of shape (cells,), NaN where a cell has no place.

        Raises:
            SourceError: The variables hold no degrees or radians, or SciPy is needed and not installed.
        """
        lat, lon = degrees_of(group, self.latitude), degrees_of(group, self.longitude)
        if self.faces:
            stored = group.variables[self.faces]
            return _of_faces(stored.T if self.is_turned else stored, lat, lon)
        if self.half_diagonals:
            return lat, lon, np.asarray(group.variables[self.half_diagonals].values, np.float64) * REACH
        if self.vertices is not None:
            names = zip(self.vertices, (self.latitude, self.longitude), strict=True)
            corners = unit_vectors(*(degrees_of(group, name, parent) for name, parent in names))
            return lat, lon, _farthest(unit_vectors(lat, lon), corners) * REACH
        return lat, lon, _by_neighbours(lat, lon)


def unit_vectors(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the unit sphere.

    Args:
        lat: Degrees, any shape.
        lon: Degrees, the same shape.

    Returns:
        Shape (..., 3).
    """
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def degrees_of(group: xr.Dataset, name: str, parent: str = "") -> NDArray[np.float64]:
    """Read latitudes or longitudes in degrees.

    Args:
        group: Variables, not decoded.
        name: Of the variable.
        parent: Variable whose bounds it holds; its units are theirs where they state none (CF 7.1).

    Returns:
        Degrees, the shape of the variable, NaN where missing.

    Raises:
        SourceError: The units are no angle.
    """
    stored = group.variables[name]
    packing = cf.packing_of(stored.dtype, stored.attrs, netcdf=True)
    values = packing.decode(cf.native_codes(np.asarray(stored.values), np.dtype(packing.dtype)))
    units = cf.text(stored.attrs, "units").lower()
    if not units and parent:
        units = cf.text(group.variables[parent].attrs, "units").lower()
    if units.startswith("rad"):
        return np.asarray(np.degrees(values))
    if units.startswith("deg") or units in ("", "°"):
        return np.asarray(values)
    raise SourceError(f"{name} is in {units}; the cells of a mesh need latitudes and longitudes in degrees or radians")


def _farthest(centres: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chord from each centre (cells, 3) to its farthest corner (cells, corners, 3)."""
    distance = np.linalg.norm(corners - centres[:, None], axis=-1)
    distance[np.isnan(distance)] = 0.0
    farthest: NDArray[np.float64] = distance.max(axis=1)
    return farthest


def _of_faces(
    stored: xr.Variable, lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres and reaches of faces made of nodes (UGRID 1.0, ``face_node_connectivity``)."""
    nodes = unit_vectors(lat, lon)
    index = np.asarray(stored.values)
    fill = stored.attrs.get("_FillValue")
    start = int(np.asarray(stored.attrs.get("start_index", 0)).ravel()[0])
    there = np.ones(index.shape, bool) if fill is None else index != np.asarray(fill).ravel()[0]
    whole = np.where(there, index, start).astype(np.int64) - start
    if whole.min(initial=0) < 0 or whole.max(initial=0) >= len(nodes):
        raise SourceError(f"its faces name node {int(whole.max(initial=0)) + start}, and there are {len(nodes)} nodes")
    corners = np.where(there[..., None], nodes[whole], np.nan)
    centres = np.nansum(corners, axis=1)
    centres /= np.linalg.norm(centres, axis=-1, keepdims=True)
    return (
        np.degrees(np.arcsin(np.clip(centres[:, 2], -1, 1))),
        np.degrees(np.arctan2(centres[:, 1], centres[:, 0])),
        _farthest(centres, corners) * REACH,
    )


def _by_neighbours(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reach of cells of which only centres are known: the mean distance to the nearest three.

    For triangles that is the radius of the circle round each, for squares a little more than half the diagonal.
    """
    spatial = check_scipy()
    known = np.isfinite(lat) & np.isfinite(lon)
    points = unit_vectors(lat[known], lon[known])
    tree = spatial.cKDTree(points)
    near = np.empty(len(points))
    for start in range(0, len(points), _STRIP_CELLS):
        distance, _ = tree.query(points[start : start + _STRIP_CELLS], k=_NEIGHBOURS + 1)
        near[start : start + _STRIP_CELLS] = distance[:, 1:].mean(axis=1)
    reach = np.full(lat.shape, np.nan)
    reach[known] = near * REACH
    return reach


def check_scipy() -> Any:
    """Load SciPy's trees.

    Returns:
        The module ``scipy.spatial``.

    Raises:
        SourceError: SciPy is not installed.
    """
    spatial = scipy_spatial()
    if spatial is None:
        raise SourceError(
            "its cells have no rows and columns; resampling them needs SciPy: pip install 'lazytile[regrid]'"
        )
    return spatial
