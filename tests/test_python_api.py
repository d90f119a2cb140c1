"""The Python API of datasets: open, read, export, serve; its types; its notebook."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import math
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lazytile
from lazytile.html import text_table
from lazytile.pyramid.core.errors import GenerationChangedError
from tests import api_tour
from tests.data import CATALOGUE, PROJECTED

ROOT = Path(__file__).resolve().parent.parent
TOUR = Path(api_tour.__file__)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    for make in (CATALOGUE["global_180"], CATALOGUE["time_steps"], CATALOGUE["two_variables"], PROJECTED["arctic"]):
        make().write(folder)
    return folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    return lazytile.convert(write(api_tour.sample(), folder / "sample.nc"), folder / "store")


def write(dataset, path):
    dataset.to_netcdf(path, engine="netcdf4")
    return path


# --- the names ---


def test_a_program_with_every_name_runs_and_passes_the_type_checker(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed (it is one of the extra dev)")
    done = subprocess.run(
        [sys.executable, str(TOUR), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "mypy", "--strict", str(TOUR)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_that_program_leaves_no_public_name_out():
    used = set(re.findall(r"\b[a-z_]+\b|\b[A-Z]\w+\b", TOUR.read_text()))
    names = set(lazytile.__all__) - {"__version__"}
    for public in (lazytile.Dataset, lazytile.Variable, lazytile.Tile, lazytile.Server):
        names |= {name for name in dir(public) if not name.startswith("_")}
    assert names - used == set()


def test_every_blocking_method_has_an_asynchronous_twin():
    lazy = {"tile", "sel", "to_xarray", "close"}
    for public in (lazytile.Dataset, lazytile.Variable):
        methods = {name for name, _ in inspect.getmembers(public, inspect.isfunction) if not name.startswith("_")}
        missing = {name for name in methods if not name.endswith("_async") and f"{name}_async" not in methods}
        assert missing <= lazy
    assert "asynchronous twin" in lazytile.open_async.__doc__
    assert lazytile.Variable.read_async.__name__ == "read_async"


def test_importing_lazytile_imports_no_http_server():
    code = (
        "import sys, xarray, lazytile\n"
        "lazytile.open, lazytile.convert, lazytile.Dataset, lazytile.Tile, xarray.Dataset.lazytile\n"
        "print([m for m in sys.modules if m.startswith(('aiohttp', 'lazytile.service', 'prometheus_client', 'typer'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


# --- opening ---


def test_a_path_names_a_dataset_in_several_ways(store):
    for ds in (
        lazytile.open(store / "arctic.zarr"),
        lazytile.open(str(store / "arctic")),
        lazytile.open(store, "arctic"),
    ):
        assert ds.path == store / "arctic.zarr"
    with pytest.raises(lazytile.LazytileError, match="store of 4 datasets; open one: arctic, global_180, time_steps"):
        lazytile.open(store)


def test_the_only_dataset_of_a_store_needs_no_name(sample):
    assert lazytile.open(sample.store.folder).name == "sample"


def test_what_cannot_be_opened_is_an_error_of_one_line(store, tmp_path):
    (tmp_path / "text.nc").write_text("nothing")
    for source in (tmp_path / "none.nc", tmp_path / "text.nc", tmp_path, store / "nothing.zarr"):
        with pytest.raises(lazytile.LazytileError) as caught:
            lazytile.open(source)
        assert "\n" not in str(caught.value)
    with pytest.raises(lazytile.LazytileError, match="stored dataset already; crs, store are for sources"):
        lazytile.open(store / "arctic.zarr", crs="EPSG:4326", store=tmp_path)


def test_a_damaged_dataset_is_not_taken_for_somebody_elses(sample, tmp_path):
    folder = tmp_path / "sample.zarr"
    folder.mkdir()
    document = (sample.path / "zarr.json").read_text()
    (folder / "zarr.json").write_text(document.replace('"levels": 1', '"levels": 0', 1))
    with pytest.raises(lazytile.LazytileError, match=r"checksum|needs a level"):
        lazytile.open(folder)


def test_a_failed_open_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(lazytile.LazytileError):
        lazytile.open(xr.Dataset({"a": ("i", [1.0, 2.0])}))
    with pytest.raises(lazytile.LazytileError):
        lazytile.open(tmp_path / "none.nc")
    assert list(tmp_path.iterdir()) == []


def test_zarr_of_others_is_a_source(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api_tour.sample().to_zarr(tmp_path / "theirs.zarr")
    with lazytile.open(tmp_path / "theirs.zarr") as ds:
        assert ds.path.parent != tmp_path
        assert "warm" in ds


# --- xarray objects ---


def test_an_xarray_object_has_the_values_of_its_file(tmp_path):
    packed = api_tour.sample()
    encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 20.0, "_FillValue": -32768, "zlib": True}
    packed.to_netcdf(tmp_path / "packed.nc", engine="netcdf4", encoding={"warm": encoding})
    with xr.open_dataset(tmp_path / "packed.nc", engine="netcdf4") as decoded:
        pair = lazytile.open(decoded), lazytile.open(tmp_path / "packed.nc")
    mine, theirs = (each["warm"].sel(time="2024-01-02") for each in pair)
    assert mine.description.packing == theirs.description.packing
    np.testing.assert_array_equal(mine.tile(1, 1, 0).array, theirs.tile(1, 1, 0).array)
    assert pair[0].name == "packed"


def test_a_dask_array_of_uneven_chunks_is_taken():
    uneven = api_tour.sample()["warm"].chunk({"time": 1, "lat": (40, 30, 20), "lon": 90})
    with lazytile.open(uneven) as ds:
        assert ds.name == "warm"
        assert ds.point(10, 1) == pytest.approx(float(uneven[1].sel(lat=1, lon=10).compute()))


def test_the_accessor_converts_and_shows():
    found = api_tour.sample()
    with found.lazytile.open("mine") as ds:
        assert ds.name == "mine"
    with found["cold"].lazytile.explore() as server:
        assert server.url.startswith("http://127.0.0.1:")


def test_xarray_opens_a_level(sample):
    from lazytile.accessor import Backend

    found = xr.open_dataset(sample.path, engine=Backend, level=0, drop_variables="cold")
    np.testing.assert_allclose(found["warm"], api_tour.sample()["warm"])
    with pytest.raises(lazytile.LazytileError, match="level 9 is out of range, it may be 0 to 0"):
        xr.open_dataset(sample.path, engine=Backend, level=9)


@pytest.mark.parametrize("first", ["xarray, lazytile", "lazytile, xarray"])
def test_the_accessor_is_there_whichever_is_imported_first(first):
    code = (
        f"import {first}; print(type(xarray.Dataset().lazytile).__name__, type(xarray.DataArray(1).lazytile).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "Accessor Accessor\n", done.stderr


# --- values ---


@pytest.mark.parametrize("name", ["global_180", "time_steps", "arctic"])
def test_every_level_is_that_of_the_oracle(store, name):
    ds = lazytile.open(store / f"{name}.zarr")
    oracle = (CATALOGUE | PROJECTED)[name]().oracle()
    for level in range(ds.levels):
        found = ds.to_xarray(level)[next(iter(ds))]
        expected = oracle.values(oracle.level(level))
        mine = found if "time" not in found.dims else found.isel(time=0)
        np.testing.assert_allclose(mine.values, expected, rtol=1e-6)


def test_a_tile_of_the_native_set_is_the_level(store):
    ds = lazytile.open(store / "global_180.zarr")
    level = ds.to_xarray(ds.levels - 1)["sst"].values
    tile = ds.tile("0", 0, 0, tms="native").array
    np.testing.assert_array_equal(tile[: level.shape[0], : level.shape[1]], level)
    assert np.isnan(tile[level.shape[0] :]).all()
    assert not tile.flags.writeable


def test_an_area_is_the_tile_of_the_same_place(store):
    ds = lazytile.open(store / "global_180.zarr")
    tile = ds.tile(2, 3, 1)
    bounds = tile.bounds
    area = ds.read((bounds.west, bounds.south, bounds.east, bounds.north), "EPSG:3857", 256, 256)
    np.testing.assert_array_equal(area.values, tile.array)


def test_an_area_in_pieces_is_the_area_as_a_whole(store, monkeypatch):
    ds = lazytile.open(store / "arctic.zarr")
    whole = ds.read((-60, 50, 60, 80), "EPSG:4326", 500, 300)
    monkeypatch.setattr("lazytile.pyramid.reading.area.PIECE_PX", 128)
    np.testing.assert_array_equal(ds.read((-60, 50, 60, 80), 4326, 500, 300).values, whole.values)


def test_an_area_may_cross_the_antimeridian(store):
    ds = lazytile.open(store / "global_180.zarr")
    area = ds.read((170, -10, -170, 10), width=40)
    west, east = ds.read((170, -10, 180, 10), width=20), ds.read((-180, -10, -170, 10), width=20)
    np.testing.assert_array_equal(area.values, np.hstack([west.values, east.values]))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((0, 0, 1),), "bounds are west, south, east and north, four finite numbers"),
        (((0, 5, 1, 5),), "west below east and south below north"),
        (((0, 0, 1, 1), "moon"), "crs 'moon' is not a CRS"),
        (((0, 0, 1, 1), "EPSG:4326", 0, 5), "width and height are at least 1"),
        (((0, 0, 1, 1), "EPSG:4326", 100_000, 100_000), "67108864 pixels together at most"),
    ],
)
def test_an_invalid_area_is_refused(store, arguments, text):
    with pytest.raises(lazytile.LazytileError, match=text):
        lazytile.open(store / "global_180.zarr").read(*arguments)


def test_statistics_of_a_box_are_those_of_its_cells(sample):
    warm = sample["warm"].sel(time="2024-01-01")
    found = warm.statistics((-20, -10, 20, 10), percentiles=(0, 100))
    cells = warm.to_xarray().sel(lat=slice(10, -10), lon=slice(-20, 20))
    assert found.percentiles == pytest.approx((float(cells.min()), float(cells.max())))
    weights = np.cos(np.radians(cells.lat))
    assert found.mean == pytest.approx(float(cells.weighted(weights).mean()), rel=1e-3)
    assert warm.statistics().cell_count == 90 * 90
    box = {"type": "Polygon", "coordinates": [[[-20, -10], [20, -10], [20, 10], [-20, 10], [-20, -10]]]}
    assert warm.statistics(geometry=box, percentiles=(0, 100)).mean == pytest.approx(found.mean)


def test_points_and_series_are_the_cells_under_them(sample):
    series = sample["warm"].series(10, 1)
    np.testing.assert_allclose(series, api_tour.sample()["warm"].sel(lat=1, lon=10))
    np.testing.assert_array_equal(series.time, api_tour.sample().time)
    assert sample["warm"].sel(time=["2024-01-02"]).series(10, 1).size == 1
    assert math.isnan(sample["warm"].point(-178, 89))
    with pytest.raises(lazytile.LazytileError, match="latitude -90 to 90"):
        sample["warm"].point(0, 91)


def test_a_layer_without_times_has_no_series(store):
    with pytest.raises(lazytile.LazytileError, match="global_180 has no time, so it has no series"):
        lazytile.open(store / "global_180.zarr").series(0, 0)


# --- selection ---


def test_steps_are_selected_by_anything_that_names_a_time(store):
    air = lazytile.open(store / "time_steps.zarr")["air"]
    second = "2024-01-02T00:00:00Z"
    for selector in ("2024-01-02", np.datetime64("2024-01-02"), np.datetime64("2024-01-02T00:00:00.000000000")):
        assert air.sel(time=selector).selected == {"time": [second]}
    zone = dt.timezone(dt.timedelta(hours=2))
    for selector in (dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 2, tzinfo=zone)):
        assert air.sel(time=selector).selected == {"time": [second]}
    assert air.sel(time=slice("2024-01-02", None)).selected["time"] == [second, "2024-01-03T00:00:00Z"]
    assert air.sel(time=slice(None, "2024-01-01")).selected["time"] == ["2024-01-01T00:00:00Z"]
    assert len(air.sel(time=["2024-01-03", "2024-01-01"]).selected["time"]) == 2


@pytest.mark.parametrize(
    ("selectors", "text"),
    [
        ({"depth": 3}, "depth is not a dimension here, there is time"),
        ({"time": "2031"}, "time '2031' is not a time of this layer"),
        ({"time": slice("2031", None)}, "time has no step from 2031 to None"),
        ({"time": slice("never", None)}, "time 'never' is not a time"),
        ({"time": []}, "empty list"),
    ],
)
def test_an_invalid_selection_is_refused(store, selectors, text):
    ds = lazytile.open(store / "time_steps.zarr")
    for each in (ds, ds["air"]):
        with pytest.raises(lazytile.LazytileError, match=text):
            each.sel(**selectors)


def test_a_tile_takes_one_step(store):
    several = lazytile.open(store / "time_steps.zarr").sel(time=slice("2024-01-01", "2024-01-02"))
    with pytest.raises(lazytile.LazytileError, match="2 steps selected, this takes one"):
        several.tile(0, 0, 0)
    latest = lazytile.open(store / "time_steps.zarr")
    assert latest.tile(3, 1, 3).png == latest.sel(time="2024-01-03").tile(3, 1, 3).png


def test_a_dataset_of_several_variables_needs_one_named(store):
    ds = lazytile.open(store / "two_variables.zarr")
    with pytest.raises(lazytile.LazytileError, match="has 2 variables, choose one: u, rain"):
        ds.tile(0, 0, 0)
    with pytest.raises(lazytile.LazytileError, match="no variable 'snow', it has u, rain"):
        ds["snow"]


def test_a_misspelled_option_is_an_error(store):
    with pytest.raises(lazytile.LazytileError, match="takes no option 'resamplng'"):
        lazytile.open(store / "global_180.zarr").tile(0, 0, 0, resamplng="cubic")


# --- change ---


def test_a_dataset_is_as_it_is_stored_now(tmp_path):
    file = write(api_tour.sample(), tmp_path / "a.nc")
    ds = lazytile.convert(file, tmp_path / "store", "a")
    lazily, tile = ds.to_xarray(), ds["warm"].tile(0, 0, 0)
    lazytile.convert(write(api_tour.sample() + 1, file), tmp_path / "store", "a")
    assert ds["warm"].point(10, 1) == pytest.approx(float((api_tour.sample() + 1)["warm"][1].sel(lat=1, lon=10)))
    with pytest.raises(GenerationChangedError, match="replaced"):
        lazily.compute()
    with pytest.raises(GenerationChangedError, match="replaced"):
        _ = tile.array


def test_damage_is_reported(tmp_path):
    ds = lazytile.convert(write(api_tour.sample(), tmp_path / "a.nc"), tmp_path / "store", "a")
    chunk = next(path for path in (ds.path / "0" / "warm" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"damage")
    assert len(ds.verify().problems) == 1
    asyncio.run(ds.verify_async())


# --- notebooks ---


def test_reprs_are_for_people(store):
    ds = lazytile.open(store / "time_steps.zarr")
    html = ds._repr_html_()
    assert "data:image/png;base64," in html
    assert "time 3" in html
    assert "http" not in html
    assert "2024-01-02T00:00:00Z (selected)" in ds["air"].sel(time="2024-01-02")._repr_html_()
    assert repr(ds["air"]).splitlines()[0] == "<lazytile.Variable time_steps.air>"
    assert repr(ds["air"].tile(0, 0, 0)) == "<lazytile.Tile time_steps.air WebMercatorQuad/0/0/0>"


def test_names_and_texts_of_a_repr_are_apart():
    rows = [("title", "a"), ("analysed_sea_surface", "b")]
    assert text_table("it", lambda: rows).splitlines()[1:] == ["  title                 a", "  analysed_sea_surface  b"]


def test_reprs_of_a_dataset_that_is_gone_say_so(tmp_path):
    ds = lazytile.convert(api_tour.sample(), tmp_path / "store", "gone")
    ds["warm"]
    shutil.rmtree(tmp_path / "store" / "gone.zarr")
    assert repr(ds).startswith("<lazytile.Dataset gone>\n  ")
    assert "has no dataset" in ds._repr_html_()


def test_a_map_that_is_open_at_the_end_of_the_program_says_nothing():
    # The temporary store goes, which the server sees, after the thread pools have ended.
    code = (
        "import lazytile, time\n"
        "from lazytile.service.catalogue.catalogue import Catalogue\n"
        "from tests import api_tour\n"
        "noted, note = [], Catalogue.note\n"
        "Catalogue.note = lambda self, *names: (note(self, *names), noted.append(names))[0]\n"
        "import atexit\n"
        "@atexit.register\n"
        "def wait():\n"
        "    until = time.monotonic() + 30\n"
        "    while not noted and time.monotonic() < until: time.sleep(0.01)\n"
        "    print('noted' if noted else 'nothing noted')\n"
        "api_tour.sample().lazytile.explore()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "noted\n", "")


def test_a_notebook_shows_a_map_without_a_base_map(sample):
    pytest.importorskip("ipyleaflet", reason="ipyleaflet is not installed (it is the extra notebook)")
    with lazytile.serve(sample["warm"]) as server:
        shown = server.map(zoom=3)
        assert [layer.url for layer in shown.layers] == [server.tile_url]
        assert shown.zoom == 3
        assert "application/vnd.jupyter.widget-view+json" in server._repr_mimebundle_()


def test_without_ipyleaflet_the_viewer_is_shown(sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipyleaflet", None)
    with lazytile.serve(sample) as server:
        assert server.url in server._repr_mimebundle_()["text/html"]
        with pytest.raises(lazytile.LazytileError, match=r"pip install 'lazytile\[notebook\]'"):
            server.map()


def test_a_server_that_cannot_start_says_why(sample):
    with (
        lazytile.serve(sample) as server,
        pytest.raises(lazytile.LazytileError, match=r"cannot listen on 127\.0\.0\.1 port"),
    ):
        lazytile.serve(sample, port=int(server.tile_url.split(":")[2].split("/")[0]))


def test_the_notebook_runs():
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed (it is one of the extra test)")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (it is one of the extra test)")
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    texts = [str(output) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in text for text in texts)
    assert any("200 image/png True" in text for text in texts)
    errors = [text for text in texts if "'stderr'" in text]
    assert not errors, "\n".join(errors)
