"""Icechunk repositories, kerchunk references, and compression filters of HDF5, through the packages that bring them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.formats.hdf5_filters import advice

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.arange(600.0).reshape(20, 30)


def dataset() -> xr.Dataset:
    lat, lon = np.arange(20.0)[::-1], np.arange(30.0)
    return xr.Dataset(
        {"t": (("lat", "lon"), VALUES)},
        {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})},
    )


def stored(store: Path) -> np.ndarray:
    return zarr.open_group(store / "d.zarr", mode="r")["0/t"][...]


def without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = importlib.import_module

    def missing(module: str, package: str | None = None) -> object:
        if module == name:
            raise ImportError(name)
        return real(module, package)

    monkeypatch.setattr(importlib, "import_module", missing)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed (extra icechunk)")
    opened = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    session = opened.writable_session("main")
    dataset().to_zarr(session.store, consolidated=False)
    session.commit("first")
    return tmp_path / "repo"


def test_an_icechunk_repository(tmp_path: Path, repository: Path) -> None:
    convert(repository, tmp_path, "d")
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_icechunk_without_its_package_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "icechunk")
    with pytest.raises(
        SourceError, match=r"is an Icechunk repository, which needs icechunk: pip install 'lazytile\[ice"
    ):
        convert(repository, repository.parent / "s", "d")


@pytest.fixture
def references(tmp_path: Path) -> Path:
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
    dataset().to_netcdf(tmp_path / "in.nc")
    (tmp_path / "refs.json").write_text(json.dumps(hdf.SingleHdf5ToZarr(str(tmp_path / "in.nc")).translate()))
    return tmp_path / "refs.json"


def test_kerchunk_references(tmp_path: Path, references: Path) -> None:
    convert(references, tmp_path, "d")
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_kerchunk_references_to_compressed_chunks(tmp_path: Path) -> None:
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
    options = {"t": {"zlib": True, "shuffle": True, "chunksizes": (7, 9)}}
    dataset().to_netcdf(tmp_path / "in.nc", encoding=options)
    references = hdf.SingleHdf5ToZarr(str(tmp_path / "in.nc")).translate()
    assert '"zlib"' in references["refs"]["t/.zarray"]
    (tmp_path / "refs.json").write_text(json.dumps(references))
    convert(tmp_path / "refs.json", tmp_path, "d")
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_kerchunk_without_its_package_is_named(references: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "kerchunk")
    with pytest.raises(SourceError, match=r"is a set of kerchunk references, which needs kerchunk: pip install"):
        convert(references, references.parent / "s", "d")


def test_other_json_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "FeatureCollection"}')
    with pytest.raises(SourceError, match="has an unknown format"):
        convert(tmp_path / "a.json", tmp_path / "s", "d")


def compressed(path: Path) -> Path:
    """Write a file with a filter of the package, in another process: h5py brings an HDF5 library of its own."""
    pytest.importorskip("h5py", reason="hdf5plugin is not installed (extra hdf5plugin)")
    code = (
        "import h5py, hdf5plugin, numpy as np, sys\n"
        "with h5py.File(sys.argv[1], 'w') as file:\n"
        "    for name, size, units in (('lat', 20, 'degrees_north'), ('lon', 30, 'degrees_east')):\n"
        "        axis = file.create_dataset(name, data=np.arange(float(size)))\n"
        "        axis.make_scale(name)\n"
        "        axis.attrs['units'] = units\n"
        "    data = np.arange(600.0).reshape(20, 30)[::-1]\n"
        "    t = file.create_dataset('t', data=data, chunks=(10, 10), **hdf5plugin.LZ4())\n"
        "    t.dims[0].attach_scale(file['lat'])\n"
        "    t.dims[1].attach_scale(file['lon'])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, timeout=120)
    return path


def run(path: Path, store: Path, prelude: str = "") -> subprocess.CompletedProcess[str]:
    """Convert in a process of its own, whose HDF5 library has met no plug-in yet."""
    code = (
        f"import sys\n{prelude}\nfrom lazytile.pyramid.ingest.convert import convert\n"
        "from lazytile.pyramid.core.errors import SourceError\n"
        "try:\n    convert(sys.argv[1], sys.argv[2], 'd')\n"
        "except SourceError as error:\n    print(error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path), str(store)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ},
    )


def test_a_filter_of_hdf5plugin_is_read_where_the_package_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (extra hdf5plugin)")
    done = run(compressed(tmp_path / "in.nc"), tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_a_filter_that_is_missing_is_named_with_the_package_that_brings_it(tmp_path: Path) -> None:
    prelude = "import lazytile.pyramid.sources.formats.hdf5_filters as filters\nfilters._folder = lambda: None"
    done = run(compressed(tmp_path / "in.nc"), tmp_path / "s", prelude)
    assert "its HDF5 filter is lz4 (32004), which needs hdf5plugin: pip install 'lazytile[hdf5plugin]'" in done.stdout


def test_a_filter_that_nothing_reads_is_named() -> None:
    assert advice((12345,)).startswith("its HDF5 filter is unknown (12345), which no installed package reads")
    assert advice(()) == ""


def test_hdf5_after_a_user_block_is_recognised(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="hdf5plugin is not installed (extra hdf5plugin)")
    del h5py
    code = (
        "import h5py, numpy as np, sys\n"
        "with h5py.File(sys.argv[1], 'w', userblock_size=512) as file:\n"
        "    for name, size, units in (('lat', 20, 'degrees_north'), ('lon', 30, 'degrees_east')):\n"
        "        axis = file.create_dataset(name, data=np.arange(float(size)))\n"
        "        axis.make_scale(name)\n"
        "        axis.attrs['units'] = units\n"
        "    t = file.create_dataset('t', data=np.arange(600.0).reshape(20, 30)[::-1])\n"
        "    t.dims[0].attach_scale(file['lat'])\n"
        "    t.dims[1].attach_scale(file['lon'])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "in.h5")], check=True, timeout=120)
    convert(tmp_path / "in.h5", tmp_path, "d")
    np.testing.assert_array_equal(stored(tmp_path), VALUES)
