"""Boxes of cells as files, against xarray's selection of the very sources that were converted."""

import csv
import io
import threading

import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr

from lazytile.service.cli.main import run
from tests import data
from tests.service.harness import running

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
POLAR = "EPSG:3413"


def write(path, dataset, encoding=None):
    dataset.to_netcdf(path, encoding=encoding)
    return path


def packed(fill):
    return {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": fill}


def field(shape, seed):
    rng = np.random.default_rng(seed)
    values = 280 + 5 * rng.standard_normal(shape)
    values[rng.random(shape) < 0.1] = np.nan
    return values


def of_circle():
    """0 to 360, latitudes ascending, integers with scale, offset and fill, three times."""
    lat, lon = np.arange(-89.5, 90), np.arange(0.5, 360)
    time = np.array(["2024-01-01", "2024-01-02", "2024-01-05"], "datetime64[ns]")
    values = field((3, lat.size, lon.size), 1)
    attributes = {"units": "K", "standard_name": "sea_surface_temperature", "comment": "drawn"}
    return xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, attributes)},
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
        {"institution": "Institute of Tests"},
    )


def descending():
    """Latitudes descending, centres on whole degrees, float32 with a level."""
    lat, lon = np.arange(60.0, 29.0, -1.0), np.arange(-20.0, 41.0)
    values = field((2, lat.size, lon.size), 2).astype("float32")
    return xr.Dataset(
        {"t": (("level", "lat", "lon"), values, {"units": "K"})},
        {
            "level": ("level", [850.0, 500.0], {"units": "hPa", "axis": "Z"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def polar():
    """Polar stereographic around the north pole, bytes with a fill value."""
    x = np.arange(-3.9e6, 4e6, 2e5)
    y = x[::-1]
    values = np.random.default_rng(3).integers(0, 101, (y.size, x.size)).astype("int8")
    values[5:9, 10:30] = -1
    axes = {"units": "m", "standard_name": "projection_x_coordinate"}
    return xr.Dataset(
        {
            "ice": (("y", "x"), values, {"grid_mapping": "crs", "units": "%", "_FillValue": np.int8(-1)}),
            "crs": ((), 0, pyproj.CRS.from_user_input(POLAR).to_cf()),
        },
        {"y": ("y", y, axes | {"standard_name": "projection_y_coordinate"}), "x": ("x", x, axes)},
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {
        "circle": write(folder / "circle.nc", of_circle(), {"sst": packed(-32767)}),
        "descending": write(folder / "descending.nc", descending()),
        "polar": write(folder / "polar.nc", polar()),
    }


@pytest.fixture(scope="module")
def store(sources, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    for name, path in sources.items():
        assert run(["convert", str(path), "--store", str(store), "--name", name]) == 0
    for name in (
        "antimeridian",
        "no_fill",
        "past_360",
        "rotated",
        "valid_range",
        "classes",
        "lambert",
        "seam_centred",
        "utm",
        "geostationary",
        "ease2",
    ):
        (data.CATALOGUE | data.PROJECTED)[name]().write(store)
    return store


@pytest.fixture(scope="module")
def server(store, tmp_path_factory):
    with running(store, tmp_path_factory.mktemp("cache")) as server:
        yield server


def fetched(server, path, status=200):
    reply = server.get(f"/numbers/{path}")
    assert reply.status == status, reply.body
    return reply


def netcdf(server, path):
    return loaded(fetched(server, f"{path}&f=nc").body, decode_coords="all")


def loaded(content, **options):
    with netCDF4.Dataset("memory", memory=content) as file:
        return xr.open_dataset(xr.backends.NetCDF4DataStore(file), **options).load()


def geotiff(server, path):
    with rasterio.MemoryFile(fetched(server, f"{path}&f=tif").body) as memory, memory.open() as file:
        return file.read(masked=True), file.transform, file.crs, file.scales, file.offsets, file.descriptions


def first_centre(transform):
    return transform.c + transform.a / 2, transform.f + transform.e / 2


def rows_of(server, path):
    return list(csv.DictReader(io.StringIO(fetched(server, f"{path}&f=csv").body.decode())))


def turned(dataset, west):
    """A source from 0 to 360 with longitudes from ``west`` on."""
    return dataset.assign_coords(lon=(dataset.lon - west) % 360 + west).sortby("lon")


BOXES = [
    ("circle", "10,-20,40,33"),
    ("circle", "-25,-60,14,-10.2"),
    ("circle", "170,-5,-170,8"),
    ("circle", "-180,-90,180,90"),
    ("descending", "-5,40,12,50"),
    ("descending", "-180,-90,180,90"),
    ("descending", "0.5,31.5,2.4,33"),
]


@pytest.mark.parametrize(("name", "bbox"), BOXES)
def test_each_format_has_what_xarray_selects_of_the_source(server, sources, name, bbox):
    west, south, east, north = map(float, bbox.split(","))
    east += 360 if east < west else 0
    variable = {"circle": "sst", "descending": "t"}[name]
    source = turned(xr.load_dataset(sources[name]), west).sortby("lat", ascending=False)
    leading = {"time": slice(1, 2)} if name == "circle" else {"level": slice(1, 2)}
    query = "datetime=2024-01-02" if name == "circle" else "level=500"
    expected = source[variable].isel(leading).sel(lat=slice(north, south), lon=slice(west, east))
    path = f"{name}/subset?bbox={bbox}&{query}"

    found = netcdf(server, path)
    xr.testing.assert_allclose(found[variable].drop_vars("crs").drop_attrs(), expected.drop_attrs(), rtol=0, atol=1e-9)
    assert found[variable].units == "K"
    np.testing.assert_array_equal(found[variable].isnull(), expected.isnull())

    codes, transform, crs, scales, offsets, _ = geotiff(server, path)
    values = codes.astype(float).filled(np.nan) * scales[0] + offsets[0]
    np.testing.assert_allclose(values, expected.values, rtol=0, atol=1e-9)
    assert crs.to_epsg() == 4326
    lon, lat = first_centre(transform)
    assert (lon, lat) == (pytest.approx(expected.lon.values[0]), pytest.approx(expected.lat.values[0]))

    table = rows_of(server, path)
    assert len(table) == expected.size
    flat = expected.values.ravel()
    assert [float(row["value"]) if row["value"] else None for row in table] == [
        None if np.isnan(value) else pytest.approx(value, rel=1e-7) for value in flat
    ]
    assert [float(row["longitude"]) for row in table[: expected.lon.size]] == pytest.approx(expected.lon.values)
    assert float(table[-1]["latitude"]) == pytest.approx(expected.lat.values[-1])


def test_a_box_of_a_polar_grid_holds_the_cells_whose_centres_are_in_it(server, sources):
    source = xr.load_dataset(sources["polar"], mask_and_scale=False)
    x, y = np.meshgrid(source.x, source.y)
    lon, lat = pyproj.Transformer.from_crs(POLAR, "EPSG:4326", always_xy=True).transform(x, y)
    for west, south, east, north in ((-30, 60, 45, 85), (-180, 70, 180, 90), (-180, -90, 180, 90), (-10, 70, 10, 70.9)):
        inside = (lon >= west) & (lon < east) & (lat >= south) & (lat < north)
        rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        window = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
        path = f"polar/subset?bbox={west},{south},{east},{north}"
        found = loaded(fetched(server, path).body, mask_and_scale=False)
        np.testing.assert_array_equal(found.ice, source.ice.values[window])
        assert (found.ice.dtype, found.ice.attrs["_FillValue"]) == (np.int8, -1)
        np.testing.assert_allclose(found.lon, lon[window], atol=1e-9)
        np.testing.assert_array_equal(found.x, source.x[window[1]])
        assert pyproj.CRS.from_cf(found.crs.attrs).to_epsg() == 3413
        codes, transform, crs, *_ = geotiff(server, path)
        np.testing.assert_array_equal(codes.filled(-1)[0], source.ice.values[window])
        assert crs.to_epsg() == 3413
        assert first_centre(transform) == (
            pytest.approx(source.x.values[cols[0]]),
            pytest.approx(source.y.values[rows[0]]),
        )
        table = rows_of(server, path)
        assert len(table) == inside.sum()
        expected = source.ice.values[inside]
        assert [row["value"] for row in table] == ["" if code == -1 else str(code) for code in expected]
        assert [float(row["longitude"]) for row in table] == pytest.approx(lon[inside])
        assert [float(row["x"]) for row in table] == pytest.approx(x[inside])


@pytest.mark.parametrize("name", ["utm", "geostationary", "ease2", "lambert", "rotated"])
def test_the_whole_earth_is_the_whole_of_any_grid(server, name):
    synthetic = data.PROJECTED[name]()
    path = f"{name}/subset?bbox=-180,-90,180,90"
    rows, cols = synthetic.size
    x = synthetic.west + (np.arange(cols) + 0.5) * synthetic.dx
    y = synthetic.north - (np.arange(rows) + 0.5) * synthetic.dy
    places = pyproj.Transformer.from_crs(synthetic.crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    on_earth = np.isfinite(places[0])
    table = rows_of(server, path)
    assert len(table) == on_earth.sum()
    found = next(iter(netcdf(server, path).data_vars.values()))
    expected = decoded_of(synthetic)[on_earth.any(axis=1)][:, on_earth.any(axis=0)]
    np.testing.assert_allclose(found.values.reshape(expected.shape), expected, rtol=1e-6)


def test_an_interval_is_an_axis_of_netcdf_bands_of_geotiff_and_rows_of_csv(server, sources):
    path = "circle/subset?bbox=0,0,5,3&datetime=2024-01-02/.."
    source = xr.load_dataset(sources["circle"]).sortby("lat", ascending=False)
    expected = source.sst.isel(time=slice(1, None)).sel(lat=slice(3, 0), lon=slice(0, 5))
    found = netcdf(server, path)
    xr.testing.assert_allclose(found.sst.drop_vars("crs").drop_attrs(), expected.drop_attrs(), rtol=0, atol=1e-9)
    assert found.attrs["institution"] == "Institute of Tests"
    assert found.sst.attrs["comment"] == "drawn"
    codes, _, _, scales, offsets, descriptions = geotiff(server, path)
    np.testing.assert_allclose(
        codes.astype(float).filled(np.nan) * scales[0] + offsets[0], expected.values, rtol=0, atol=1e-9
    )
    assert [text.split("=")[1][:10] for text in descriptions] == ["2024-01-02", "2024-01-05"]
    table = rows_of(server, path)
    assert [row["time"][:10] for row in table] == ["2024-01-02"] * 15 + ["2024-01-05"] * 15
    # Without a time, and with a bare one, there is one step; the parameter may be called time as elsewhere.
    assert netcdf(server, "circle/subset?bbox=0,0,5,3").time.values == source.time.values[-1:]
    assert netcdf(server, "circle/subset?bbox=0,0,5,3&time=2024-01-01").time.values == source.time.values[:1]


def test_codes_are_stored_as_they_are(server, sources):
    with netCDF4.Dataset("memory", memory=fetched(server, "circle/subset?bbox=0,0,9,9").body) as found:
        of = found["sst"]
        of.set_auto_maskandscale(False)
        with netCDF4.Dataset(sources["circle"]) as source:
            origin = source["sst"]
            origin.set_auto_maskandscale(False)
            np.testing.assert_array_equal(of[0], origin[2, 90:99, :9][::-1])
        assert (of.dtype, of.scale_factor, of.add_offset, of._FillValue) == (np.int16, 0.01, 273.15, -32767)


def decoded_of(synthetic):
    of = synthetic.fields[0]
    codes = of.codes
    values = codes * of.scale + of.offset
    missing = np.isin(codes, np.array(of.missing, codes.dtype)) | np.isnan(values)
    for limit, is_out in ((of.valid_min, np.less), (of.valid_max, np.greater)):
        missing |= False if limit is None else is_out(codes, limit)
    return np.where(missing, np.nan, values)


@pytest.mark.parametrize("name", ["antimeridian", "no_fill", "valid_range", "classes", "seam_centred"])
def test_kinds_of_packing_and_seams(server, name):
    """The whole of each dataset; the seam may move the columns, so that longitudes decide."""
    synthetic = data.CATALOGUE[name]()
    values = decoded_of(synthetic)
    rows, cols = values.shape
    centres = synthetic.west + (np.arange(cols) + 0.5) * synthetic.dx
    west = max(-180.0, min(synthetic.west, 180.0))
    path = f"{name}/subset?bbox={west},-90,{west + 360},90"
    (found,) = netcdf(server, path).data_vars.values()
    by_longitude = {round(lon % 360, 6): column for lon, column in zip(centres, values.T, strict=True)}
    assert found.shape == (rows, cols)
    expected = np.stack([by_longitude[round(lon % 360, 6)] for lon in found.lon.values], axis=1)
    scale, limits = synthetic.fields[0].scale, found.attrs
    lowest, highest = limits.get("valid_min", -np.inf) * scale, limits.get("valid_max", np.inf) * scale
    valid = found.where((found >= lowest) & (found <= highest))
    np.testing.assert_allclose(valid.values, expected, rtol=1e-6)
    assert (np.diff(found.lon) > 0).all()
    codes, _, _, scales, offsets, _ = geotiff(server, path)
    np.testing.assert_allclose(codes.astype(float).filled(np.nan)[0] * scales[0] + offsets[0], expected, rtol=1e-6)
    table = rows_of(server, path)
    texts = [row["value"] for row in table]
    assert [text == "" for text in texts] == np.isnan(expected).ravel().tolist()


def test_a_column_that_a_source_repeats_is_there_once(server):
    of = data.CATALOGUE["past_360"]()
    whole = netcdf(server, "past_360/subset?bbox=-180,-90,180,90")
    assert whole.sizes["lon"] == round(360 / of.dx)
    assert len(np.unique(np.round(whole.lon.values % 360, 6))) == whole.sizes["lon"]


def test_a_crs_without_a_code(server):
    box = "bbox=-110,30,-80,45"
    found = netcdf(server, f"lambert/subset?{box}")
    codes, _, crs, *_ = geotiff(server, f"lambert/subset?{box}")
    (values,) = found.data_vars.values()
    assert codes.shape == values.shape or codes.shape[1:] == values.shape
    expected = pyproj.CRS.from_user_input(data.PROJECTED["lambert"]().crs)
    x, y = float(found.x[0]), float(found.y[0])
    warp = pytest.importorskip("rasterio.warp")
    (there,) = zip(*warp.transform(crs, "EPSG:4326", [x], [y]), strict=True)
    assert there == pytest.approx(pyproj.Transformer.from_crs(expected, "EPSG:4326", always_xy=True).transform(x, y))
    rotated = netcdf(server, "rotated/subset?bbox=0,40,20,55")
    assert {"rlat", "rlon"} <= set(rotated.dims)
    refusal = fetched(server, "rotated/subset?bbox=0,40,20,55&f=tif", 400)
    assert b"f=tif cannot express the CRS" in refusal.body


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("circle/subset", 400, b"bbox is missing"),
        ("circle/subset?bbox=0,0,0,1", 400, b"bbox is WEST,SOUTH,EAST,NORTH"),
        ("circle/subset?bbox=0,0,0.2,0.2", 400, b"no centre of a cell"),
        ("descending/subset?bbox=100,0,120,20", 400, b"no centre of a cell"),
        ("polar/subset?bbox=0,-80,20,-60", 400, b"no centre of a cell"),
        ("circle/subset?bbox=0,0,5,5&f=xlsx", 400, b"it may be nc, tif, csv"),
        ("circle/subset?bbox=0,0,5,5&datetime=1999-01-01", 404, b"1999"),
        ("circle/subset?bbox=0,0,5,5&datetime=nope", 400, b"datetime"),
        ("nope/subset?bbox=0,0,5,5", 404, b"nope"),
    ],
)
def test_errors_are_one_line(server, path, status, said):
    reply = fetched(server, path, status)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert said in reply.body
    assert b"\\n" not in reply.body


def test_the_operators_limit_binds_for_all_times_together(store, tmp_path):
    with running(store, tmp_path / "cache", max_subset_cells=1024) as server:
        assert fetched(server, "circle/subset?bbox=0,0,32,32&f=nc").status == 200
        for box in ("0,0,33,32", "-180,-90,180,90"):
            assert b"at most 1024" in fetched(server, f"circle/subset?bbox={box}", 400).body
        assert b"at most 341" in fetched(server, "circle/subset?bbox=0,0,32,32&datetime=2024-01-01/..", 400).body
        assert b"at most 1024" in fetched(server, "polar/subset?bbox=-180,50,180,90", 400).body


def test_the_answer_names_its_file_and_is_not_sent_twice(server):
    reply = fetched(server, "circle/subset?bbox=0,0,5,5&datetime=2024-01-02&f=tif")
    assert reply.headers["Content-Disposition"].startswith('attachment; filename="circle_2024-01-02')
    assert reply.headers["Content-Disposition"].endswith('.tif"')
    assert reply.headers["Content-Type"].startswith("image/tiff")
    again = server.get(
        "/numbers/circle/subset?bbox=0,0,5,5&datetime=2024-01-02&f=tif", {"If-None-Match": reply.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")
    other = fetched(server, "circle/subset?bbox=0,0,5,6&datetime=2024-01-02&f=tif")
    assert other.headers["ETag"] != reply.headers["ETag"]
    stored = fetched(server, "circle/subset?bbox=0,0,5,5")
    assert stored.headers["ETag"].startswith("W/")
    assert server.get("/numbers/circle/subset?bbox=0,0,5,5", {"If-None-Match": stored.headers["ETag"]}).status == 304
    for form in ("tif", "csv"):
        bodies = {fetched(server, f"circle/subset?bbox=0,0,5,5&f={form}").body for _ in range(2)}
        assert len(bodies) == 1


def test_no_transformation_is_prepared_on_the_event_loop(server, monkeypatch):
    """PROJ takes milliseconds to choose one, and all other clients would wait."""
    really_prepare, threads = pyproj.Transformer.from_crs, []

    def prepare(*arguments, **options):
        threads.append(threading.current_thread())
        return really_prepare(*arguments, **options)

    monkeypatch.setattr(pyproj.Transformer, "from_crs", prepare)
    for layer in server.context.snapshot.layers():
        for what in ("point", "series"):
            server.get(f"/numbers/{layer.name}/{what}?lon=20.5&lat=70.5")
        server.get(f"/xyz/{layer.name}/2/1/1.png")
        server.get(f"/wms?service=WMS&version=1.3.0&request=GetMap&layers={layer.name}&styles=&crs=EPSG:3857"
                   "&bbox=0,0,9000000,9000000&width=64&height=64&format=image/png")  # fmt: skip
    assert threads, "some layers have projected grids"
    assert server.thread not in threads
