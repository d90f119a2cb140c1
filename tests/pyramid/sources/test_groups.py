"""Coordinates in other groups than the data (CF 2.7): above, beside, and by their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from tests.pyramid.sources.samples import (
    EAST,
    NORTH,
    TILTED_LAT,
    TILTED_LON,
    converted,
    shows_its_latitudes,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("scipy.spatial", reason="SciPy is not installed (extra regrid)")
DIMS = ("line", "pixel")


def put(group: Any, dims: tuple[str, ...] = DIMS, *, lat: Any = TILTED_LAT, lon: Any = TILTED_LON) -> None:
    """Write places into a group."""
    for name, values, attributes in (("latitude", lat, NORTH), ("longitude", lon, EAST)):
        variable = group.createVariable(name, "f4", dims)
        variable.setncatts(attributes)
        variable[:] = np.reshape(values, variable.shape)


def data(group: Any, dims: tuple[str, ...] = DIMS, **attributes: str) -> None:
    """Write a variable into a group that holds the latitude of each cell."""
    variable = group.createVariable("v", "f4", dims)
    variable.setncatts(attributes)
    variable[:] = np.reshape(TILTED_LAT, variable.shape)


def sized(file: Any) -> Any:
    for name, size in (("time", 1), ("line", 60), ("pixel", 50)):
        file.createDimension(name, size)
    return file


def check(folder: Path, **options: Any) -> None:
    _, stored = converted(folder, folder / "groups.nc", **options)
    assert shows_its_latitudes(stored)


@pytest.mark.parametrize(
    ("places", "own"),
    [("navigation_data", "geophysical_data"), ("a/b/GEODATA", "a/b/SENSOR"), ("geo", "data/deeper"), ("/", "data")],
)
def test_places_beside_or_above_the_data(tmp_path: Path, places: str, own: str) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        put(file if places == "/" else file.createGroup(places))
        data(file.createGroup(own))
    check(tmp_path)
    check(tmp_path, group=own)


def test_two_dimensional_places_of_the_parent(tmp_path: Path) -> None:
    dims = ("time", *DIMS)
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        product = sized(file.createGroup("PRODUCT"))
        put(product, dims)
        data(product.createGroup("SUPPORT_DATA/INPUT_DATA"), dims, coordinates="/PRODUCT/longitude /PRODUCT/latitude")
    check(tmp_path)


@pytest.mark.parametrize("prefix", ["/right/", "../right/", "right/"])
def test_coordinates_are_followed_by_their_paths(tmp_path: Path, prefix: str) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        put(file.createGroup("wrong"), lat=TILTED_LAT + 40)
        put(file.createGroup("right"))
        data(file.createGroup("data"), coordinates=f"{prefix}latitude {prefix}longitude")
    check(tmp_path)


def test_of_two_groups_that_are_as_near_the_user_names_one(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        put(file.createGroup("one"), lat=TILTED_LAT + 40)
        put(file.createGroup("two"))
        data(file.createGroup("data"))
    with pytest.raises(SourceError, match="the groups /one and /two are equally near and hold places; name the right"):
        converted(tmp_path, tmp_path / "groups.nc")
    check(tmp_path, x="/two/longitude", y="/two/latitude")


def test_the_nearer_group_comes_first(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        for band, off in (("BAND1", 0), ("BAND2", 30)):
            put(file.createGroup(f"{band}/GEODATA"), lat=TILTED_LAT + off)
        data(file.createGroup("BAND1/OBSERVATIONS"))
    check(tmp_path)


def test_one_dimensional_coordinates_beside_the_data(tmp_path: Path) -> None:
    lat, lon = np.arange(60.0), np.arange(50.0)
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        group = file.createGroup("axes")
        for name, dim, values, attributes in (("la", "line", lat, NORTH), ("lo", "pixel", lon, EAST)):
            variable = group.createVariable(name, "f4", (dim,))
            variable.setncatts(attributes)
            variable[:] = values
        data(file.createGroup("data"))
    dataset, _ = converted(tmp_path, tmp_path / "groups.nc")
    assert (dataset.grid.x.first_edge, dataset.grid.y.first_edge) == (-0.5, 59.5)


def test_places_of_another_size_are_not_taken(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        sized(file)
        other = file.createGroup("geo")
        other.createDimension("line", 30)
        other.createDimension("pixel", 50)
        put(other, lat=TILTED_LAT[:30], lon=TILTED_LON[:30])
        data(file.createGroup("data"))
    with pytest.raises(SourceError, match="no longitude and latitude coordinates"):
        converted(tmp_path, tmp_path / "groups.nc")


def test_hdf5_without_names_of_dimensions(tmp_path: Path) -> None:
    """The netCDF library then invents names, other ones in each group."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "groups.nc", "w") as file:
        file["geo/latitude"], file["geo/longitude"] = TILTED_LAT.astype("f4"), TILTED_LON.astype("f4")
        file["data/v"], file["data/extra"] = TILTED_LAT.astype("f4"), np.zeros((3, 60, 50), "f4")
    _, stored = converted(tmp_path, tmp_path / "groups.nc", variables=["v"])
    assert shows_its_latitudes(stored)


def test_overviews_of_what_is_shown_are_not_left_out(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        for name, rows, cols in (("0", 9, 16), ("1", 5, 8), ("2", 2, 4), ("other", 4, 6)):
            group = file.createGroup(name)
            group.createDimension("lat", rows)
            group.createDimension("lon", cols)
            lat = np.linspace(90 - 90 / rows, 90 / rows - 90, rows)
            lon = np.linspace(180 / cols - 180, 180 - 180 / cols, cols)
            for axis, values, attributes in (("lat", lat, NORTH), ("lon", lon, EAST)):
                variable = group.createVariable(axis, "f8", (axis,))
                variable.setncatts(attributes)
                variable[:] = values
            group.createVariable("v", "f4", ("lat", "lon"))[:] = np.zeros((rows, cols))
    dataset, _ = converted(tmp_path, tmp_path / "groups.nc")
    assert (dataset.grid.shape.rows, dataset.grid.shape.cols) == (9, 16)
    assert dataset.remarks == ("other/v is left out: it lies on another grid (4 x 6)",)
