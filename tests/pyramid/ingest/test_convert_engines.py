"""Every engine converts to the same bytes."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.core.errors import LazytileError
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.verification.verify import verify
from lazytile.service.cli import main
from tests.pyramid.engines.test_scheduler import ROOT, scheduler, worker
from tests.pyramid.netcdf import centres, write_grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine

ROWS, COLS = 1400, 900


def packed(path: Path) -> Path:
    codes = np.random.default_rng(2).integers(-900, 900, (3, ROWS, COLS)).astype("int16")
    codes[:, 200:700, 300:500] = -32768
    lat, lon = centres(-70, 0.1, ROWS), centres(0, 0.1, COLS)
    days = {"step": ([0, 1, 2], {"units": "months since 2001-01-31"})}
    return write_grid(path, codes, lat, lon, leading=days, fill=-32768, chunks=(1, 500, 900))


def curved(path: Path) -> Path:
    """Cells with arbitrary coordinates, for which each process builds its own search tree."""
    pytest.importorskip("scipy", reason="SciPy is not installed (extra regrid)")
    row, col = np.mgrid[0:300, 0:400]
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", 300)
        file.createDimension("x", 400)
        coordinates = (("nav_lat", 20 + 0.05 * row + 0.01 * col), ("nav_lon", 0.05 * col - 0.02 * row))
        for name, values in (*coordinates, ("t", row * 100.0 + col)):
            file.createVariable(name, "f4", ("y", "x"), fill_value=-1.0)[:] = values
    return path


def raster(path: Path) -> Path:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra geotiff)")
    codes = np.random.default_rng(3).integers(0, 250, (1, 700, 800)).astype("uint8")
    georeference = {"crs": "EPSG:32633", "transform": rasterio.Affine(100, 0, 3e5, 0, -100, 5e6)}
    with rasterio.open(path, "w", "GTiff", 800, 700, 1, dtype="uint8", tiled=True, **georeference) as file:
        file.write(codes)
        file.write_mask(codes[0] > 50)
    return path


def messages(path: Path) -> Path:
    eccodes = pytest.importorskip("eccodes", reason="eccodes is not installed (extra grib)", exc_type=Exception)
    with path.open("wb") as file:
        for level in (500, 850):
            handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            eccodes.codes_set(handle, "level", level)
            count = eccodes.codes_get(handle, "numberOfPoints")
            eccodes.codes_set_values(handle, np.arange(count) * 0.5 + level)
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    return path


SOURCES = {"packed.nc": packed, "curved.nc": curved, "raster.tif": raster, "messages.grib": messages}


def chunk_files(store: Path) -> dict[str, bytes]:
    """Return all data files of the dataset: chunks, shards and coordinates."""
    found = {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if "/c/" in name or name.endswith("/c")}


@pytest.fixture(scope="module")
def local() -> Iterator[BulkEngine]:
    with open_bulk_engine(EngineSpec.parse("local"), EngineOptions(workers=2)) as engine:
        yield engine


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BulkEngine]:
    with (
        scheduler(tmp_path_factory.mktemp("scheduler")) as address,
        worker(address),
        open_bulk_engine(EngineSpec.parse(address), EngineOptions(connect_timeout_s=30)) as engine,
    ):
        yield engine


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("storage", [Storage(), Storage(shard=2)], ids=["usual", "sharded"])
def test_threads_processes_and_a_scheduler_write_the_same(
    tmp_path: Path, local: BulkEngine, remote: BulkEngine, name: str, storage: Storage
) -> None:
    path = SOURCES[name](tmp_path / name)
    expected = convert(path, tmp_path / "own", "d", storage=storage)
    wanted = chunk_files(tmp_path / "own" / "d.zarr")
    assert len(wanted) > 3
    with open_bulk_engine(EngineSpec.parse("threads"), EngineOptions(workers=3)) as threads:
        for kind, engine in (("threads", threads), ("local", local), ("remote", remote)):
            dataset = convert(path, tmp_path / kind, "d", storage=storage, engine=engine)
            assert chunk_files(tmp_path / kind / "d.zarr") == wanted
            assert [each.level_statistics for each in dataset.variables] == [
                each.level_statistics for each in expected.variables
            ]
            assert verify(tmp_path / kind, "d", engine=engine).problems == ()


def test_an_error_in_a_process_is_the_same_line(tmp_path: Path, local: BulkEngine) -> None:
    path = raster(tmp_path / "in.tif")
    path.write_bytes(path.read_bytes()[:200_000])
    texts = []
    for engine in (None, local):
        with pytest.raises(LazytileError) as caught:
            convert(path, tmp_path / "s", "d", engine=engine)
        texts.append(str(caught.value))
        assert not list((tmp_path / "s").iterdir())
    assert texts[0].partition(" cannot be read")[0] == texts[1].partition(" cannot be read")[0]
    assert all("\n" not in text for text in texts)


@pytest.mark.parametrize("engine", ["cuda", "tcp://127.0.0.1:1", "nonsense"])
def test_an_engine_that_is_not_there_is_one_clear_line(
    tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    words = ["convert", str(packed(tmp_path / "in.nc")), "--store", str(tmp_path / "s"), "--engine", engine]
    assert main.run(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("lazytile: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "s").exists() or not list((tmp_path / "s").iterdir())


DASHBOARD = """
import sys, threading, time, urllib.request
from lazytile.service.cli import main as cli

def look():
    while not done.is_set():
        try:
            seen.append(urllib.request.urlopen("http://127.0.0.1:%s/status", timeout=5).status)
            return
        except OSError:
            time.sleep(0.05)

if __name__ == "__main__":
    done, seen = threading.Event(), []
    looking = threading.Thread(target=look)
    looking.start()
    code = cli.run(sys.argv[1:])
    done.set()
    looking.join()
    sys.exit(code or (0 if seen == [200] else 3))
"""


def test_the_dashboard_responds_during_a_conversion_or_names_its_package(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "program.py").write_text(DASHBOARD % port)
    words = ["convert", str(packed(tmp_path / "in.nc")), "--store", str(tmp_path / "s"), "--engine", "local"]
    command = [sys.executable, str(tmp_path / "program.py"), *words, "--workers", "1"]
    ended = subprocess.run(
        [*command, "--dashboard", f"127.0.0.1:{port}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if find_spec("bokeh") is None:
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert "pip install 'lazytile[dashboard]'" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr
