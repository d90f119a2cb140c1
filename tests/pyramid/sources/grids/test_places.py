"""The true places of cells: how they are found, which of their numbers are none, and whether they stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from tests.pyramid.sources.samples import (
    EAST,
    NORTH,
    TILT_X,
    TILT_Y,
    TILTED_LAT,
    TILTED_LON,
    converted,
    shows_its_latitudes,
    tilted,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("scipy.spatial", reason="SciPy is not installed (extra regrid)")
PLANE = ("y", "x")


def in_place(stored: xr.Dataset) -> bool:
    """Return whether a result covers the tilted grid, no more, and each cell lies at the latitude that it holds."""
    west, east = float(stored.lon.min()), float(stored.lon.max())
    return shows_its_latitudes(stored) and -101 < west < -99 and -94.5 < east < -93


@pytest.mark.parametrize(("x", "y"), [("xc", "yc"), ("XC", "YC"), ("east", "north")])
@pytest.mark.parametrize("named", [True, False])
def test_places_are_found_by_their_units(tmp_path: Path, x: str, y: str, named: bool) -> None:
    """The example of CF 5.2 has 2-D xc and yc with units, which the variable names."""
    file = xr.Dataset(
        {"v": (PLANE, TILTED_LAT, {"coordinates": f"{y} {x}"} if named else {})},
        {x: (PLANE, TILTED_LON, {"units": "degrees_east"}), y: (PLANE, TILTED_LAT, {"units": "degrees_north"})},
    )
    if named:
        file = file.reset_coords()
    _, stored = converted(tmp_path, file)
    assert in_place(stored)
    _, stored = converted(tmp_path, file, x=x, y=y)
    assert in_place(stored)


def test_the_user_may_name_places_that_nothing_else_identifies(tmp_path: Path) -> None:
    file = xr.Dataset({"v": (PLANE, TILTED_LAT)}, {"p": (PLANE, TILTED_LON), "q": (PLANE, TILTED_LAT)})
    with pytest.raises(SourceError, match="no longitude and latitude"):
        converted(tmp_path, file)
    _, stored = converted(tmp_path, file, x="p", y="q")
    assert in_place(stored)


@pytest.mark.parametrize("order", [("x", "y"), ("y", "x")])
def test_places_and_data_may_have_any_order_of_dimensions(tmp_path: Path, order: tuple[str, str]) -> None:
    file = tilted().transpose("x", "y")
    file["lat"] = file.lat.transpose(*order)
    _, stored = converted(tmp_path, file)
    assert in_place(stored)


def test_other_dimensions_may_lie_between_rows_and_columns(tmp_path: Path) -> None:
    file = tilted(level=("level", [10.0, 20.0, 30.0]))
    file["v"] = file.v.expand_dims(level=3, axis=1).assign_coords(level=file.level)
    dataset, stored = converted(tmp_path, file)
    assert in_place(stored)
    assert dataset.variables[0].dimensions[0].labels == ("10", "20", "30")


def test_longitudes_may_count_to_360_and_latitudes_may_fall(tmp_path: Path) -> None:
    file = tilted(lat=(PLANE, TILTED_LAT[::-1], NORTH), lon=(PLANE, TILTED_LON[::-1] % 360, EAST))
    file["v"] = (PLANE, TILTED_LAT[::-1])
    _, stored = converted(tmp_path, file)
    assert in_place(stored)


def test_one_latitude_for_each_row_goes_with_longitudes_of_every_cell(tmp_path: Path) -> None:
    lat = np.repeat(TILTED_LAT[:, :1], 50, axis=1)
    file = tilted(lat=("y", lat[:, 0], NORTH)).assign(v=(PLANE, lat))
    _, stored = converted(tmp_path, file)
    assert in_place(stored)


def test_places_may_have_the_names_of_their_dimensions(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "same.nc", "w") as file:
        for name, size in (("lat", 60), ("lon", 50)):
            file.createDimension(name, size)
        for name, values, units in (("lat", TILTED_LAT, "degrees_north"), ("lon", TILTED_LON, "degrees_east")):
            variable = file.createVariable(name, "f8", ("lat", "lon"))
            variable.units = units
            variable[:] = values
        file.createVariable("v", "f8", ("lat", "lon"))[:] = TILTED_LAT
    _, stored = converted(tmp_path, tmp_path / "same.nc")
    assert in_place(stored)


@pytest.mark.parametrize(
    "encoding",
    [
        {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768},
        {"dtype": "i4", "scale_factor": 1e-5, "add_offset": 20.0, "missing_value": -2147483647},
        {"dtype": "f4", "_FillValue": np.float32(1e20)},
    ],
)
def test_packed_places_with_fill_values_are_unpacked(tmp_path: Path, encoding: dict[str, Any]) -> None:
    hole = (TILT_Y < 5) | (TILT_X > 45)
    file = tilted(
        lat=(PLANE, np.where(hole, np.nan, TILTED_LAT), NORTH), lon=(PLANE, np.where(hole, np.nan, TILTED_LON), EAST)
    )
    for name in ("lat", "lon"):
        file[name].encoding = encoding
    dataset, stored = converted(tmp_path, file)
    assert in_place(stored)
    assert f"{hole.sum()} of 3000 cells have no place, and are left out" in dataset.remarks
    assert float(stored.lat.min()) > 34.9


def test_places_beyond_their_valid_range_are_none(tmp_path: Path) -> None:
    wrong = (TILT_Y > 40) & (TILT_X > 40)
    lat = np.where(wrong, -60.0 + TILT_X, TILTED_LAT)
    file = tilted(lat=(PLANE, lat, {**NORTH, "valid_range": [0.0, 90.0]}))
    _, stored = converted(tmp_path, file)
    assert in_place(stored)
    assert float(stored.lat.min()) > 34


@pytest.mark.parametrize("fill", [0.0, -1.0, -999.0, 1e20, 9.969209968386869e36])
@pytest.mark.parametrize("named", ["nav_lat nav_lon", "gphit glamt"])
def test_one_number_in_many_cells_is_no_place(tmp_path: Path, fill: float, named: str) -> None:
    """NEMO writes 0, 0 where it left out the processors of the land, inside a regional grid."""
    land = (TILT_Y >= 20) & (TILT_Y < 30) & (TILT_X >= 20) & (TILT_X < 30)
    lat, lon = named.split()
    file = xr.Dataset(
        {"v": (PLANE, np.where(land, np.nan, TILTED_LAT))},
        {lat: (PLANE, np.where(land, fill, TILTED_LAT)), lon: (PLANE, np.where(land, fill, TILTED_LON))},
    )
    dataset, stored = converted(tmp_path, file)
    assert in_place(stored)
    assert "100 of 3000 cells have no place, and are left out" in dataset.remarks


@pytest.mark.parametrize(("size", "left_out"), [(1, True), (2, True)])
def test_few_places_at_0_0_far_from_their_neighbours_are_none(tmp_path: Path, size: int, left_out: bool) -> None:
    there = (TILT_Y == 30) & (TILT_X >= 20) & (20 + size > TILT_X)
    file = tilted(lat=(PLANE, np.where(there, 0, TILTED_LAT), NORTH), lon=(PLANE, np.where(there, 0, TILTED_LON), EAST))
    dataset, stored = converted(tmp_path, file)
    assert in_place(stored) == left_out
    assert f"{size} of 3000 cells have no place, and are left out" in dataset.remarks


def test_a_cell_at_0_0_among_its_neighbours_is_a_place(tmp_path: Path) -> None:
    lat, lon = (TILT_Y - 30) * 0.1 - (TILT_X - 20) * 0.01, (TILT_X - 20) * 0.1 + (TILT_Y - 30) * 0.02
    file = tilted(lat=(PLANE, lat, NORTH), lon=(PLANE, lon, EAST)).assign(v=(PLANE, lat))
    dataset, stored = converted(tmp_path, file)
    assert shows_its_latitudes(stored)
    assert not any("no place" in remark for remark in dataset.remarks)


TIME = ("time", [0.0, 1.0, 2.0], {"units": "days since 2024-01-01"})


def stepped(lat: Any, lon: Any, dims: tuple[str, ...] = ("time", "y", "x")) -> xr.Dataset:
    values = np.stack([TILTED_LAT] * 3)
    file = xr.Dataset(
        {"v": (("time", "y", "x"), values)},
        {"lat": (("time", "y", "x"), lat, NORTH), "lon": (("time", "y", "x"), lon, EAST), "time": TIME},
    )
    return file.transpose(*dims)


@pytest.mark.parametrize("dims", [("time", "y", "x"), ("y", "x", "time"), ("y", "time", "x")])
def test_places_that_move_from_step_to_step_are_refused(tmp_path: Path, dims: tuple[str, ...]) -> None:
    lat = np.stack([TILTED_LAT, TILTED_LAT + 20, TILTED_LAT])
    lon = np.stack([TILTED_LON, TILTED_LON + 30, TILTED_LON])
    with pytest.raises(SourceError, match="its places lat and lon differ from step to step of time"):
        converted(tmp_path, stepped(lat, lon, dims))


def test_a_few_cells_that_move_at_one_step_are_noticed(tmp_path: Path) -> None:
    lat = np.stack([TILTED_LAT] * 3)
    lat[2, 5:9, 5:9] += 3
    with pytest.raises(SourceError, match=r"differ from step to step of time \(by up to 3 degrees at step 2\)"):
        converted(tmp_path, stepped(lat, np.stack([TILTED_LON] * 3)))


@pytest.mark.parametrize("dims", [("time", "y", "x"), ("y", "x", "time")])
def test_places_that_stay_are_taken_from_any_step(tmp_path: Path, dims: tuple[str, ...]) -> None:
    """Steps may lack places that others have, as those of the ascending and the descending half of an orbit do."""
    lat, lon = np.stack([TILTED_LAT] * 3), np.stack([TILTED_LON] * 3)
    lat[0, :30], lon[0, :30], lat[1, 30:], lon[1, 30:] = (np.nan,) * 4
    dataset, stored = converted(tmp_path, stepped(lat, lon, dims))
    assert in_place(stored)
    assert float(stored.lat.min()) < 34.6 + 0.1
    assert not any("no place" in remark for remark in dataset.remarks)


def test_a_swath_along_time_does_not_move(tmp_path: Path) -> None:
    file = (
        tilted().rename(y="time").assign_coords(time=("time", np.arange(60.0), {"units": "seconds since 2020-01-01"}))
    )
    _, stored = converted(tmp_path, file)
    assert in_place(stored)


def test_a_list_of_places_is_no_grid(tmp_path: Path) -> None:
    places = np.linspace(0, 40, 40)
    file = xr.Dataset(
        {"v": (("time", "station"), np.ones((3, 40)))},
        {"lat": ("station", places, NORTH), "lon": ("station", places, EAST)},
    )
    with pytest.raises(
        SourceError, match="its places lat and lon run along station together: they are points, not cells"
    ):
        converted(tmp_path, file)


def test_latitudes_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tilted(lat=(PLANE, TILTED_LAT * 1000, NORTH))
    with pytest.raises(SourceError, match=r"latitudes lie within -90\.\.90 degrees"):
        converted(tmp_path, file)


def test_a_quantity_that_is_a_latitude_is_not_the_place_of_cells(tmp_path: Path) -> None:
    """The centroid of what was seen within each cell lies somewhere in it, or nowhere near."""
    lat, lon = 40 - np.arange(60) * 0.5, 10 + np.arange(50) * 0.5
    places = np.meshgrid(lon, lat)
    file = xr.Dataset(
        {
            "v": (("lat", "lon"), np.zeros((60, 50))),
            "storm_lat": (("lat", "lon"), -places[1], NORTH),
            "storm_lon": (("lat", "lon"), -places[0], EAST),
        },
        {"lat": ("lat", lat, NORTH), "lon": ("lon", lon, EAST)},
    )
    dataset, _ = converted(tmp_path, file)
    assert (dataset.grid.x.first_edge, dataset.grid.y.first_edge) == (9.75, 40.25)
    assert dataset.remarks == ()


def test_nominal_degrees_of_an_axis_give_way_to_the_places(tmp_path: Path) -> None:
    """MOM6 has both for its grid with two poles in the north."""
    file = xr.Dataset(
        {"v": (("yh", "xh"), TILTED_LAT)},
        {
            "xh": ("xh", TILTED_LON[0], {"units": "degrees_east", "long_name": "h point nominal longitude"}),
            "yh": ("yh", TILTED_LAT[:, 0], {"units": "degrees_north", "long_name": "h point nominal latitude"}),
            "geolon": (("yh", "xh"), TILTED_LON, {"units": "degrees_east"}),
            "geolat": (("yh", "xh"), TILTED_LAT, {"units": "degrees_north"}),
        },
    )
    dataset, stored = converted(tmp_path, file)
    assert in_place(stored)
    assert any(remark.startswith("yh and xh are not used: the true places") for remark in dataset.remarks)
