"""Coordinate reference systems by the conventions of GDAL, GeoZarr, EOPF and rioxarray, and in CF's extended form."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from tests.pyramid.sources.samples import EAST, METRES_X, METRES_Y, NORTH, converted

if TYPE_CHECKING:
    from pathlib import Path

CRS = pyproj.CRS.from_epsg(32633)
X, Y = 4e5 + 30 * (np.arange(60) + 0.5), 5e6 - 30 * (np.arange(50) + 0.5)
VALUES = np.add.outer(Y, X)
LON, LAT = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True).transform(*np.meshgrid(X, Y))
UTM_BOX = (4e5, 4998500.0, 401800.0, 5e6)


def box(dataset: Any) -> tuple[float, float, float, float]:
    bounds = dataset.grid.bounds
    return bounds.west, bounds.south, bounds.east, bounds.north


def of_zarr(folder: Path, file: xr.Dataset, zarr_format: int = 3) -> Any:
    file.to_zarr(folder / "in.zarr", zarr_format=zarr_format, consolidated=False)
    return convert(folder / "in.zarr", folder / "store", "d")


STATED: list[tuple[str, dict[str, Any]]] = [
    ("proj:code", {"proj:code": "EPSG:32633"}),
    ("proj:epsg", {"proj:epsg": 32633}),
    ("proj:epsg", {"proj:epsg": "32633"}),
    ("proj:wkt2", {"proj:wkt2": CRS.to_wkt()}),
    ("proj:projjson", {"proj:projjson": CRS.to_json_dict()}),
    ("proj:projjson", {"proj:projjson": CRS.to_json()}),
    ("proj:code", {"proj": {"code": "EPSG:32633"}}),
    ("_CRS", {"_CRS": {"url": "http://www.opengis.net/def/crs/EPSG/0/32633", "wkt": CRS.to_wkt()}}),
    ("_CRS", {"_CRS": {"url": "http://www.opengis.net/def/crs/EPSG/0/32633"}}),
    ("_CRS", {"_CRS": {"projjson": CRS.to_json_dict()}}),
    ("crs", {"crs": "+init=epsg:32633"}),
    ("attributes of the file", {"crs_wkt": CRS.to_wkt()}),
]


@pytest.mark.parametrize(
    ("by", "attributes", "of_variable"),
    [(by, attributes, own) for by, attributes in STATED for own in (True, False) if not own or "file" not in by],
)
def test_every_convention_is_read(tmp_path: Path, by: str, attributes: dict[str, Any], of_variable: bool) -> None:
    own, shared = (attributes, {}) if of_variable else ({}, attributes)
    dataset = of_zarr(tmp_path, xr.Dataset({"b": (("y", "x"), VALUES, own)}, {"x": X, "y": Y}, shared))
    assert (dataset.grid.crs, box(dataset)) == ("EPSG:32633", UTM_BOX)
    assert any(each.text == f"EPSG:32633, by {by}" for each in dataset.variables[0].understanding)


def test_gdal_writes_x_and_y_in_capitals(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    for name, values in (("X", X), ("Y", Y)):
        group.create_array(name, data=values).attrs["_ARRAY_DIMENSIONS"] = [name]
    group.create_array("band1", data=VALUES).attrs.update(
        {"_ARRAY_DIMENSIONS": ["Y", "X"], "_CRS": {"wkt": CRS.to_wkt("WKT1_GDAL")}}
    )
    dataset = convert(tmp_path / "in.zarr", tmp_path / "store", "d")
    assert (dataset.grid.crs, box(dataset)) == ("EPSG:32633", UTM_BOX)


@pytest.mark.parametrize("attributes", [{"proj:code": "EPSG:999999"}, {"_CRS": "{"}, {"proj:wkt2": "PROJCRS["}])
def test_a_crs_that_cannot_be_read_is_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"is not a coordinate reference system|is damaged"):
        of_zarr(tmp_path, xr.Dataset({"b": (("y", "x"), VALUES)}, {"x": X, "y": Y}, attributes))


@pytest.mark.parametrize(
    ("code", "transform", "found"),
    [
        ("EPSG:32633", [30.0, 0.0, 4e5, 0.0, -30.0, 5e6], UTM_BOX),
        ("EPSG:32633", [30.0, 0.0, 4e5, 0.0, 30.0, 4998500.0], UTM_BOX),
        ("EPSG:4326", [0.1, 0.0, 10.0, 0.0, -0.1, 50.0], (10.0, 45.0, 16.0, 50.0)),
    ],
)
def test_a_transform_takes_the_place_of_coordinates(
    tmp_path: Path, code: str, transform: list[float], found: tuple[float, ...]
) -> None:
    attributes = {"proj:code": code, "spatial:transform": transform}
    dataset = of_zarr(tmp_path, xr.Dataset({"b": (("y", "x"), VALUES)}, attrs=attributes))
    assert dataset.grid.crs == code
    assert box(dataset) == pytest.approx(found)


@pytest.mark.parametrize("indices", [True, False])
def test_the_transform_of_rioxarray_is_read(tmp_path: Path, indices: bool) -> None:
    file = xr.Dataset(
        {
            "b": (("y", "x"), VALUES, {"grid_mapping": "spatial_ref"}),
            "spatial_ref": ((), 0, {"crs_wkt": CRS.to_wkt(), "GeoTransform": "400000 30 0 5000000 0 -30"}),
        }
    )
    if indices:
        file = file.assign_coords(x=np.arange(60), y=np.arange(50))
    dataset, _ = converted(tmp_path, file)
    assert (dataset.grid.crs, box(dataset)) == ("EPSG:32633", UTM_BOX)


def test_a_sheared_transform_is_refused(tmp_path: Path) -> None:
    attributes = {"proj:code": "EPSG:32633", "spatial:transform": [30.0, 1.0, 4e5, 0.0, -30.0, 5e6]}
    with pytest.raises(SourceError, match="rotated or sheared"):
        of_zarr(tmp_path, xr.Dataset({"b": (("y", "x"), VALUES)}, attrs=attributes))


def extended(text: str, y: str = "y", x: str = "x") -> xr.Dataset:
    """Return a file with two grid mappings, of x and y and of latitudes and longitudes, named in the extended form."""
    return xr.Dataset(
        {
            "b": ((y, x), VALUES, {"grid_mapping": text}),
            "utm": ((), 0, CRS.to_cf()),
            "wgs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
        },
        {x: (x, X), y: (y, Y), "lat": ((y, x), LAT, NORTH), "lon": ((y, x), LON, EAST)},
    )


@pytest.mark.parametrize(
    "text",
    [
        "utm",
        "utm: x y",
        "utm: y x",
        "utm: x y wgs: lat lon",
        "wgs: lat lon utm: y x",
        "wgs: lon lat utm: x y",
        "utm : x y",
    ],
)
def test_grid_mappings_in_the_extended_form(tmp_path: Path, text: str) -> None:
    dataset, _ = converted(tmp_path, extended(text))
    assert (dataset.grid.crs, box(dataset)) == ("EPSG:32633", UTM_BOX)


@pytest.mark.parametrize("text", ["utm: p q", "utm: q p"])
def test_names_that_say_nothing_are_told_apart_by_the_order_of_dimensions(tmp_path: Path, text: str) -> None:
    dataset, _ = converted(tmp_path, extended(text, "q", "p"))
    assert (dataset.grid.crs, box(dataset)) == ("EPSG:32633", UTM_BOX)
    rows = next(each for each in dataset.variables[0].understanding if each.topic == "rows")
    assert rows.guessed


def test_longitudes_may_be_counted_from_another_meridian(tmp_path: Path) -> None:
    mapping = {"grid_mapping_name": "latitude_longitude", "longitude_of_prime_meridian": 2.5}
    lon = np.arange(60) * 0.1
    file = xr.Dataset(
        {"b": (("lat", "lon"), VALUES, {"grid_mapping": "crs"}), "crs": ((), 0, mapping)},
        {"lon": ("lon", lon, {**EAST, "bounds": "edges"}), "lat": ("lat", np.arange(50) * 0.1, NORTH)},
    ).assign(edges=(("lon", "side"), np.stack([lon - 0.05, lon + 0.05], axis=-1)))
    dataset, _ = converted(tmp_path, file)
    assert dataset.grid.x.first_edge == pytest.approx(2.45)
    assert dataset.remarks == ("longitudes are counted from a prime meridian at 2.5 degrees",)


def test_our_own_stores_are_read_by_each_of_their_conventions(tmp_path: Path) -> None:
    file = extended("utm")
    file = file.assign_coords(x=("x", X, METRES_X), y=("y", Y, METRES_Y)).drop_vars(["lat", "lon"])
    dataset, _ = converted(tmp_path, file)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(tmp_path / "store" / "d.zarr", copy)
    assert convert(copy, tmp_path / "again", "d").grid == dataset.grid
    for name in ("x", "y", "b"):
        path = copy / "0" / name / "zarr.json"
        document = json.loads(path.read_text())
        kept = {"_FillValue"} & document["attributes"].keys()
        document["attributes"] = {key: document["attributes"][key] for key in kept}
        path.write_text(json.dumps(document))
    shutil.rmtree(copy / "0" / "crs")
    assert convert(copy / "0", tmp_path / "again", "d").grid == dataset.grid, "by proj:code"
    for name in ("x", "y"):
        shutil.rmtree(copy / "0" / name)
    assert convert(copy / "0", tmp_path / "again", "d").grid == dataset.grid, "by spatial:transform"
