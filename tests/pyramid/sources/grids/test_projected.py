"""Projected grids: the CRS that a file states, its units, and overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.ingest.describe import describe, format_description
from lazytile.pyramid.sources.cf.crs import crs_text
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


CONE = {
    "grid_mapping_name": "lambert_conformal_conic",
    "longitude_of_central_meridian": 263.0,
    "latitude_of_projection_origin": 40.0,
    "earth_radius": 6370000.0,
}
STERE = {"grid_mapping_name": "polar_stereographic", "straight_vertical_longitude_from_pole": -45.0}
VIEW = {
    "grid_mapping_name": "geostationary",
    "perspective_point_height": 35786023.0,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.31414,
    "latitude_of_projection_origin": 0.0,
    "longitude_of_projection_origin": -75.0,
}
_LCC = "+proj=lcc +lat_0=40 +lon_0=-97 +R=6370000"
_GEOS = "+proj=geos +h=35786023 +lon_0=-75 +a=6378137 +b=6356752.31414"

# Attributes of the grid mapping, units, metres in one of them, and the same CRS as PROJ writes it.
MAPPINGS: list[tuple[dict[str, Any], str, float, str]] = [
    # One parallel that is not the latitude of the origin: pyproj alone takes it for that.
    (CONE | {"standard_parallel": 25.0}, "m", 1, f"{_LCC} +lat_1=25"),
    (CONE | {"standard_parallel": [25.0, 25.0]}, "m", 1, f"{_LCC} +lat_1=25 +lat_2=25"),
    (CONE | {"standard_parallel": [33.0, 45.0]}, "km", 1e3, f"{_LCC} +lat_1=33 +lat_2=45"),
    (CONE | {"standard_parallel": "33, 45", "earth_radius": "6370000"}, "m", 1, f"{_LCC} +lat_1=33 +lat_2=45"),
    (
        CONE | {"grid_mapping_name": "albers_conical_equal_area", "standard_parallel": [29.5, 45.5]},
        "m",
        1,
        "+proj=aea +lat_0=40 +lon_0=-97 +lat_1=29.5 +lat_2=45.5 +R=6370000",
    ),
    (
        STERE
        | {"latitude_of_projection_origin": 90.0, "scale_factor_at_projection_origin": 0.994, "false_easting": 2e6},
        "m",
        1,
        "+proj=stere +lat_0=90 +lon_0=-45 +k_0=0.994 +x_0=2e6 +ellps=WGS84",
    ),
    (
        STERE | {"latitude_of_projection_origin": -90.0, "standard_parallel": np.array([-71.0])},
        "m",
        1,
        "+proj=stere +lat_0=-90 +lon_0=-45 +lat_ts=-71 +ellps=WGS84",
    ),
    # CF has a false easting in the units of x; some files with kilometres have it in metres.
    (
        CONE | {"standard_parallel": [33.0, 45.0], "false_easting": 2000.0},
        "km",
        1e3,
        f"{_LCC} +lat_1=33 +lat_2=45 +x_0=2e6",
    ),
    (
        CONE | {"standard_parallel": [33.0, 45.0], "false_easting": 2e6},
        "km",
        1e3,
        f"{_LCC} +lat_1=33 +lat_2=45 +x_0=2e6",
    ),
    (
        CONE | {"grid_mapping_name": "albers_conical_equal_area", "standard_parallel": 29.5},
        "m",
        1,
        "+proj=aea +lat_0=40 +lon_0=-97 +lat_1=29.5 +lat_2=29.5 +R=6370000",
    ),
    ({"epsg_code": "EPSG:2263"}, "US_survey_foot", 1200 / 3937, "EPSG:2263"),
    ({"crs_wkt": pyproj.CRS("EPSG:3413").to_wkt()}, "ft", 0.3048, "EPSG:3413"),
    ({"grid_mapping_name": "polar_stereographic", "EPSG": np.int32(3413)}, "m", 1, "EPSG:3413"),
    (VIEW | {"sweep_angle_axis": "x"}, "rad", 35786023, f"{_GEOS} +sweep=x"),
    (VIEW | {"fixed_angle_axis": "x"}, "microradian", 35.786023, f"{_GEOS} +sweep=y"),
    (VIEW | {"sweep_angle_axis": "y"}, "", 35786023, f"{_GEOS} +sweep=y"),
]


@pytest.mark.parametrize(("mapping", "units", "metres", "same"), MAPPINGS)
def test_cells_lie_where_proj_puts_them(
    tmp_path: Path, mapping: dict[str, Any], units: str, metres: float, same: str
) -> None:
    """Every cell holds its own latitude, computed with PROJ's spelling of the CRS."""
    expected = pyproj.CRS.from_user_input(same)
    unit_metres = expected.axis_info[0].unit_conversion_factor
    x, y = (np.arange(count) * 20_000.0 - 1.5e5 for count in (16, 14))
    _, lat = pyproj.Transformer.from_crs(expected, "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(x / unit_metres, y / unit_metres)
    )
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for name, values in (("y", y), ("x", x)):
            file.createDimension(name, values.size)
            variable = file.createVariable(name, "f8", (name,))
            variable.setncatts(
                {"standard_name": f"projection_{name}_coordinate", **({"units": units} if units else {})}
            )
            variable[:] = values / metres
        file.createVariable("grid", "i4", ()).setncatts(mapping)
        file.createVariable("t", "f8", ("y", "x")).grid_mapping = "grid: x y"
        file["t"][:] = lat
    grid = convert(tmp_path / "in.nc", tmp_path, "d").grid
    xs, ys = np.meshgrid(grid.x.centres(), grid.y.centres())
    _, ours = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(xs, ys)
    np.testing.assert_allclose(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][...], ours, atol=2e-5)
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        # Without its WKT the CF grid mapping of the store says the same.
        plain = {key: value for key, value in stored["crs"].attrs.items() if key != "crs_wkt"}
        if plain.get("grid_mapping_name") == "albers_conical_equal_area":
            assert plain["standard_parallel"] == np.resize(mapping["standard_parallel"], 2).tolist()


