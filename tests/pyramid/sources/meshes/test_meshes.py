"""Cells without rows and columns, compared with a search through all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.drawn_layers import blind_layers
from tests.shared import shared

spatial = pytest.importorskip("scipy.spatial", reason="SciPy is not installed (extra regrid)")

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset


def sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def degrees(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.degrees(np.arcsin(points[..., 2])), np.degrees(np.arctan2(points[..., 1], points[..., 0]))


def icosphere(divisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and the triangles of an icosahedron whose faces are halved so often, as ICON's grid is made."""
    golden = (1 + 5**0.5) / 2
    nodes = [(s * 1.0, t * golden, 0.0) for s in (-1, 1) for t in (-1, 1)]
    points = np.array([*nodes, *((z, x, y) for x, y, z in nodes), *((y, z, x) for x, y, z in nodes)])
    points /= np.linalg.norm(points[0])
    faces = spatial.ConvexHull(points).simplices
    for _ in range(divisions):
        a, b, c = (points[faces[:, at]] for at in range(3))
        sums = (a + b, b + c, c + a)
        ab, bc, ca = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in sums)
        corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        triangles = np.concatenate([np.stack(each, axis=1) for each in corners])
        points, index = np.unique(triangles.reshape(-1, 3).round(12), axis=0, return_inverse=True)
        points /= np.linalg.norm(points, axis=-1, keepdims=True)
        faces = index.reshape(-1, 3)
    # Turned, so that no cell of a grid is as far from one centre as from another.
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    return points @ turn, faces


def shown(store: Path, dataset: Dataset, name: str) -> np.ndarray:
    codes = zarr.open_group(store / "d.zarr", mode="r")[f"0/{name}"][...]
    return dataset.variable(name).packing.decode(codes)


