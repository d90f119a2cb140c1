"""Meshes of a group: UGRID topologies, cells with coordinates along one dimension, and HEALPix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.meshes.centres import HALF_DIAGONAL, Centres
from lazytile.pyramid.sources.meshes.healpix_mesh import HealpixMesh, healpix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

_OF_WHAT = r"(?:[cevn]|face_|node_|cell_|edge_)?{}s?(?:_?(?:cell|vertex|edge|node|face|[cevn]))?"
_NAMES = {
    "latitude": re.compile(_OF_WHAT.format("lat(?:itude)?"), re.IGNORECASE),
    "longitude": re.compile(_OF_WHAT.format("lon(?:g|gitude)?"), re.IGNORECASE),
}
_UNITS = {
    "latitude": ("degrees_n", "degree_n", "degreesn", "degreen"),
    "longitude": ("degrees_e", "degree_e", "degreese", "degreee"),
}
_CELL_DIMS = re.compile(
    r"n?_?cells?(?:_\d+)?|ncol|cell_\d+|ncells?|n?faces?|n?elems?|n?elements?|nod_?2d?|n?nodes?|values?|cell|ncolumns?|"
    r"reduced_?points|lndgrid|grid_size|n?vertices",
    re.IGNORECASE,
)
_POINTS = frozenset({"point", "timeseries", "trajectory", "profile", "timeseriesprofile", "trajectoryprofile"})
_LEAST_CELLS = 8


@dataclass(frozen=True, slots=True)
class Mesh:
    """Cells along one dimension of a group."""

    dim: str
    cells: int
    centres: Centres | None
    healpix: HealpixMesh | None
    what: str
    """What the cells are, for people."""
    evidence: str
    guessed: bool = False
    problem: str = ""
    """Why the cells cannot be placed."""


def meshes_of(group: xr.Dataset) -> dict[str, Mesh]:
    """Return the meshes of a group.

    Args:
        group: Variables, not decoded.

    Returns:
        The meshes by the dimension along which their cells lie.
    """
    found: dict[str, Mesh] = {}
    for mesh in (*_of_healpix(group), *_of_ugrid(group), *_of_pairs(group), *_of_icon(group)):
        found.setdefault(mesh.dim, mesh)
    return found


def _of_healpix(group: xr.Dataset) -> Iterator[Mesh]:
    healpix = healpix_of(group)
    if healpix is not None:
        order = "nested" if healpix.pixelization.nested else "ring"
        what = f"HEALPix of nside {healpix.pixelization.nside}, {order}"
        yield Mesh(healpix.dim, healpix.size, None, healpix, what, healpix.evidence, problem=healpix.problem)


def _of_ugrid(group: xr.Dataset) -> Iterator[Mesh]:
    for name, topology in group.variables.items():
        if cf.text(topology.attrs, "cf_role") != "mesh_topology":
            continue
        evidence = f"the mesh topology {name} (UGRID)"
        nodes = _pair(group, cf.text(topology.attrs, "node_coordinates").split())
        faces = cf.text(topology.attrs, "face_node_connectivity")
        if nodes is None:
            yield from _unplaced(group, topology, evidence)
            continue
        node_dim = str(group.variables[nodes[0]].dims[0])
        yield Mesh(node_dim, group.sizes[node_dim], Centres(*nodes), None, "nodes of a mesh", evidence)
        if faces in group.variables and group.variables[faces].ndim == 2:
            dims = [str(dim) for dim in group.variables[faces].dims]
            stated = cf.text(topology.attrs, "face_dimension")
            face_dim = stated if stated in dims else dims[0]
            centres = Centres(*nodes, faces=faces, is_turned=dims[0] != face_dim)
            yield Mesh(face_dim, group.sizes[face_dim], centres, None, "faces of a mesh", evidence)
        edges = _pair(group, cf.text(topology.attrs, "edge_coordinates").split())
        if edges is not None:
            edge_dim = str(group.variables[edges[0]].dims[0])
            yield Mesh(edge_dim, group.sizes[edge_dim], Centres(*edges), None, "edges of a mesh", evidence)


def _unplaced(group: xr.Dataset, topology: xr.Variable, evidence: str) -> Iterator[Mesh]:
    """Yield the faces of a mesh whose nodes have no longitudes and latitudes, with the reason."""
    faces = cf.text(topology.attrs, "face_node_connectivity")
    if faces in group.variables:
        dim = str(group.variables[faces].dims[0])
        problem = "it lies on a mesh whose nodes have no longitudes and latitudes; project them first"
        yield Mesh(dim, group.sizes[dim], None, None, "faces of a mesh", evidence, problem=problem)


def _pair(group: xr.Dataset, names: list[str]) -> tuple[str, str] | None:
    """Return which of two variables holds latitudes and which longitudes; None where they hold something else."""
    there = [name for name in names if name in group.variables and group.variables[name].ndim == 1]
    lat = [name for name in there if _is_angle("latitude", name, group.variables[name])]
    lon = [name for name in there if _is_angle("longitude", name, group.variables[name])]
    return (lat[0], lon[0]) if lat and lon else None


def _of_pairs(group: xr.Dataset) -> Iterator[Mesh]:
    """Yield cells whose latitudes and longitudes run along one dimension."""
    points = cf.text(group.attrs, "featureType").lower() in _POINTS
    for name, latitude in group.variables.items():
        if latitude.ndim != 1 or latitude.size < _LEAST_CELLS or not _is_angle("latitude", str(name), latitude):
            continue
        dim = str(latitude.dims[0])
        others = [
            str(other)
            for other, longitude in group.variables.items()
            if longitude.dims == latitude.dims and _is_angle("longitude", str(other), longitude)
        ]
        if dim in group.variables or not others:
            continue
        longitude = next((other for other in others if other == _twin(str(name))), others[0])
        vertices = _vertices(group, str(name), longitude)
        half = str(latitude.attrs.get(HALF_DIAGONAL, ""))
        centres = Centres(str(name), longitude, vertices, half)
        what, evidence, guessed = "cells along one dimension", f"{name} and {longitude}", False
        if half:
            what = cf.text(latitude.attrs, "grid_type") or what
        elif vertices is not None:
            what, evidence = f"polygons of {group.variables[vertices[0]].shape[1]} vertices", f"{evidence}, bounds"
        elif not _is_unstructured(group, dim):
            guessed = True
            if points or not _CELL_DIMS.fullmatch(dim):
                problem = (
                    f"its places {name} and {longitude} run along {dim} together: they are points, not cells of a grid"
                )
                yield Mesh(dim, latitude.size, None, None, what, evidence, problem=problem)
                continue
        yield Mesh(dim, latitude.size, centres, None, what, evidence, guessed)


def _of_icon(group: xr.Dataset) -> Iterator[Mesh]:
    """Yield the cells of ICON files whose coordinates are in another file."""
    for variable in group.variables.values():
        if cf.text(variable.attrs, "CDI_grid_type") == "unstructured" and variable.ndim:
            dim = str(variable.dims[-1])
            number = variable.attrs.get("number_of_grid_in_reference", group.attrs.get("number_of_grid_used", ""))
            problem = (
                f"it lies on an unstructured grid of ICON{f' (number {number})' if number != '' else ''}, whose "
                "coordinates clat and clon are in another file; add them (cdo setgrid,GRIDFILE)"
            )
            yield Mesh(dim, group.sizes[dim], None, None, "cells of ICON", "CDI_grid_type", problem=problem)


def _is_unstructured(group: xr.Dataset, dim: str) -> bool:
    return any(
        cf.text(variable.attrs, "CDI_grid_type") == "unstructured" and dim in variable.dims
        for variable in group.variables.values()
    )


def _vertices(group: xr.Dataset, latitude: str, longitude: str) -> tuple[str, str] | None:
    names = [cf.text(group.variables[name].attrs, "bounds") for name in (latitude, longitude)]
    shapes = [group.variables[name].shape for name in names if name in group.variables]
    dim = group.variables[latitude].dims
    if len(shapes) != 2 or shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] < 3:
        return None
    return (names[0], names[1]) if group.variables[names[0]].dims[:1] == dim else None


def _twin(name: str) -> str:
    """Return the name of longitudes that are called like some latitudes."""
    for lat, lon in (("latitude", "longitude"), ("Latitude", "Longitude"), ("lat", "lon"), ("LAT", "LON")):
        if lat in name:
            return name.replace(lat, lon)
    return name.replace("Lat", "Lon")


def _is_angle(kind: str, name: str, variable: xr.Variable) -> bool:
    """Return whether a variable holds latitudes or longitudes: by standard name, else units, else name."""
    if variable.dtype.kind not in "iuf":
        return False
    standard = cf.text(variable.attrs, "standard_name")
    units = cf.text(variable.attrs, "units").lower()
    if standard:
        return standard == kind
    if units.startswith(_UNITS[kind]):
        return True
    return (units in ("", "degrees", "degree") or units.startswith("rad")) and bool(_NAMES[kind].fullmatch(name))
