"""Rows and columns that a file leaves out are no data, and parts on both sides of a seam are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.sources.samples import EAST, NORTH, converted, even

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

LAT, LON = np.arange(-88, 89, 4.0), np.arange(-178, 180, 4.0)


def at(stored: xr.Dataset, lat: float, lon: float) -> float:
    return float(stored.v.sel(lat=lat, lon=lon, method="nearest"))


def test_two_polar_caps_leave_the_rest_empty(tmp_path: Path) -> None:
    lat = np.r_[-90:-59:1.0, 60:91:1.0]
    dataset, stored = converted(tmp_path, even(lat, np.arange(0, 360, 2.0)))
    assert (dataset.grid.y.cell_size, dataset.grid.shape.rows) == (-1.0, 181)
    rows = 1000.0 * np.arange(lat.size)
    np.testing.assert_array_equal(stored.v.sel(lat=lat)[:, 0].values, rows)
    assert np.isnan(stored.v.sel(lat=slice(59, -59)).values).all()
    assert "latitude lat leaves out 119 of 181 cells, which hold no data" in dataset.remarks


def test_integers_get_a_code_for_the_cells_of_gaps(tmp_path: Path) -> None:
    file = even(np.delete(LAT, 10), LON)
    file["v"] = file.v.astype("u1")
    dataset, _ = converted(tmp_path, file)
    variable = dataset.variables[0]
    assert variable.statistics is not None
    assert variable.packing.missing
    assert variable.statistics.cell_count - variable.statistics.valid_count >= LON.size


def test_missing_columns_are_empty(tmp_path: Path) -> None:
    keep = np.r_[0:20, 50:80]
    dataset, stored = converted(tmp_path, even(LAT, LON[keep]))
    assert dataset.grid.shape.cols == 80
    assert np.isnan(at(stored, 0, -40))
    assert (at(stored, -88, -178), at(stored, -88, 138)) == (0, 49)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(
    ("lon", "cols", "west"),
    [
        (np.r_[-180:-169:1.0, 170:180:1.0], 21, 169.5),
        (np.r_[-180:-169:1.0, 170:178:1.0], 21, 169.5),
        (np.r_[0:20:1.0, 340:360:1.0], 40, 339.5),
        (np.r_[178:180:1.0, -180:-177:1.0], 5, 177.5),
        (np.arange(350, 370, 1.0), 20, 349.5),
    ],
)
def test_parts_on_both_sides_of_a_seam_are_one_box(
    tmp_path: Path, lon: np.ndarray, cols: int, west: float, down: bool
) -> None:
    lon = lon[::-1] if down else lon
    dataset, stored = converted(tmp_path, even(np.arange(-10, 11.0), lon))
    assert (dataset.grid.shape.cols, dataset.grid.x.first_edge % 360) == (cols, west)
    for index, value in enumerate(lon):
        column = dataset.grid.cols_of(np.array([value]))[0]
        assert float(stored.v[-1, column]) == index


def test_a_missing_row_of_an_uneven_axis_is_a_gap_too(tmp_path: Path) -> None:
    lat = np.degrees(np.arcsin(np.linspace(-0.95, 0.95, 60)))
    dataset, stored = converted(tmp_path, even(np.delete(lat, 20), LON))
    rows = dataset.grid.rows_of(lat)
    assert np.isnan(stored.v.values[rows[20]]).all()
    held = stored.v.values[np.delete(rows, 20), 0]
    np.testing.assert_array_equal(held, 1000.0 * np.arange(59))
    assert any("in gaps without data" in remark for remark in dataset.remarks)


@pytest.mark.parametrize(
    "lat",
    [
        np.degrees(np.arctan(np.sinh(np.radians(np.arange(-80, 81, 2.0))))),
        np.r_[0:2:0.25, 2.625:10:1.0],
        np.r_[-89.5, np.arange(-88, 89, 2.0), 89.5],
    ],
)
def test_a_stretched_axis_has_no_gaps(tmp_path: Path, lat: np.ndarray) -> None:
    _, stored = converted(tmp_path, even(lat, LON))
    assert np.isfinite(stored.v.values).all()


def test_a_row_between_two_gaps_reaches_as_far_as_other_rows(tmp_path: Path) -> None:
    _, stored = converted(tmp_path, even([0.0, 1, 2, 10, 20, 21, 22], LON))
    assert np.isnan(at(stored, 5, 2))
    assert at(stored, 10, -178) == 3000
    assert np.isnan(at(stored, 11, 2))


def test_rows_without_a_latitude_are_left_out(tmp_path: Path) -> None:
    lat = np.where(np.arange(21) < 3, np.nan, np.arange(21.0))
    dataset, stored = converted(tmp_path, even(lat, LON))
    assert dataset.grid.shape.rows == 18
    assert at(stored, 3, -178) == 3000
    assert "latitude lat has 3 missing values, whose cells are left out" in dataset.remarks


def test_a_fill_value_among_even_steps_is_a_coordinate(tmp_path: Path) -> None:
    """Zarr 2 gives arrays a fill value of 0 unless told otherwise, and the equator is at 0."""
    file = even(np.arange(-4, 5.0), np.arange(0, 9.0))
    for name in ("lat", "lon"):
        file[name].attrs["missing_value"] = 0.0
    dataset, _ = converted(tmp_path, file)
    assert dataset.grid.shape.rows == dataset.grid.shape.cols == 9


def test_a_fill_value_of_0_in_its_order_is_a_coordinate(tmp_path: Path) -> None:
    file = even([-7.0, -3, -1, 0, 2, 5, 9], np.arange(0, 9.0))
    file.lat.attrs["missing_value"] = 0.0
    _, stored = converted(tmp_path, file)
    assert at(stored, 0, 0) == 3000


def test_packed_coordinates_with_fill_values_are_unpacked(tmp_path: Path) -> None:
    file = even(np.arange(-10, 11.0), np.arange(10.0))
    file.lat.encoding = {"dtype": "i2", "scale_factor": 0.1, "add_offset": 3.0, "_FillValue": -1}
    dataset, _ = converted(tmp_path, file)
    assert (dataset.grid.y.first_edge, dataset.grid.y.cell_size) == (10.5, -1.0)


def test_latitudes_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="latitude lat both rises and falls; sort it first"):
        converted(tmp_path, even([0.0, 1, 2, 1.5, 4], LON))


def test_parts_that_are_too_far_apart_are_refused(tmp_path: Path) -> None:
    lat = np.r_[0:0.001:0.0001, 80:80.001:0.00011]
    with pytest.raises(SourceError, match="select one part first"):
        converted(tmp_path, even(lat, LON))


def test_a_gap_is_found_without_reading_data(tmp_path: Path) -> None:
    even(np.delete(LAT, 10), LON).to_netcdf(tmp_path / "in.nc")
    source = open_source(tmp_path / "in.nc")
    assert source.found.rows.has_gaps
    assert source.found.rows.source_range(34, 35) == (0, 0)


@pytest.mark.parametrize("units", [{}, EAST])
def test_fill_values_of_longitudes_leave_columns_out_if_they_are_declared(
    tmp_path: Path, units: dict[str, str]
) -> None:
    lon = np.where(np.arange(90) == 89, 9.969209968386869e36, LON)
    north = NORTH if units else {}
    file = even(LAT, lon, north=north, east={**units, "missing_value": 9.969209968386869e36})
    dataset, _ = converted(tmp_path, file)
    assert (dataset.grid.shape.cols, dataset.grid.x.first_edge) == (89, -180)
    del file.lon.attrs["missing_value"]
    with pytest.raises(SourceError, match=r"which no longitude does|are no longitudes"):
        converted(tmp_path, file)
