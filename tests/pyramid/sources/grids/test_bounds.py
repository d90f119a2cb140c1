"""Cells lie as their bounds say (CF 7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import xarray as xr

from tests.pyramid.sources.samples import (
    EAST,
    METRES_X,
    METRES_Y,
    NORTH,
    TILT_X,
    TILT_Y,
    converted,
    even,
    tilted,
)

if TYPE_CHECKING:
    from pathlib import Path


def pairs(low: Any, high: Any) -> np.ndarray:
    return np.stack([np.asarray(low), np.asarray(high)], axis=-1)


def bounded(lat: Any, lon: Any, lat_bounds: Any = None, lon_bounds: Any = None, **renamed: str) -> xr.Dataset:
    """Return an even file with bounds, which the coordinates name."""
    file = even(lat, lon, north=dict(NORTH), east=dict(EAST))
    for name, bounds in (("lat", lat_bounds), ("lon", lon_bounds)):
        if bounds is not None:
            file[f"{name}_edges"] = ((name, "nv"), bounds)
            file[name].attrs["bounds"] = f"{name}_edges"
    return file.rename(renamed)


def box(dataset: Any) -> tuple[float, float, float, float]:
    bounds = dataset.grid.bounds
    return bounds.west, bounds.south, bounds.east, bounds.north


LOW_LAT, LOW_LON = np.arange(-90, 90, 4.0), np.arange(0, 360, 4.0)
LAT_BOUNDS, LON_BOUNDS = pairs(LOW_LAT, LOW_LAT + 4), pairs(LOW_LON, LOW_LON + 4)


@pytest.mark.parametrize("corner", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("down", [False, True])
def test_coordinates_may_be_corners(tmp_path: Path, corner: float, down: bool) -> None:
    turn = slice(None, None, -1 if down else 1)
    file = bounded((LOW_LAT + corner)[turn], LOW_LON + corner, LAT_BOUNDS[turn, turn], LON_BOUNDS)
    dataset, stored = converted(tmp_path, file)
    assert box(dataset) == (0, -90, 360, 90)
    row = 44 - 22 if down else 22
    assert float(stored.v.sel(lat=1.5, lon=3.5, method="nearest")) == 1000 * row
    share = abs(corner - 2) / 4
    assert f"latitude lat lies {share:.2g} of a cell from the middle of its cells, as lat_edges says" in dataset.remarks
    rows = next(each.text for each in dataset.variables[0].understanding if each.topic == "rows")
    assert rows == "latitude lat, by standard_name, its cells by lat_edges"


@pytest.mark.parametrize(
    ("lon", "lon_bounds"),
    [
        (LOW_LON, pairs((LOW_LON - 2) % 360, (LOW_LON + 2) % 360)),
        (LOW_LON, pairs(LOW_LON - 2, LOW_LON + 2)),
        (LOW_LON, pairs(LOW_LON + 358, LOW_LON + 362)),
    ],
)
def test_bounds_that_agree_with_the_centres_change_nothing(tmp_path: Path, lon: Any, lon_bounds: Any) -> None:
    """Bounds may be cut at the poles, and be given at any turn of the circle."""
    lat = np.linspace(-90, 90, 91)
    cut = pairs(np.clip(lat - 1, -90, 90), np.clip(lat + 1, -90, 90))
    dataset, _ = converted(tmp_path, bounded(lat, lon, cut, lon_bounds))
    assert box(dataset) == (-2, -91, 358, 91)
    assert dataset.remarks == ()


@pytest.mark.parametrize(
    ("lat_bounds", "reason"),
    [
        (pairs(LOW_LAT + 2, LOW_LAT + 2), "some cells have no size"),
        (pairs(LOW_LAT - 2, LOW_LAT + 6), "cells overlap"),
        (pairs(LOW_LAT + np.nan, LOW_LAT), "some are missing"),
        (pairs(LOW_LAT + 5, LOW_LAT + 9), "some cells do not hold their own coordinate"),
    ],
)
def test_bounds_that_cannot_be_those_of_cells_are_ignored_and_named(
    tmp_path: Path, lat_bounds: Any, reason: str
) -> None:
    dataset, _ = converted(tmp_path, bounded(LOW_LAT + 2, LOW_LON + 2, lat_bounds, LON_BOUNDS))
    assert box(dataset) == (0, -90, 360, 90)
    assert f"the bounds lat_edges are not used: {reason}" in dataset.remarks


EDGES = np.array([-90, -60, -30, -15, -5, 0, 5, 15, 30, 60, 90.0])


@pytest.mark.parametrize("lat", [(EDGES[1:] + EDGES[:-1]) / 2, EDGES[:-1], EDGES[1:]])
@pytest.mark.parametrize("form", ["bounds", "edges"])
def test_uneven_cells_lie_as_their_bounds_say(tmp_path: Path, lat: np.ndarray, form: str) -> None:
    file = bounded(lat, LOW_LON + 2, pairs(EDGES[:-1], EDGES[1:]) if form == "bounds" else None)
    if form == "edges":
        file["lat_edges"] = ("edge", EDGES)
        file.lat.attrs["edges"] = "lat_edges"
    dataset, stored = converted(tmp_path, file)
    assert (dataset.grid.bounds.south, dataset.grid.bounds.north) == (-90, 90)
    centres = stored.lat.values
    cell = np.searchsorted(EDGES, centres) - 1
    np.testing.assert_array_equal(stored.v.values[:, 0], 1000.0 * cell)


def test_strips_with_room_between_them_leave_it_empty(tmp_path: Path) -> None:
    lat = np.arange(0, 20, 2.0)
    _, stored = converted(tmp_path, bounded(lat, LOW_LON + 2, pairs(lat - 0.5, lat + 0.5)))
    assert np.isnan(float(stored.v.sel(lat=3, lon=2, method="nearest")))
    assert float(stored.v.sel(lat=4, lon=2, method="nearest")) == 2000


def test_bounds_of_the_usual_name_count_though_nothing_names_them(tmp_path: Path) -> None:
    file = even(LOW_LAT, LOW_LON).assign(
        lat_bnds=(("lat", "nv"), LAT_BOUNDS), lon_bnds=(("lon", "nv"), LON_BOUNDS + 1000)
    )
    dataset, _ = converted(tmp_path, file)
    assert box(dataset) == (-2, -90, 358, 90), "those of longitude hold no longitude"
    assert [variable.name for variable in dataset.variables] == ["v"]


@pytest.mark.parametrize(("units", "metres"), [("m", 1.0), ("km", 1000.0)])
def test_projected_cells_have_bounds_too(tmp_path: Path, units: str, metres: float) -> None:
    x, y = 4e5 + np.arange(60) * 30.0, 5e6 - np.arange(50) * 30.0
    file = xr.Dataset(
        {
            "v": (("y", "x"), np.zeros((50, 60)), {"grid_mapping": "crs"}),
            "crs": ((), 0, pyproj.CRS.from_epsg(32633).to_cf()),
            "x_bounds": (("x", "nv"), pairs(x, x + 30) / metres),
            "y_bounds": (("y", "nv"), pairs(y - 30, y) / metres),
        },
        {
            "x": ("x", x / metres, {**METRES_X, "units": units, "bounds": "x_bounds"}),
            "y": ("y", y / metres, {**METRES_Y, "units": units, "bounds": "y_bounds"}),
        },
    )
    dataset, _ = converted(tmp_path, file)
    assert box(dataset) == pytest.approx((4e5, 5e6 - 1500, 4e5 + 1800, 5e6))


def latitude(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 35 + y * 0.1 - x * 0.01


def longitude(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -100 + x * 0.1 + y * 0.02


@pytest.mark.parametrize(("off_x", "off_y"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_cells_lie_in_the_middle_of_their_four_corners(tmp_path: Path, off_x: float, off_y: float) -> None:
    """The coordinates are the first corner, the middle, or the corner opposite."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    middle_lat, middle_lon = (each(TILT_X + 0.5, TILT_Y + 0.5) for each in (latitude, longitude))
    file = tilted(
        lat=(("y", "x"), latitude(TILT_X + off_x, TILT_Y + off_y), {**NORTH, "bounds": "lat_corners"}),
        lon=(("y", "x"), longitude(TILT_X + off_x, TILT_Y + off_y), {**EAST, "bounds": "lon_corners"}),
    ).assign(v=(("y", "x"), middle_lat), w=(("y", "x"), middle_lon))
    for name, each in (("lat", latitude), ("lon", longitude)):
        file[f"{name}_corners"] = (
            ("y", "x", "corner"),
            np.stack([each(TILT_X + x, TILT_Y + y) for x, y in corners], axis=-1),
        )
    dataset, stored = converted(tmp_path, file)
    off = stored.v.values - stored.lat.values[:, None]
    assert abs(np.nanmean(off)) < 0.005
    assert abs(np.nanmean(stored.w.values - stored.lon.values)) < 0.005
    told = any("cells lie as lat_corners and lon_corners say" in remark for remark in dataset.remarks)
    assert told == (off_x != 0.5)


def test_bounds_of_a_coordinate_in_radians_are_in_radians(tmp_path: Path) -> None:
    file = bounded(np.radians(LOW_LAT), np.radians(LOW_LON), np.radians(LAT_BOUNDS), np.radians(LON_BOUNDS))
    for name in ("lat", "lon"):
        file[name].attrs["units"] = "radians"
    dataset, _ = converted(tmp_path, file)
    assert box(dataset) == pytest.approx((0, -90, 360, 90))
