"""Converting small files: values, positions, labels, and refusals."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import LazytileError, SourceError, StoreError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.ingest.describe import describe
from lazytile.pyramid.ingest.proposed_name import dataset_name
from lazytile.pyramid.sources.source import open_source
from lazytile.pyramid.store.dataset import Dataset
from lazytile.pyramid.store.reduce import reduce_level
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.stores import StorePlace

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = np.random.default_rng(7)


def level(store: Path | StorePlace, name: str, number: int, variable: str = "t") -> np.ndarray:
    group = store.group(name) if isinstance(store, StorePlace) else zarr.open_group(store / f"{name}.zarr", mode="r")
    return group[f"{number}/{variable}"][...]


def codes_of(*shape: int) -> np.ndarray:
    codes = NUMBERS.integers(-3000, 3000, shape).astype("int16")
    codes[..., :3, :5] = -32768
    return codes


@pytest.mark.parametrize("lat_up", [True, False])
@pytest.mark.parametrize("lon_down", [True, False])
@pytest.mark.parametrize("lon_first", [True, False])
def test_any_orientation_gives_north_up_and_west_to_east(
    tmp_path: Path, lat_up: bool, lon_down: bool, lon_first: bool
) -> None:
    north_up = codes_of(2, 300, 520)
    lat, lon = centres(60, -0.1, 300), centres(-20, 0.1, 520)
    stored = north_up[:, ::-1] if lat_up else north_up
    stored = stored[:, :, ::-1] if lon_down else stored
    write_grid(
        tmp_path / "in.nc",
        stored.transpose(2, 0, 1) if lon_first else stored,
        lat[::-1] if lat_up else lat,
        lon[::-1] if lon_down else lon,
        leading={"time": ([0.0, 1.0], TIME)},
        dims=("lon", "time", "lat") if lon_first else None,
        fill=-32768,
        attributes={"scale_factor": 0.01},
        chunks=(100, 1, 77) if lon_first else (1, 77, 100),
    )
    dataset = convert(tmp_path / "in.nc", tmp_path / "store")
    assert (dataset.grid.bounds.west, dataset.grid.bounds.north) == (-20, 60)
    np.testing.assert_array_equal(level(tmp_path / "store", "in", 0), north_up)


@pytest.mark.parametrize("place", ["folder", "memory"], indirect=True)  # 17 MB
def test_every_level_is_the_reduction_of_the_one_before(tmp_path: Path, place: StorePlace) -> None:
    codes = codes_of(3, 1301, 2111)
    write_grid(
        tmp_path / "in.nc",
        codes,
        centres(60, -0.05, 1301),
        centres(0, 0.1, 2111),
        leading={"time": ([0, 1, 2], TIME)},
        fill=-32768,
        chunks=(1, 500, 700),
    )
    dataset = convert(tmp_path / "in.nc", place.root, "d")
    assert dataset.levels == 5
    finer = codes
    packing = dataset.variables[0].packing
    for number in range(1, dataset.levels):
        finer = np.stack([reduce_level(plane, packing, "mean") for plane in finer])
        np.testing.assert_array_equal(level(place, "d", number), finer)


def test_xarray_decodes_the_same_values(tmp_path: Path, place: StorePlace) -> None:
    path = write_grid(
        tmp_path / "in.nc",
        codes_of(2, 40, 60),
        centres(20, -0.5, 40),
        centres(0, 0.5, 60),
        leading={"time": ([3.25, 4.0], {**TIME, "calendar": "noleap"})},
        fill=-32768,
        attributes={"scale_factor": 0.01, "add_offset": 273.15, "units": "K", "long_name": "made up"},
    )
    convert(path, place.root, "d")
    with xr.open_dataset(path) as source, xr.open_zarr(place.group().store, group="0") as stored:
        xr.testing.assert_equal(source["t"].load(), stored["t"].load())
        assert stored["t"].attrs["units"] == "K"
        assert stored["t"].encoding["_FillValue"] == -32768
        assert stored["crs"].attrs["grid_mapping_name"] == "latitude_longitude"


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_every_type_is_kept_to_the_bit(tmp_path: Path, place: StorePlace, dtype: str, kind: str) -> None:
    if kind == "NETCDF3_CLASSIC" and dtype in ("uint8", "uint16", "uint32", "int64"):
        pytest.skip("netCDF-3 has no such type")
    codes = (NUMBERS.random((30, 20)) * 100).astype(dtype)
    write_grid(tmp_path / "in.nc", codes, centres(0, 1, 30), centres(0, 1, 20), kind=kind)
    dataset = convert(tmp_path / "in.nc", place.root)
    stored = level(place, "in", 0)
    assert dataset.variables[0].packing.dtype == dtype == stored.dtype.name
    np.testing.assert_array_equal(stored, codes[::-1])


def test_the_description_is_in_the_group(tmp_path: Path, place: StorePlace) -> None:
    write_grid(tmp_path / "in.nc", codes_of(50, 60), centres(0, 1, 50), centres(0, 1, 60))
    dataset = convert(tmp_path / "in.nc", place.root, "d", title="A title", colormap="grey")
    attributes = json.loads((place.dataset() / "zarr.json").read_text())["attributes"]
    assert Dataset.from_json(attributes["lazytile"]) == dataset
    assert (dataset.title, dataset.variables[0].colormap, dataset.source) == ("A title", "grey", "in.nc")
    assert attributes["multiscales"]["layout"][0]["spatial:transform"] == [1.0, 0.0, 0.0, 0.0, -1.0, 50.0]


def test_statistics_leave_no_data_out(tmp_path: Path) -> None:
    codes = codes_of(2, 300, 400)
    write_grid(
        tmp_path / "in.nc",
        codes,
        centres(0, 0.1, 300),
        centres(0, 0.1, 400),
        leading={"time": ([0, 1], TIME)},
        fill=-32768,
        attributes={"scale_factor": -0.5, "add_offset": 10.0},
    )
    found = convert(tmp_path / "in.nc", tmp_path).variables[0].statistics
    valid = codes[codes != -32768] * -0.5 + 10.0
    assert found is not None
    assert (found.valid_count, found.cell_count) == (valid.size, codes.size)
    assert (found.minimum, found.maximum) == (valid.min(), valid.max())
    assert found.mean == pytest.approx(valid.mean(), rel=1e-12)


def test_a_variable_without_data_has_no_range(tmp_path: Path) -> None:
    write_grid(tmp_path / "in.nc", np.full((30, 30), -1, "int16"), centres(0, 1, 30), centres(0, 1, 30), fill=-1)
    found = convert(tmp_path / "in.nc", tmp_path).variables[0].statistics
    assert found is not None
    assert (found.minimum, found.maximum, found.mean, found.valid_count) == (None, None, None, 0)
    assert not list((tmp_path / "in.zarr" / "0" / "t").glob("c/**/*")), "a chunk of fill has no file"


def test_times_are_put_in_order(tmp_path: Path) -> None:
    codes = codes_of(3, 20, 20)
    write_grid(
        tmp_path / "in.nc", codes, centres(20, -1, 20), centres(0, 1, 20), leading={"time": ([5.0, 1.0, 3.0], TIME)}
    )
    dataset = convert(tmp_path / "in.nc", tmp_path)
    time = dataset.variables[0].time
    assert time is not None
    assert time.labels == ("2001-01-02T00:00:00Z", "2001-01-04T00:00:00Z", "2001-01-06T00:00:00Z")
    np.testing.assert_array_equal(level(tmp_path, "in", 0), codes[[1, 2, 0]])
    with xr.open_zarr(tmp_path / "in.zarr", group="0") as stored:
        assert (np.diff(stored["time"].values) > np.timedelta64(0, "ns")).all()


def test_other_dimensions_keep_their_values(tmp_path: Path) -> None:
    codes = codes_of(2, 3, 20, 20)
    leading = {"member": ([1, 2], {}), "depth": (np.array([0.5, 10, 100], "f4"), {"units": "m"})}
    write_grid(tmp_path / "in.nc", codes, centres(20, -1, 20), centres(0, 1, 20), leading=leading)
    dimensions = convert(tmp_path / "in.nc", tmp_path).variables[0].dimensions
    assert [(d.name, d.kind, d.labels, d.units) for d in dimensions] == [
        ("member", "other", ("1", "2"), ""),
        ("depth", "other", ("0.5", "10", "100"), "m"),
    ]
    np.testing.assert_array_equal(level(tmp_path, "in", 0), codes)


def several(path: Path) -> Path:
    write_grid(path, codes_of(20, 30), centres(20, -1, 20), centres(0, 1, 30), name="warm")
    with netCDF4.Dataset(path, "a") as file:
        file["lat"].bounds = "lat_bnds"
        file.createDimension("two", 2)
        file.createVariable("lat_bnds", "f8", ("lat", "two"))[:] = 0
        file.createVariable("crs", "i4", ())
        file["warm"].grid_mapping = "crs"
        file.createVariable("cold.water", "f4", ("lat", "lon"))[:] = 1
        file.createVariable("letters", "S1", ("lat", "lon"))
    return path


def test_helpers_are_no_layers_and_choice_is_possible(tmp_path: Path) -> None:
    path = several(tmp_path / "in.nc")
    dataset = convert(path, tmp_path)
    assert [variable.name for variable in dataset.variables] == ["warm", "cold_water"]
    assert [variable.name for variable in convert(path, tmp_path, variables=["cold.water"]).variables] == ["cold_water"]
    with pytest.raises(SourceError, match=r"no layer 'hot'; the variables on the grid are warm, cold_water"):
        convert(path, tmp_path, variables=["hot"])
    with pytest.raises(SourceError, match=r"no layer 'letters' \(its type .* is not a number\)"):
        convert(path, tmp_path, variables=["letters"])


def test_variables_of_groups(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        grid = file.createGroup("Grid")
        for name, values, units in (
            ("lat", centres(0, 1, 9), "degrees_north"),
            ("lon", centres(0, 1, 8), "degrees_east"),
        ):
            grid.createDimension(name, values.size)
            variable = grid.createVariable(name, "f8", (name,))
            variable.units = units
            variable[:] = values
        grid.createVariable("rain", "f4", ("lon", "lat"))[:] = np.arange(72).reshape(8, 9)
        deeper = grid.createGroup("More")
        deeper.createVariable("rain", "f4", ("lat", "lon"))[:] = 2
    dataset = convert(tmp_path / "in.nc", tmp_path)
    assert [variable.name for variable in dataset.variables] == ["rain", "More_rain"]
    np.testing.assert_array_equal(level(tmp_path, "in", 0, "rain"), np.arange(72).reshape(8, 9).T[::-1])
    chosen = convert(tmp_path / "in.nc", tmp_path, "d", ["/Grid/More/rain"])
    assert chosen.variables[0].statistics is not None
    assert chosen.variables[0].statistics.minimum == 2


def test_a_zarr_source(tmp_path: Path) -> None:
    path = write_grid(
        tmp_path / "in.nc",
        codes_of(2, 30, 40),
        centres(0, 1, 30),
        centres(0, 1, 40),
        leading={"time": ([0, 1], TIME)},
        fill=-32768,
        attributes={"scale_factor": 0.1},
    )
    with xr.open_dataset(path) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.to_zarr(tmp_path / "in.zarr", zarr_format=2)
    first = convert(path, tmp_path / "store", "a")
    second = convert(tmp_path / "in.zarr", tmp_path / "store", "b")
    assert first.variables[0].packing == second.variables[0].packing
    np.testing.assert_array_equal(level(tmp_path / "store", "a", 0), level(tmp_path / "store", "b", 0))


def test_names() -> None:
    assert dataset_name("/x/A b.v2.nc") == "A_b_v2"
    assert dataset_name("data.zarr") == "data"
    assert dataset_name("..nc") == "dataset"
    assert dataset_name("-é-.nc4") == "dataset"


@pytest.mark.parametrize("name", ["a.b", "../a", "", "a/b", "-a", "x" * 129, "ä"])
def test_bad_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="a dataset's name has up to 128 letters, digits, _ and -"):
        convert(tmp_path / "in.nc", tmp_path, name)


def good(path: Path) -> Path:
    return write_grid(path, codes_of(200, 300), centres(0, 0.1, 200), centres(0, 0.1, 300), chunks=(50, 50))


def cut_short(path: Path) -> None:
    data = good(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def cut_short_classic(path: Path) -> None:
    write_grid(path, codes_of(200, 300), centres(0, 0.1, 200), centres(0, 0.1, 300), kind="NETCDF3_CLASSIC")
    path.write_bytes(path.read_bytes()[:60_000])


def curvilinear(path: Path) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", 4)
        file.createDimension("x", 5)
        for name, units in (("nav_lat", "degrees_north"), ("nav_lon", "degrees_east")):
            file.createVariable(name, "f4", ("y", "x")).units = units
        file.createVariable("t", "f4", ("y", "x"))


def projected(path: Path) -> None:
    curvilinear(path)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("x", "f4", ("x",)).standard_name = "projection_x_coordinate"
        file.createVariable("laea", "i4", ()).grid_mapping_name = "lambert_azimuthal_equal_area"
        file["t"].grid_mapping = "laea"


def no_steps(path: Path) -> None:
    write_grid(path, codes_of(0, 20, 30), centres(0, 1, 20), centres(0, 1, 30), leading={"time": (np.empty(0), TIME)})


def doubled_time(path: Path) -> None:
    write_grid(path, codes_of(2, 20, 30), centres(0, 1, 20), centres(0, 1, 30), leading={"time": ([1.0, 1.0], TIME)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
        (lambda path: path.write_bytes(b"hello, world"), "has an unknown format"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\nnothing"), "damaged or cut short"),
        (lambda path: path.write_bytes(b"GRIB...."), "damaged or cut short"),
        (lambda path: path.write_bytes(b"\x80\x04\x95...."), "Python pickle"),
        (lambda path: path.mkdir(), "is a folder, but not a Zarr group"),
        (cut_short, "damaged or cut short|cannot be read"),
        (cut_short_classic, "cut short"),
        (curvilinear, "nav_lat holds the latitude of fewer than four cells"),
        (projected, "nav_lat holds the latitude of fewer than four cells"),
        (lambda path: netCDF4.Dataset(path, "w").close(), "none of its 0 variables lies on a grid"),
        (no_steps, "its dimension time has no steps"),
        (lambda path: path.symlink_to(path.with_name("nowhere")), "there is no file"),
        (doubled_time, "time holds 2001-01-02T00:00:00Z twice"),
    ],
)
def test_a_source_that_cannot_be_converted_is_refused_in_one_line(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "in.nc")
    with pytest.raises(SourceError, match=message) as caught:
        convert(tmp_path / "in.nc", tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "store").glob("*")), "nothing is left in the store"


@pytest.mark.parametrize(
    ("name", "dim", "layer", "stored_dim"),
    [
        ("crs", "level", "crs_", "level"),
        ("lat_", "level", "lat_", "level"),
        ("t", "crs", "t", "crs_"),
        ("level", "member", "level", "member"),
        ("zarr.json", "c", "zarr_json", "c"),
    ],
)
def test_names_that_the_store_has_for_others_are_changed(
    tmp_path: Path, name: str, dim: str, layer: str, stored_dim: str
) -> None:
    codes = codes_of(2, 30, 40)
    lat, lon = centres(30, -1, 30), centres(0, 1, 40)
    write_grid(tmp_path / "in.nc", codes, lat, lon, name=name, leading={dim: ([3, 7], {})})
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    assert [variable.name for variable in dataset.variables] == [layer]
    assert dataset.variables[0].dimensions[0].labels == ("3", "7")
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        np.testing.assert_array_equal(stored[layer].values, codes)
        assert stored[stored_dim].values.tolist() == [3, 7]
        np.testing.assert_array_equal(stored["lat"].values, lat)


def test_a_dimension_may_be_called_like_the_store_s_axis(tmp_path: Path) -> None:
    """Its rows and columns may have any names, and ``lat`` may be a band of latitudes that was averaged."""
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for dim, size in (("lat", 2), ("rows", 30), ("cols", 40)):
            file.createDimension(dim, size)
        file.createVariable("lat", "f8", ("lat",))[:] = [10, 50]
        for name, dim, kind, units in (
            ("a", "rows", "latitude", "degrees_north"),
            ("b", "cols", "longitude", "degrees_east"),
        ):
            file.createVariable(name, "f8", (dim,)).setncatts({"standard_name": kind, "units": units})
            file[name][:] = np.arange(file.dimensions[dim].size)
        file.createVariable("t", "i2", ("lat", "rows", "cols"))[:] = np.arange(2400).reshape(2, 30, 40)
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    assert [(each.name, each.labels) for each in dataset.variables[0].dimensions] == [("lat_", ("10", "50"))]
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        assert stored["t"].dims == ("lat_", "lat", "lon")
        assert stored["lat_"].values.tolist() == [10, 50]


def test_groups_may_have_different_steps_of_one_name(tmp_path: Path) -> None:
    write_grid(
        tmp_path / "in.nc",
        codes_of(2, 30, 40),
        centres(30, -1, 30),
        centres(0, 1, 40),
        leading={"time": ([0, 1], TIME)},
    )
    with netCDF4.Dataset(tmp_path / "in.nc", "a") as file:
        group = file.createGroup("more")
        group.createDimension("time", 3)
        group.createVariable("time", "f8", ("time",)).setncatts(TIME)
        group["time"][:] = [4, 5, 6]
        group.createVariable("u", "i2", ("time", "lat", "lon"))[:] = 5
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    assert [each.dimensions[0].name for each in dataset.variables] == ["time", "time_"]
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        assert str(stored["time_"].values[0])[:10] == "2001-01-05"
        assert (stored["u"].values == 5).all()


def test_variables_without_numbers_are_omitted_with_the_reason(tmp_path: Path) -> None:
    path = good(tmp_path / "in.nc")
    with netCDF4.Dataset(path, "r+") as file:
        dims = file["t"].dimensions
        file.createVariable("ragged", file.createVLType(np.int32, "rows"), dims)
        file.createVariable("pairs", file.createCompoundType(np.dtype([("a", "f4"), ("b", "f4")]), "pair"), dims)
        file.createVariable("texts", str, dims)
        kinds = file.createEnumType(np.uint8, "kinds", {"clear": 0, "cloudy": 1})
        file.createVariable("clouds", kinds, dims)[:] = 1
    source = open_source(path)
    assert {each.variable.name for each in source.variables} == {"t", "clouds"}
    remarks = " ".join(source.remarks)
    assert all(f"{name} is left out: its type" in remarks for name in ("ragged", "pairs", "texts"))
    convert(path, tmp_path, "d")
    assert (zarr.open_group(tmp_path / "d.zarr", mode="r")["0/clouds"][...] == 1).all()


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder whose permissions apply: root becomes another user during the test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    finally:
        if root:
            os.seteuid(0)


def test_no_permission(nobody: Path) -> None:
    path = nobody / "in.nc"
    good(path)
    path.chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        convert(path, nobody / "other")
    path.chmod(0o600)
    (nobody / "store").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        convert(path, nobody / "store")
    assert not list((nobody / "store").iterdir())


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    path = good(tmp_path / "in.nc")
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        convert(path, tmp_path / "store")


def test_progress_counts_up_to_everything(tmp_path: Path) -> None:
    seen = []
    convert(good(tmp_path / "in.nc"), tmp_path, progress=seen.append)
    assert seen[0].done_bytes == 0
    assert seen[-1].done_tasks == seen[-1].total_tasks
    assert seen[-1].done_bytes == seen[-1].total_bytes >= 200 * 300 * 2
    assert seen[-1].written_bytes > 0


def test_sources_and_datasets_are_described(tmp_path: Path) -> None:
    path = good(tmp_path / "in.nc")
    dataset = convert(path, tmp_path)
    of_source, of_dataset = describe(path), describe(tmp_path / "in.zarr")
    assert of_source.grid == of_dataset.grid == dataset.grid
    assert [each.shape for each in of_source.levels] == [each.shape for each in of_dataset.levels]
    assert of_source.variables[0].statistics == of_dataset.variables[0].statistics
    assert of_dataset.problems == ()
    (tmp_path / "in.zarr" / "1" / "t" / "zarr.json").unlink()
    assert describe(tmp_path / "in.zarr").problems == (
        f"{tmp_path / 'in.zarr/1/t/zarr.json'}: missing or damaged: FileNotFoundError",
    )
    with pytest.raises(LazytileError):
        describe(tmp_path / "nothing")


def test_open_source_reads_no_data(tmp_path: Path) -> None:
    """A source larger than any memory is described at once."""
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for name, values, units in (
            ("lat", centres(-90, 0.001, 180_000), "degrees_north"),
            ("lon", centres(0, 0.001, 360_000), "degrees_east"),
        ):
            file.createDimension(name, values.size)
            variable = file.createVariable(name, "f8", (name,))
            variable.units = units
            variable[:] = values
        file.createVariable("t", "f4", ("lat", "lon"), zlib=True, chunksizes=(1000, 1000))
    source = open_source(tmp_path / "in.nc")
    assert (source.found.grid.shape.rows, source.found.grid.shape.cols) == (180_000, 360_000)
    assert describe(tmp_path / "in.nc").variables[0].statistics is None
