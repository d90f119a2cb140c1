"""Projected grids: the CRS that a file states, units, and what the user may say instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.convert import convert
from lazytile.pyramid.describe import describe, format_description
from lazytile.pyramid.errors import SourceError
from lazytile.pyramid.sources.crs import text_of
from tests.pyramid.netcdf import centres
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path

UTM = pyproj.CRS.from_epsg(32648)


def write_projected(
    path: Path,
    *,
    mapping: dict[str, Any] | None,
    units: str = "m",
    scale: float = 1.0,
    up: bool = False,
    names: tuple[str, str] = ("y", "x"),
) -> np.ndarray:
    """Write a 40 x 60 grid of 100 m in UTM 48N and return its codes, north up."""
    codes = np.arange(2400, dtype="int16").reshape(40, 60)
    with netCDF4.Dataset(path, "w") as file:
        for name, kind, values in (
            (names[0], "y", centres(4_000_000, -100, 40)[:: -1 if up else 1]),
            (names[1], "x", centres(300_000, 100, 60)),
        ):
            file.createDimension(name, values.size)
            variable = file.createVariable(name, "f8", (name,))
            variable.setncatts({"standard_name": f"projection_{kind}_coordinate", "units": units})
            variable[:] = values * scale
        variable = file.createVariable("t", "i2", names)
        variable[:] = codes[:: -1 if up else 1]
        if mapping is not None:
            file.createVariable("projection", "i4", ()).setncatts(mapping)
            variable.grid_mapping = "projection"
    return codes


@pytest.mark.parametrize(("units", "scale"), [("m", 1.0), ("km", 1e-3), ("100 m", 1e-2)])
@pytest.mark.parametrize("up", [False, True])
def test_units_and_directions_come_out_in_metres_north_up(tmp_path: Path, units: str, scale: float, up: bool) -> None:
    codes = write_projected(tmp_path / "in.nc", mapping=UTM.to_cf(), units=units, scale=scale, up=up)
    dataset = convert(tmp_path / "in.nc", tmp_path)
    assert dataset.grid.crs == "EPSG:32648"
    assert (dataset.grid.x.first_edge, dataset.grid.x.cell_size) == (300_000, 100)
    assert (dataset.grid.y.first_edge, dataset.grid.y.cell_size) == (4_000_000, -100)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "in.zarr", mode="r")["0/t"][...], codes)


@pytest.mark.parametrize(
    "mapping",
    [
        {"crs_wkt": UTM.to_wkt()},
        {"spatial_ref": UTM.to_wkt("WKT1_GDAL")},
        {key: value for key, value in UTM.to_cf().items() if key != "crs_wkt"},
    ],
)
def test_every_way_to_state_a_crs_is_read(tmp_path: Path, mapping: dict[str, Any]) -> None:
    write_projected(tmp_path / "in.nc", mapping=mapping)
    grid = convert(tmp_path / "in.nc", tmp_path).grid
    lonlat = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(300_000, 4_000_000)
    expected = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(300_000, 4_000_000)
    np.testing.assert_allclose(lonlat, expected, atol=1e-9)


def test_a_grid_without_a_crs_asks_for_one(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=None)
    with pytest.raises(SourceError, match=r"projected grid \(x 300050\.\.305950 m, .* give --crs"):
        convert(tmp_path / "in.nc", tmp_path / "s")
    assert convert(tmp_path / "in.nc", tmp_path / "s", crs="EPSG:32648").grid.crs == "EPSG:32648"
    with pytest.raises(SourceError, match="is no coordinate reference system"):
        convert(tmp_path / "in.nc", tmp_path / "s", crs="nowhere")


def test_named_coordinates_come_first(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=None, names=("down", "across"))
    with netCDF4.Dataset(tmp_path / "in.nc", "a") as file:
        for name in ("down", "across"):
            file[name].delncattr("standard_name")
            file[name].delncattr("units")
    with pytest.raises(SourceError, match="no longitude and latitude coordinates"):
        convert(tmp_path / "in.nc", tmp_path / "s")
    grid = convert(tmp_path / "in.nc", tmp_path / "s", x="across", y="down", crs="EPSG:32648").grid
    assert (grid.x.first_edge, grid.y.first_edge) == (300_000, 4_000_000)


def test_radians_need_a_satellite(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=UTM.to_cf(), units="rad")
    with pytest.raises(SourceError, match="radians, which only a geostationary view has"):
        convert(tmp_path / "in.nc", tmp_path)


def test_the_store_says_where_it_lies(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=UTM.to_cf())
    convert(tmp_path / "in.nc", tmp_path)
    with xr.open_zarr(tmp_path / "in.zarr", group="0") as stored:
        assert stored["t"].dims == ("y", "x")
        assert stored["x"].attrs["standard_name"] == "projection_x_coordinate"
        assert pyproj.CRS.from_cf(stored["crs"].attrs) == UTM
        assert stored.attrs["spatial:dimensions"] == ["y", "x"]
    assert "100 x 100 m" in format_description(describe(tmp_path / "in.zarr"))


def test_longitudes_on_any_ellipsoid_are_4326() -> None:
    assert text_of(pyproj.CRS.from_epsg(4269)) == "EPSG:4326"
    assert text_of(pyproj.CRS.from_proj4("+proj=longlat +R=6371229")) == "EPSG:4326"
    assert text_of(pyproj.CRS.from_epsg(3413)) == "EPSG:3413"


# File, variable, group, how far its own latitudes and longitudes of every cell may be, in cells (None: it has none).
REAL = [
    ("AROME_MetCoOp_00_DEF_20160114_subset.nc", "x_wind_10m", "/", 0.05),
    ("Arctic20_1to5Feb_2016.nc", "aice", "/", 0.75),  # its x and y are two thirds of a cell off, whatever the sphere
    ("SPL3FTP_subsetted.nc4", "altitude_dem", "/Freeze_Thaw_Retrieval_Data_Polar", 0.05),
    ("SPL3FTP_subsetted.nc4", "altitude_dem", "/Freeze_Thaw_Retrieval_Data_Global", 0.05),
]


@pytest.mark.parametrize(("file", "name", "group", "allowed"), REAL)
def test_cells_lie_where_the_file_s_own_places_are(
    tmp_path: Path, file: str, name: str, group: str, allowed: float
) -> None:
    source = shared("realdata", file)
    dataset = convert(source, tmp_path, "d", [name], group=group)
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{name}"][...]
    with netCDF4.Dataset(source) as opened:
        home = opened[group] if group != "/" else opened
        lat, lon = (np.ma.masked_equal(home[each][...], -9999.0).astype("f8") for each in ("latitude", "longitude"))
        home[name].set_auto_maskandscale(False)
        numbers = home[name][...]
    if lat.ndim == 3:
        lat, lon = lat[0], lon[0]
    known = ~np.ma.getmaskarray(lat)
    to = pyproj.Transformer.from_crs("EPSG:4326", dataset.grid.crs, always_xy=True)
    x, y = to.transform(np.asarray(lon[known]), np.asarray(lat[known]))
    rows, cols = np.nonzero(known)
    # The source may run from south to north.
    up = y[rows == rows.max()].mean() > y[rows == rows.min()].mean()
    there = numbers[..., ::-1, :] if up else numbers
    ours = stored.reshape(-1, *stored.shape[-2:])
    np.testing.assert_array_equal(
        ours.view(f"u{ours.itemsize}"), np.ascontiguousarray(there).reshape(ours.shape).view(f"u{ours.itemsize}")
    )
    at = dataset.grid.shape.rows - 1 - rows if up else rows
    assert np.abs(x - dataset.grid.x.centres()[cols]).max() <= allowed * dataset.grid.x.cell_size
    assert np.abs(y - dataset.grid.y.centres()[at]).max() <= -allowed * dataset.grid.y.cell_size


def test_a_geostationary_view(tmp_path: Path) -> None:
    source = shared("realdata", "20171025_2056.Cloud_Top_Height.nc")
    dataset = convert(source, tmp_path, "d")
    assert dataset.grid.x.cell_size == pytest.approx(0.00028 * 35786023, rel=1e-6)
    to = pyproj.Transformer.from_crs(dataset.grid.crs, "EPSG:4326", always_xy=True)
    _, lat = to.transform(*(np.array(ends) for ends in zip(*_corners(dataset.grid), strict=True)))
    # What the file says of its own corners, to what its float32 attributes hold.
    with netCDF4.Dataset(source) as opened:
        extent = opened["geospatial_lat_lon_extent"]
        assert np.nanmin(np.where(np.isfinite(lat), lat, np.nan)) == pytest.approx(
            extent.geospatial_southbound_latitude, abs=0.6
        )
        variable = opened["HT"]
        variable.set_auto_maskandscale(False)
        numbers = variable[...].view("u2")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/HT"][0], numbers)
    statistics = dataset.variable("HT").statistics
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum) == (0.0, pytest.approx(15430.5, abs=0.05))
    assert 1 - statistics.valid_count / statistics.cell_count == pytest.approx(0.383, abs=5e-4)


def _corners(grid: Any) -> list[tuple[float, float]]:
    return [(x, y) for x in (grid.x.centres()[[0, -1]]) for y in (grid.y.centres()[[0, -1]])]


def test_a_rotated_pole(tmp_path: Path) -> None:
    source = shared("realdata", "tas_rotated_grid_EUR11.nc")
    dataset = convert(source, tmp_path, "d")
    with netCDF4.Dataset(source) as opened:
        opened["tas"].set_auto_maskandscale(False)
        numbers = opened["tas"][0, 0]
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/tas"][0, 0], numbers[::-1])
    # The pole of the rotated grid, and what must lie opposite: its equator crosses 18 degrees east at 50.75 north.
    to = pyproj.Transformer.from_crs(dataset.grid.crs, "EPSG:4326", always_xy=True)
    np.testing.assert_allclose(to.transform(0.0, 0.0), (18.0, 50.75), atol=1e-6)
    statistics = dataset.variables[0].statistics
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum) == pytest.approx((252.799, 293.744), abs=1e-3)
