"""The command line: results, and one line and exit code 2 for every error."""

import json
import logging
import re
import subprocess
import sys

import pytest

from lazytile import __version__
from lazytile.pyramid.core import process
from lazytile.pyramid.store.store import Store
from lazytile.service.cli import main
from lazytile.service.cli.options.engine import RenderingEngineOptions
from tests.service.harness import running
from tests.shared import SHARED


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("STORE", "CACHE", "ENGINE", "COLORMAPS", "MEMORY"):
        monkeypatch.delenv(f"LAZYTILE_{name}", raising=False)
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")


@pytest.fixture
def run(capsys):
    def run_command(*arguments):
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture(scope="module")
def netcdf(tmp_path_factory):
    import numpy as np
    import xarray as xr

    path = tmp_path_factory.mktemp("source") / "temps.nc"
    values = np.arange(2 * 30 * 60, dtype="float32").reshape(2, 30, 60)
    times = np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]")
    xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K", "long_name": "temperature"})},
        {
            "time": times,
            "lat": ("lat", np.linspace(87, -87, 30), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(-177, 177, 60), {"units": "degrees_east"}),
        },
    ).to_netcdf(path, engine="netcdf4")
    return path


def test_version_and_help(run):
    assert run("--version") == (0, f"lazytile {__version__}\n", "")
    code, out, _ = run("--help")
    assert code == 0
    for command in ("convert", "serve", "mrf", "warm", "info"):
        assert command in out
        code, text, err = run(command, "--help")
        assert (code, err) == (0, "")
        assert "--store" in text
    assert "Usage" in run()[1] + run()[2]