def nearest(dataset: Dataset, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of all cells to each cell of the grid, and how far it is in degrees."""
    lats, lons = np.meshgrid(dataset.grid.y.centres(), dataset.grid.x.centres(), indexing="ij")
    distance, index = spatial.cKDTree(sphere(lat, lon)).query(sphere(lats, lons))
    return index, np.degrees(distance)


TRIANGLES = icosphere(3)


def icon(path: Path, cells: slice = slice(None), **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write a field as ICON does: coordinates of centres and vertices in radians."""
    points, faces = TRIANGLES
    corners = points[faces[cells]]
    middle = corners.mean(axis=1)
    lat, lon = degrees(middle / np.linalg.norm(middle, axis=-1, keepdims=True))
    vlat, vlon = degrees(corners)
    values = np.random.default_rng(1).normal(280, 5, (2, len(lat))).astype("f4")
    marks = {"CDI_grid_type": "unstructured", "coordinates": "clat clon"} if options.get("marked", True) else {}
    time = {"time": ("time", [0, 1], {"units": "days since 2024-01-01"})}
    data = xr.Dataset({"t": (("time", "ncells"), values, marks)}, time)
    bounds = options.get("bounds", True)
    for name, of, corner in (("clat", lat, vlat), ("clon", lon, vlon)):
        kind = {"clat": "latitude", "clon": "longitude"}[name]
        attributes = {"standard_name": kind, "units": "radian", **({"bounds": f"{name}_bnds"} if bounds else {})}
        data[name] = ("ncells", np.radians(of), attributes)
        if bounds:
            data[f"{name}_bnds"] = (("ncells", "vertices"), np.radians(corner))
    if not options.get("coordinates", True):
        data = data.drop_vars(["clat", "clon", "clat_bnds", "clon_bnds"])
    data.to_netcdf(path)
    return lat, lon, values


@pytest.mark.parametrize("bounds", [True, False])
def test_triangles_of_icon_cover_the_earth(tmp_path: Path, bounds: bool) -> None:
    lat, lon, values = icon(tmp_path / "in.nc", bounds=bounds)
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    assert [each.name for each in dataset.variables] == ["t"]
    index, _ = nearest(dataset, lat, lon)
    stored = shown(tmp_path, dataset, "t")
    assert dataset.grid.is_full_circle
    assert 0.5 < np.degrees(np.sqrt(4 * np.pi / lat.size)) / dataset.grid.x.cell_size < 2, "cells match the triangles"
    np.testing.assert_array_equal(stored, values[:, index])
    assert blind_layers(tmp_path, dataset) == []
    assert ("polygons of 3 vertices" if bounds else "cells along one dimension") in dataset.remarks[0]


def test_a_part_of_the_mesh_is_not_stretched_over_the_rest(tmp_path: Path) -> None:
    points, faces = TRIANGLES
    middle = points[faces].mean(axis=1)
    north = np.flatnonzero(middle[:, 2] > 0.5)
    lat, lon, values = icon(tmp_path / "in.nc", north)
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    index, distance = nearest(dataset, lat, lon)
    stored = shown(tmp_path, dataset, "t")[0]
    far = distance > 15
    assert np.isnan(stored[far]).all()
    there = ~np.isnan(stored)
    np.testing.assert_array_equal(stored[there], values[0][index[there]])
    assert there.mean() > 0.5
    assert dataset.grid.bounds.south > 10


def test_icon_without_its_coordinates_is_refused_by_name(tmp_path: Path) -> None:
    icon(tmp_path / "in.nc", coordinates=False)
    with pytest.raises(
        SourceError, match=r"t: it lies on an unstructured grid of ICON, whose coordinates clat and clon"
    ):
        convert(tmp_path / "in.nc", tmp_path / "s", "d")


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("turned", [False, True])
def test_faces_and_nodes_of_ugrid(tmp_path: Path, start: int, turned: bool) -> None:
    points, faces = TRIANGLES
    lat, lon = degrees(points)
    # Two triangles in ten are quadrilaterals in spirit: a fill value pads the shorter faces.
    padded = np.concatenate([faces + start, np.full((len(faces), 1), -999)], axis=1).astype("i4")
    values = np.random.default_rng(2).integers(0, 99, len(faces)).astype("i2")
    dims = ("four", "face") if turned else ("face", "four")
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "mesh_x mesh_y",
        "face_node_connectivity": "mesh_faces",
        "face_dimension": "face",
    }
    data = xr.Dataset(
        {
            "mesh": ((), 0, topology),
            "mesh_faces": (dims, padded.T if turned else padded, {"start_index": start, "_FillValue": np.int32(-999)}),
            "depth": (("face",), values, {"mesh": "mesh", "location": "face", "units": "m"}),
            "level": (("node",), np.arange(len(lat), dtype="f4"), {"mesh": "mesh", "location": "node", "units": "m"}),
            "mesh_x": (("node",), lon, {"standard_name": "longitude", "units": "degrees_east"}),
            "mesh_y": (("node",), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        }
    )
    data.to_netcdf(tmp_path / "in.nc")
    dataset = convert(tmp_path / "in.nc", tmp_path, "d", ["depth"])
    middle = points[faces].mean(axis=1)
    index, _ = nearest(dataset, *degrees(middle / np.linalg.norm(middle, axis=-1, keepdims=True)))
    np.testing.assert_array_equal(shown(tmp_path, dataset, "depth"), values[index])
    nodes = convert(tmp_path / "in.nc", tmp_path, "d", ["level"])
    index, _ = nearest(nodes, lat, lon)
    np.testing.assert_array_equal(shown(tmp_path, nodes, "level"), index.astype("f4"))
    (variable,) = open_source(tmp_path / "in.nc").variables
    assert variable.variable.name == "depth", "the mesh with the most cells"


def test_a_mesh_in_metres_is_refused(tmp_path: Path) -> None:
    topology = {"cf_role": "mesh_topology", "node_coordinates": "x y", "face_node_connectivity": "faces"}
    data = xr.Dataset(
        {
            "mesh": ((), 0, topology),
            "faces": (("face", "three"), np.zeros((9, 3), "i4")),
            "depth": (("face",), np.zeros(9)),
            "x": (("node",), np.arange(12.0), {"standard_name": "projection_x_coordinate", "units": "m"}),
            "y": (("node",), np.arange(12.0), {"standard_name": "projection_y_coordinate", "units": "m"}),
        }
    )
    data.to_netcdf(tmp_path / "in.nc")
    with pytest.raises(SourceError, match="depth: it lies on a mesh whose nodes have no longitudes and latitudes"):
        convert(tmp_path / "in.nc", tmp_path / "s", "d")


@pytest.mark.parametrize("attributes", [{"featureType": "trajectory"}, {}])
def test_points_are_no_cells(tmp_path: Path, attributes: dict[str, str]) -> None:
    """Stations and tracks have longitudes and latitudes along one dimension too."""
    data = xr.Dataset(
        {"t": (("time", "obs"), np.zeros((2, 20)))},
        {
            "lat": ("obs", np.linspace(0, 50, 20), {"units": "degrees_north"}),
            "lon": ("obs", np.linspace(0, 50, 20), {"units": "degrees_east"}),
        },
        attributes,
    )
    data.to_netcdf(tmp_path / "in.nc")
    with pytest.raises(SourceError, match="its places lat and lon run along obs together: they are points, not cells"):
        convert(tmp_path / "in.nc", tmp_path / "s", "d")


def interleaved(pixel: np.ndarray, nside: int) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude of the centres of nested pixels (Gorski et al. 2005, sections 4.1 and 5.3)."""
    face, inside = np.divmod(pixel, nside * nside)
    x = sum(((inside >> (2 * bit)) & 1) << bit for bit in range(15))
    y = sum(((inside >> (2 * bit + 1)) & 1) << bit for bit in range(15))
    row = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])[face] * nside - (x + y) - 1
    north, south = row < nside, row > 3 * nside
    length = np.where(north, row, np.where(south, 4 * nside - row, nside))
    cap = 1 - length**2 / (3 * nside**2)
    z = np.where(north, cap, np.where(south, -cap, (2 * nside - row) * 2 / (3 * nside)))
    shift = np.where(north | south, 0, (row - nside) & 1)
    along = (np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])[face] * length + (x - y) + 1 + shift) // 2
    along = np.where(along > 4 * nside, along - 4 * nside, np.where(along < 1, along + 4 * nside, along))
    longitude = (along - (shift + 1) / 2) * 90 / length
    return np.degrees(np.arcsin(z)), longitude


@pytest.mark.parametrize("numbers", [False, True])
def test_healpix_shows_the_pixel_at_each_place(tmp_path: Path, numbers: bool) -> None:
    pytest.importorskip("healpix", reason="healpix is not installed (extra healpix)")
    nside = 8
    pixels = np.arange(12 * nside**2)
    if numbers:
        pixels = np.random.default_rng(3).permutation(pixels)[:600]
    values = pixels.astype("f4") + 0.5
    data = xr.Dataset(
        {
            "t": (("cell",), values, {"grid_mapping": "crs"}),
            "crs": ((), 0, {"grid_mapping_name": "healpix", "healpix_nside": nside, "healpix_order": "nested"}),
        }
    )
    if numbers:
        data["cell_ids"] = ("cell", pixels)
    data.to_netcdf(tmp_path / "in.nc")
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    stored = shown(tmp_path, dataset, "t")
    lat, lon = interleaved(np.arange(12 * nside**2), nside)
    index, distance = nearest(dataset, lat, lon)
    # Near its centre a pixel is the nearest one.
    close = distance < 2.5
    assert close.sum() > 300
    expected = np.where(np.isin(index, pixels), index + 0.5, np.nan).astype("f4")
    np.testing.assert_array_equal(stored[close], expected[close])


@pytest.mark.parametrize(
    ("attributes", "cells", "message"),
    [
        ({"healpix_nside": 8}, 768, "whose order is not stated"),
        ({"healpix_nside": 6, "healpix_order": "nest"}, 432, "nside 6, which is no power of 2"),
        ({"refinement_level": 3, "indexing_scheme": "nested"}, 700, "700 of the 768 pixels of a HEALPix grid"),
    ],
)
def test_a_healpix_that_is_not_known_whole_is_refused(
    tmp_path: Path, attributes: dict[str, Any], cells: int, message: str
) -> None:
    crs = ((), 0, {"grid_mapping_name": "healpix", **attributes})
    xr.Dataset({"t": (("cell",), np.zeros(cells)), "crs": crs}).to_netcdf(tmp_path / "in.nc")
    with pytest.raises(SourceError, match=message):
        convert(tmp_path / "in.nc", tmp_path / "s", "d")


def test_a_reduced_gaussian_grid_shows_the_nearest_point(tmp_path: Path) -> None:
    eccodes = pytest.importorskip("eccodes", reason="eccodes is not installed (extra grib)", exc_type=Exception)
    source = shared("realdata", "reduced_gg.grib")
    dataset = convert(source, tmp_path, "d")
    with source.open("rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
        lat, lon, values = (eccodes.codes_get_array(handle, key) for key in ("latitudes", "longitudes", "values"))
        eccodes.codes_release(handle)
    index, _ = nearest(dataset, lat, lon)
    stored = shown(tmp_path, dataset, dataset.variables[0].name).squeeze()
    assert not np.isnan(stored).any()
    np.testing.assert_array_equal(stored, values[index].astype("f4"))
    assert "a reduced grid of 96 rows" in dataset.remarks[0]
    assert "each with the nearest cell" in dataset.remarks[0]
    assert blind_layers(tmp_path, dataset) == []
