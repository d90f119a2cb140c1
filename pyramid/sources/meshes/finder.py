"""Which variables of a file lie on a mesh, and the regular grid to which they are resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.core.grid import Grid, RegularAxis
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.axes import AxisMap
from lazytile.pyramid.sources.grids.coordinate_pair import SourceGrid
from lazytile.pyramid.sources.grids.regrid import REACH, covering_grid
from lazytile.pyramid.sources.meshes.healpix_cells import HealpixResampling, check_healpix, pixel_numbers
from lazytile.pyramid.sources.meshes.mesh_cells import MeshResampling
from lazytile.pyramid.sources.meshes.topology import Mesh, meshes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.core.cell_map import CellMap
    from lazytile.pyramid.sources.grids.coordinate_pair import SourceLocation

_SIDE_OF_HALF_DIAGONAL = 2**0.5
_HELPERS = ("bounds", "climatology", "edges", "grid_mapping", "coordinates", "cell_measures")
_CONNECTIVITY = (
    *("face_node_connectivity", "edge_node_connectivity", "face_edge_connectivity", "face_face_connectivity"),
    *("edge_face_connectivity", "node_coordinates", "face_coordinates", "edge_coordinates"),
)


@dataclass(frozen=True, slots=True)
class MeshMembers:
    """A mesh of a group, and the variables on it."""

    path: str
    mesh: Mesh
    members: tuple[tuple[str, str], ...]
    """Group and name of each variable."""


def find_meshes(groups: Mapping[str, xr.Dataset], wanted: set[str] | None) -> list[MeshMembers]:
    """Find the variables that lie on meshes.

    Args:
        groups: Of the file, by path.
        wanted: Names of variables; None for all.

    Returns:
        The meshes that hold variables, the one with the most cells first.
    """
    found = []
    for path, group in groups.items():
        meshes = meshes_of(group)
        helpers = helper_names(group) if meshes else set()
        for mesh in meshes.values():
            members = [
                (path, str(name))
                for name, variable in group.data_vars.items()
                if mesh.dim in variable.dims
                and str(name) not in helpers
                and variable.dtype.kind in "iufbMm"
                and 0 not in variable.shape
                and (wanted is None or str(name) in wanted or f"{path.rstrip('/')}/{name}" in wanted)
            ]
            if members:
                found.append(MeshMembers(path, mesh, tuple(members)))
    return sorted(found, key=lambda each: (bool(each.mesh.problem), -each.mesh.cells))


def helper_names(group: xr.Dataset) -> set[str]:
    """Return the variables of a group with meshes that only serve others.

    Args:
        group: Variables, not decoded.

    Returns:
        Their names.
    """
    names = {str(name) for name in (*group.dims, *group.coords)}
    for name, variable in group.variables.items():
        for attribute in (*_HELPERS, *_CONNECTIVITY):
            names.update(word.rstrip(":") for word in cf.text(variable.attrs, attribute).split())
        if cf.text(variable.attrs, "cf_role") or cf.text(variable.attrs, "grid_mapping_name"):
            names.add(str(name))
    for mesh in meshes_of(group).values():
        if mesh.centres is not None:
            names |= {mesh.centres.latitude, mesh.centres.longitude, mesh.centres.half_diagonals, mesh.centres.faces}
            names.update(mesh.centres.vertices or ())
        if mesh.healpix is not None:
            names.add(mesh.healpix.numbers)
    return names


def mesh_grid(group: xr.Dataset, found: MeshMembers, location: SourceLocation) -> SourceGrid:
    """Return the regular grid to which the cells of a mesh are resampled.

    Args:
        group: Of the mesh.
        found: The mesh.
        location: Of the group, for tasks that resample.

    Returns:
        The grid.

    Raises:
        SourceError: The cells have no places, or a package is missing.
    """
    mesh = found.mesh
    if mesh.problem:
        raise SourceError(mesh.problem)
    where = (location.path, location.engine, found.path)
    resampling: CellMap
    if mesh.healpix is not None:
        check_healpix()
        healpix = mesh.healpix
        grid = _healpix_grid(group, healpix.numbers, found)
        resampling = HealpixResampling(*where, healpix.pixelization, healpix.numbers, healpix.size, grid)
        method = "the pixel that holds its centre"
    else:
        assert mesh.centres is not None  # every mesh without a problem has centres or is a HEALPix
        lat, lon, reach = mesh.centres.read(group)
        known = np.isfinite(lat) & np.isfinite(lon)
        if not known.any():
            raise SourceError(f"{mesh.centres.latitude} and {mesh.centres.longitude} hold no places")
        if np.abs(lat[known]).max() > 90 + 1e-3:
            raise SourceError(f"{mesh.centres.latitude} reaches {np.abs(lat[known]).max():g}; latitudes end at 90")
        step = float(np.degrees(np.nanmedian(reach[known]) / REACH)) * _SIDE_OF_HALF_DIAGONAL
        grid = _to_the_poles(covering_grid(lat[known], lon[known], step))
        resampling = MeshResampling(*where, mesh.centres, mesh.cells, grid)
        method = (
            f"the nearest cell, if it lies within {REACH} times the distance from its centre to its farthest corner"
        )
    remark = (
        f"{mesh.cells} cells are {mesh.what}, by {mesh.evidence}; resampled to {grid.shape.rows} x {grid.shape.cols} "
        f"cells of {grid.x.cell_size:.6g} degrees, each with {method}"
    )
    rows, cols = (AxisMap(axis, flipped=False, dropped=0) for axis in (grid.y, grid.x))
    finding = Finding("places", mesh.what, mesh.evidence, guessed=mesh.guessed)
    return SourceGrid(grid, "", mesh.dim, rows, cols, (remark,), resampling, (finding,))


def _to_the_poles(grid: Grid) -> Grid:
    """Return a grid of the whole Earth with its last edge at the south pole, other grids unchanged."""
    bounds = grid.bounds
    if not grid.is_full_circle or bounds.north < 90 or bounds.south > -90:
        return grid
    rows = max(1, round(180 / -grid.y.cell_size))
    return Grid(grid.crs, grid.x, RegularAxis(90.0, -180 / rows, rows))


def _healpix_grid(group: xr.Dataset, numbers: str, found: MeshMembers) -> Grid:
    healpix = found.mesh.healpix
    assert healpix is not None  # the caller has one
    pixelization = healpix.pixelization
    if numbers:
        pixels = pixel_numbers(group, numbers)
        if pixels.size and (pixels.min() < 0 or pixels.max() >= pixelization.pixels):
            raise SourceError(
                f"{numbers} reaches {pixels.max()}; nside {pixelization.nside} has {pixelization.pixels} pixels"
            )
        if pixels.size < pixelization.pixels:
            return covering_grid(*pixelization.positions(pixels), pixelization.step)
    cols = max(4, round(360 / pixelization.step))
    rows = max(2, round(180 / pixelization.step))
    return Grid("EPSG:4326", RegularAxis(-180.0, 360 / cols, cols), RegularAxis(90.0, -180 / rows, rows))