WRONG = [
    (["nonsense"], "nonsense"),
    (["serve", "--nonsense"], "--nonsense"),
    (["serve", "--port", "x"], "--port"),
    (["serve", "--port", "99999"], "--port"),
    (["serve", "--workers", "0"], "--workers"),
    (["serve", "--store", "{tmp}/none"], "there is no store at"),
    (["serve", "--store", "{store}", "--engine", "warp", "--port", "0"], "no engine is called 'warp'"),
    (["serve", "--store", "{store}", "--engine", "tcp://nope", "--port", "0"], "tcp://HOST:PORT"),
    (["serve", "--store", "{store}", "--public-url", "ftp://x"], "public_url"),
    (["serve", "--store", "{store}", "--host", "999.1.1.1"], "cannot listen on 999.1.1.1"),
    (["serve", "--store", "{store}", "--cache", "{file}", "--port", "0"], "folder of its own"),
    (["serve", "--store", "{store}", "--timeout", "-1"], "timeout_s"),
    (["convert"], "FILE"),
    (["convert", "{tmp}/none.nc", "--store", "{tmp}/s"], "none.nc"),
    (["convert", "{file}", "--store", "{tmp}/s"], "file"),
    (["convert", "{nc}", "--store", "{tmp}/s", "--var", "nope"], "nope"),
    (["convert", "{nc}", "--store", "{tmp}/s", "--name", "a/b"], "a/b"),
    (["info", "nope", "--store", "{store}"], "no dataset 'nope'"),
    (["info", "{file}"], "file"),
    (["info", "{tmp}/none.nc"], "there is no file"),
    (["info", "--store", "{tmp}/none"], "there is no store at"),
    (["warm", "nope", "--store", "{store}", "--cache", "{tmp}/c"], "no layer 'nope'"),
    (["warm", "global_180", "--zoom", "4-2", "--store", "{store}"], "zoom '4-2'"),
    (["warm", "global_180", "--zoom", "29", "--store", "{store}", "--cache", "{tmp}/c"], "it may be 0 to 24"),
    (["warm", "global_180", "--tms", "nope", "--store", "{store}", "--cache", "{tmp}/c"], "tile matrix set 'nope'"),
    (["warm", "global_180", "--style", "nope", "--store", "{store}", "--cache", "{tmp}/c"], "style 'nope'"),
    (["warm", "global_180", "--format", "gif", "--store", "{store}", "--cache", "{tmp}/c"], "format 'gif'"),
    (["warm", "time_steps", "--time", "1999", "--store", "{store}", "--cache", "{tmp}/c"], "1999"),
    (["warm", "global_180", "--time", "1999", "--store", "{store}", "--cache", "{tmp}/c"], "has no time"),
    (["mrf", "nope", "{tmp}/out", "--store", "{store}"], "no layer 'nope'"),
    (["mrf", "global_180", "{tmp}/out", "--style", "nope", "--store", "{store}"], "style 'nope'"),
    (["mrf", "time_steps", "{tmp}/out", "--time", "1999", "--store", "{store}"], "1999"),
    (["mrf", "time_steps", "{tmp}/out", "--time", "1998/1999", "--store", "{store}"], "'1998/1999' is not a time"),
    (["mrf", "time_steps", "{tmp}/out", "--time", "2024/x", "--store", "{store}"], "'2024/x' is not a time"),
    (["warm", "time_steps", "--time", "1998/1999", "--store", "{store}", "--cache", "{tmp}/c"], "1998/1999"),
    (["warm", "time_steps", "--time", "2024/..", "--url", "http://127.0.0.1:9/"], "single times, not '2024/..'"),
    (["warm", "time_steps", "--time", "all", "--url", "http://127.0.0.1:9/"], "single times, not 'all'"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_what_is_wrong_is_one_line_and_code_2(run, store, netcdf, tmp_path, arguments, says):
    (tmp_path / "file").write_text("no grid")
    values = {"tmp": tmp_path, "store": store, "file": tmp_path / "file", "nc": netcdf}
    code, out, err = run(*(argument.format(**values) for argument in arguments))
    assert (code, out) == (2, "")
    assert re.fullmatch(r"lazytile: [^\n]+\n", err), err
    assert says in err


def test_a_port_in_use_is_one_line(run, store, tmp_path):
    with running(store, tmp_path / "c") as server:
        for workers in ("1", "2"):
            code, _, err = run("serve", "--store", store, "--port", server.port, "--workers", workers)
            assert code == 2
            assert err == f"lazytile: cannot listen on 127.0.0.1 port {server.port}: Address already in use\n"


def test_convert_info_and_warm(run, netcdf, tmp_path, monkeypatch):
    store, cache = tmp_path / "store", tmp_path / "cache"
    code, out, _ = run("convert", netcdf, "--store", store, "--name", "temps", "--title", "Two days")
    assert code == 0
    assert "temps.zarr: 60 x 30 cells" in out
    code, out, _ = run("info", "--store", store)
    assert code == 0
    assert "Two days" in out
    assert "30 rows x 60 columns" in out
    assert "layers      temps\n" in out
    assert "2024-01-01T00:00:00Z" in out
    assert run("info", "temps", "--store", store)[1] == out
    for subject in (store / "temps.zarr", store / "temps", store):
        assert run("info", subject)[1] == out
    monkeypatch.chdir(store.parent)
    assert run("info", store.name)[1].partition("\n")[2] == out.partition("\n")[2], "a folder by its name alone"
    assert json.loads(run("info", "temps", "--store", store, "--json")[1])[0]["title"] == "Two days"
    code, out, _ = run("info", netcdf)
    assert code == 0
    assert "30 rows x 60 columns" in out
    assert json.loads(run("info", netcdf, "--json")[1])[0]["kind"] == "source"
    warm = ("warm", "temps", "--zoom", "0-2", "--store", store, "--cache", cache)
    assert run(*warm)[1] == "21 tiles: 21 computed, 0 there already\n"
    assert run(*warm)[1] == "21 tiles: 0 computed, 21 there already\n"
    assert run(*warm, "--time", "all")[1] == "42 tiles: 21 computed, 21 there already\n"
    with running(store, cache) as server:
        for time in ("2024-01-01", "default"):
            assert "cache;desc=disk" in server.get(f"/xyz/temps/2/1/1.png?time={time}").headers["Server-Timing"]
        assert server.counter("lazytile_renders_total") == 0


def test_what_the_engine_says_of_itself_is_for_those_who_ask(run, netcdf, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("LAZYTILE_ENGINE", "auto")
    logger = logging.getLogger("lazytile.pyramid.engines.factory")
    run("convert", netcdf, "--store", tmp_path / "store", "--name", "temps")
    assert logger.getEffectiveLevel() == logging.WARNING
    assert not [record for record in caplog.records if "engine auto" in record.message]
    run("--verbose", "info", "--store", tmp_path / "store")
    assert logger.getEffectiveLevel() == logging.DEBUG
    run("serve", "--store", tmp_path / "store", "--host", "999.1.1.1")
    assert logger.getEffectiveLevel() == logging.WARNING
    for options in (("--verbose", "serve"), ("serve", "-v")):
        run(*options, "--store", tmp_path / "store", "--host", "999.1.1.1")
        assert logger.getEffectiveLevel() == logging.DEBUG


def test_the_memory_of_an_export_is_that_of_the_option(run, store, tmp_path, monkeypatch):
    command = ("mrf", "export", "odd_sizes", tmp_path / "out", "--store", store)
    assert run(*command, "--memory", "64MiB")[0] == 0
    limits = [statistics.limit_bytes for _, statistics in process.current().caches.statistics()]
    assert sum(limits) == 64 << 20
    code, out, err = run(*command, "--memory", "lots")
    assert (code, out) == (2, "")
    assert err == "lazytile: --memory must be a size such as 2GiB, 512MB or 25%, got 'lots'\n"
    monkeypatch.setenv("LAZYTILE_MEMORY", "32MiB")
    assert run(*command)[0] == 0
    assert sum(statistics.limit_bytes for _, statistics in process.current().caches.statistics()) == 32 << 20


def test_an_export_keeps_few_chunks_by_default_on_any_machine(run, store, tmp_path, monkeypatch):
    monkeypatch.delenv("LAZYTILE_MEMORY", raising=False)
    for machine, expected in ((512 << 30, 256 << 20), (1 << 30, 128 << 20)):
        monkeypatch.setattr("lazytile.pyramid.core.memory_size.machine_memory_bytes", lambda size=machine: size)
        assert run("mrf", "export", "odd_sizes", tmp_path / f"{machine}", "--store", store)[0] == 0
        assert sum(statistics.limit_bytes for _, statistics in process.current().caches.statistics()) == expected


def test_each_worker_process_of_an_export_has_such_a_cache(monkeypatch):
    monkeypatch.setattr("lazytile.pyramid.core.memory_size.machine_memory_bytes", lambda: 512 << 30)
    for engine, workers, expected in (("threads", 7, 1), ("local", 3, 3), ("tcp://127.0.0.1:9", None, 1)):
        RenderingEngineOptions(engine=engine, workers=workers).open()
        limits = [statistics.limit_bytes for _, statistics in process.current().caches.statistics()]
        assert sum(limits) == expected * 256 << 20


def test_serve_and_warm_refuse_a_memory_that_is_no_size_and_what_it_replaced(run, store, tmp_path, monkeypatch):
    for command in (("serve",), ("warm", "odd_sizes", "--cache", tmp_path / "c")):
        code, out, err = run(*command, "--store", store, "--memory", "512")
        assert (code, out) == (2, "")
        assert err.startswith("lazytile: setting memory_bytes: must be 0 or at least 1 MiB, got '512'")
        monkeypatch.setenv("LAZYTILE_CHUNK_CACHE_BYTES", "1000000")
        code, out, err = run(*command, "--store", store)
        assert (code, out) == (2, "")
        assert "LAZYTILE_CHUNK_CACHE_BYTES no longer exists: set --memory or LAZYTILE_MEMORY" in err
        monkeypatch.delenv("LAZYTILE_CHUNK_CACHE_BYTES")


def test_warm_makes_only_tiles_with_data(run, store, tmp_path):
    command = ("warm", "odd_sizes", "--store", store, "--cache", tmp_path / "c", "--zoom")
    assert run(*command, "6", "--tms", "WorldCRS84Quad")[1].startswith("8 tiles")
    assert run(*command, "0-1", "--tms", "native")[0] == 0


def test_mrf(run, store, tmp_path):
    code, out, _ = run("mrf", "time_steps", tmp_path / "out", "--store", store, "--time", "2024-01-02")
    assert code == 0, out
    assert len(list((tmp_path / "out").glob("*.mrf"))) == 1
    assert (
        "was there already" in run("mrf", "time_steps", tmp_path / "out", "--store", store, "--time", "2024-01-02")[1]
    )


def test_an_interval_is_all_times_within(run, store, tmp_path):
    labels = Store(store).layer("time_steps").variable.time.labels
    assert len(labels) > 2
    interval = f"{labels[1][:10]}/{labels[-1]}"
    chosen = [label for label in labels if label >= labels[1][:10]]
    assert 1 < len(chosen) < len(labels)
    code, out, _ = run("mrf", "time_steps", tmp_path / "out", "--store", store, "--time", interval)
    assert code == 0, out
    assert len(list((tmp_path / "out").glob("*.mrf"))) == len(chosen)
    for text in (interval, f"{labels[1][:10]}/.."):
        command = ("warm", "time_steps", "--store", store, "--cache", tmp_path / "c", "--zoom", "0", "--time", text)
        assert run(*command)[1].startswith(f"{len(chosen)} tiles: ")


def test_the_environment_sets_what_options_do_not(run, store, monkeypatch):
    monkeypatch.setenv("LAZYTILE_STORE", str(store))
    assert "global_180" in run("info")[1]
    monkeypatch.setenv("LAZYTILE_PORT", "x")
    code, _, err = run("serve", "--host", "127.0.0.1")
    assert code == 2
    assert "port" in err


def test_help_does_not_import_the_heavy_packages():
    script = (
        "import sys; from lazytile.service.cli.main import run; code = run(['--help']);"
        "heavy = {'xarray', 'dask', 'distributed', 'zarr', 'aiohttp', 'pandas', 'numpy', 'lxml'} & set(sys.modules);"
        "assert code == 0 and not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_real_data(run, tmp_path):
    files = sorted(SHARED.glob("realdata/20241011*GAMSSA*.nc"))
    if not files:
        pytest.skip("reference data is not beside the checkout: ../shared/realdata/20241011*GAMSSA*.nc")
    store = tmp_path / "store"
    assert run("convert", files[0], "--store", store, "--name", "gamssa", "--var", "analysed_sst")[0] == 0
    assert "kelvin" in run("info", "gamssa", "--store", store)[1]
    with running(store, tmp_path / "c") as server:
        assert server.get("/xyz/gamssa/2/1/1.png?time=2024-10-11").status == 200


def test_info_says_what_is_wrong_with_each_dataset_that_it_cannot_read(run, netcdf, tmp_path):
    store = tmp_path / "store"
    for name in ("a", "b"):
        assert run("convert", netcdf, "--name", name, "--store", store)[0] == 0
    (store / "a.zarr/zarr.json").write_text("{")
    code, out, err = run("info", "--store", store)
    assert code == 0
    assert f"dataset {store / 'b.zarr'}" in out
    assert "a.zarr is no dataset of lazytile" in err
    (store / "b.zarr/zarr.json").write_text("{")
    code, out, err = run("info", "--store", store)
    assert (code, out) == (2, "")
    assert "a.zarr is no dataset of lazytile" in err