@pytest.mark.parametrize("units", ["degrees", "degrees_east"])
def test_degrees_on_a_rotated_grid_are_rotated_ones(tmp_path: Path, units: str) -> None:
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for name, unit in (("rlat", units.replace("east", "north")), ("rlon", units)):
            file.createDimension(name, 21)
            file.createVariable(name, "f8", (name,)).units = unit
            file[name][:] = np.arange(21) - 10.0
        file.createVariable("pole", "i4", ()).setncatts(mapping)
        file.createVariable("t", "i2", ("rlat", "rlon")).grid_mapping = "pole"
        file["t"][:] = np.arange(441).reshape(21, 21)
    grid = convert(tmp_path / "in.nc", tmp_path, "d").grid
    to = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    # The equator of this pole passes 50.75 N, 18 E.
    np.testing.assert_allclose(to.transform(0.0, 0.0), (18.0, 50.75), atol=1e-6)


def test_x_and_y_come_before_uneven_latitudes_of_the_same_rows(tmp_path: Path) -> None:
    """A cylindrical grid has both: rows of even metres are uneven degrees."""
    mercator = pyproj.CRS.from_cf(
        {"grid_mapping_name": "mercator", "standard_parallel": 0.0, "longitude_of_projection_origin": 0.0}
    )
    x, y = np.arange(40) * 1e5, np.arange(30) * 1e5
    lon, lat = pyproj.Transformer.from_crs(mercator, "EPSG:4326", always_xy=True).transform(x, np.zeros(40))[0], None
    _, lat = pyproj.Transformer.from_crs(mercator, "EPSG:4326", always_xy=True).transform(np.zeros(30), y)
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for name, values in (("y", y), ("x", x)):
            file.createDimension(name, values.size)
            file.createVariable(name, "f8", (name,)).setncatts(
                {"standard_name": f"projection_{name}_coordinate", "units": "m"}
            )
            file[name][:] = values
        for name, dim, unit, values in (("lat", "y", "degrees_north", lat), ("lon", "x", "degrees_east", lon)):
            file.createVariable(name, "f8", (dim,)).units = unit
            file[name][:] = values
        file.createVariable("merc", "i4", ()).setncatts(
            {key: value for key, value in mercator.to_cf().items() if key != "crs_wkt"}
        )
        file.createVariable("t", "i2", ("y", "x")).grid_mapping = "merc"
        file["t"][:] = 1
    grid = convert(tmp_path / "in.nc", tmp_path, "d").grid
    assert (grid.x.cell_size, grid.shape.rows, grid.shape.cols) == (1e5, 30, 40)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"x": "x"}, "--x and --y name coordinates together"),
        ({"x": "x", "y": "nope"}, "there is no variable 'nope' for --x or --y; the file has projection, t, x, y"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: dict[str, str], message: str) -> None:
    write_projected(tmp_path / "in.nc", mapping=UTM.to_cf())
    with pytest.raises(SourceError, match=message):
        convert(tmp_path / "in.nc", tmp_path / "s", **names)


def test_a_grid_without_a_crs_needs_one(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=None)
    with pytest.raises(SourceError, match=r"projected grid \(x 300050\.\.305950 m, .* give --crs"):
        convert(tmp_path / "in.nc", tmp_path / "s")
    assert convert(tmp_path / "in.nc", tmp_path / "s", crs="EPSG:32648").grid.crs == "EPSG:32648"
    with pytest.raises(SourceError, match="is not a coordinate reference system"):
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
    with pytest.raises(SourceError, match="radians, which only a geostationary view allows"):
        convert(tmp_path / "in.nc", tmp_path)


def test_the_store_states_its_crs(tmp_path: Path) -> None:
    write_projected(tmp_path / "in.nc", mapping=UTM.to_cf())
    convert(tmp_path / "in.nc", tmp_path)
    with xr.open_zarr(tmp_path / "in.zarr", group="0") as stored:
        assert stored["t"].dims == ("y", "x")
        assert stored["x"].attrs["standard_name"] == "projection_x_coordinate"
        assert pyproj.CRS.from_cf(stored["crs"].attrs) == UTM
        assert stored.attrs["spatial:dimensions"] == ["y", "x"]
    assert "100 x 100 m" in format_description(describe(tmp_path / "in.zarr"))


def test_longitudes_on_any_ellipsoid_are_4326() -> None:
    assert crs_text(pyproj.CRS.from_epsg(4269)) == "EPSG:4326"
    assert crs_text(pyproj.CRS.from_proj4("+proj=longlat +R=6371229")) == "EPSG:4326"
    assert crs_text(pyproj.CRS.from_epsg(3413)) == "EPSG:3413"


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
        variables = opened[group] if group != "/" else opened
        lat, lon = (
            np.ma.masked_equal(variables[each][...], -9999.0).astype("f8") for each in ("latitude", "longitude")
        )
        variables[name].set_auto_maskandscale(False)
        numbers = variables[name][...]
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
