"""A list of tiles, byte for byte, from every place that data can lie in: converted, linked, on disk and in storage."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

from lazytile.api import render_tile
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.linked.test_object_storage import uploaded
from tests.s3 import BUCKET, S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A field of some form."""

    rows: int
    cols: int
    chunks: tuple[int, int]
    dtype: str
    steps: int = 0
    depths: int = 0
    is_south_up: bool = False
    west: float = -180.0
    cell: float = 0.0
    """Degrees; 0: the whole globe."""
    storage: Storage = field(default_factory=Storage)
    """Of the store in object storage."""


CASES = {
    "packed, south up, from 0 to 360": Case(
        211, 307, (97, 111), "int16", steps=3, is_south_up=True, west=0.0, storage=Storage(shard=2)
    ),
    "floats, at depths, across the date line": Case(
        330, 290, (330, 64), "float32", depths=2, west=165.0, cell=0.11, storage=Storage(lazy=True)
    ),
    "doubles, times and depths": Case(131, 268, (50, 268), "float64", steps=2, depths=2),
    "bytes, many times": Case(60, 90, (35, 41), "uint8", steps=20, storage=Storage(Codec("zstd", 1), shard_steps=8)),
}


def made_of(case: Case) -> xr.Dataset:
    """Make a field with a corner without data, and holes."""
    numbers = np.random.default_rng(case.rows)
    dx, dy = (case.cell, case.cell) if case.cell else (360 / case.cols, 180 / case.rows)
    lon = case.west + (np.arange(case.cols) + 0.5) * dx
    lat = (60 if case.cell else 90) - (np.arange(case.rows) + 0.5) * dy
    leading = {"time": case.steps, "depth": case.depths}
    dims = (*(name for name, length in leading.items() if length), "lat", "lon")
    shape = (*tuple(length for length in leading.values() if length), case.rows, case.cols)
    share = 0.5 + 0.4 * np.sin(lat / 20)[:, None] * np.cos(np.radians(lon))[None, :]
    values = share + 0.05 * numbers.standard_normal(shape).clip(-2, 2)
    attributes: dict[str, Any] = {"units": "degC"}
    if case.dtype.startswith("float"):
        data = (values * 30).astype(case.dtype)
        none: Any = np.dtype(case.dtype).type(np.nan)
    else:
        limits = np.iinfo(case.dtype)
        data = (limits.min + 1 + values * (limits.max - limits.min - 2)).astype(case.dtype)
        none = np.dtype(case.dtype).type(limits.min)
        attributes.update(scale_factor=0.01, add_offset=273.15)
    data[..., : case.rows // 5, : case.cols // 3] = none
    data[..., case.rows // 2, ::3] = none
    coordinates: dict[str, Any] = {
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    if case.steps:
        days = np.arange(case.steps, dtype=float)
        coordinates["time"] = "time", days, {"units": "days since 2020-01-01", "standard_name": "time"}
    if case.depths:
        meters = np.array([5.0, 100.0])[: case.depths]
        coordinates["depth"] = "depth", meters, {"units": "m", "positive": "down", "standard_name": "depth"}
    made = xr.Dataset({"sst": (dims, data, {**attributes, "_FillValue": none})}, coordinates)
    return made.isel(lat=slice(None, None, -1)) if case.is_south_up else made


def write_forms(folder: Path, case: Case) -> None:
    """Write the field as netCDF, as Zarr of both versions, as references, and to a repository of Icechunk."""
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed (extra icechunk)")
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
    made = made_of(case)
    chunks = (1,) * (made["sst"].ndim - 2) + case.chunks
    made["sst"].encoding = {"chunksizes": chunks, "zlib": True}
    made.to_netcdf(folder / "in.nc")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder / "repository")))
    session = repository.writable_session("main")
    forms: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
        (folder / "v2.zarr", {"zarr_format": 2, "consolidated": True}, {}),
        (folder / "v3.zarr", {"zarr_format": 3, "consolidated": False}, {}),
        (folder / "sharded.zarr", {"zarr_format": 3}, {"shards": tuple(2 * each for each in chunks)}),
        (session.store, {"zarr_format": 3, "consolidated": False}, {}),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, options, encoding in forms:
            made["sst"].encoding = {"chunks": chunks, **encoding}
            made.to_zarr(place, **options)
    session.commit("first")
    (folder / "references.json").write_text(json.dumps(hdf.SingleHdf5ToZarr(str(folder / "in.nc")).translate()))


def tiles_of(store: str | Path) -> dict[tuple[Any, ...], bytes]:
    """Render tiles of the first step in the native set, and of the last one in Web Mercator: corners and middles."""
    process.install(CacheBudget.renderer(64 << 20))
    folder = location(store)
    (layer,) = Store(folder).layers()
    found = {}
    sets = [layer.native_set, *(each for each in layer.tile_matrix_sets() if each.identifier == "WebMercatorQuad")]
    for step, tms in zip((0, -1), sets, strict=False):
        labels = {each.name: each.labels[step] for each in layer.variable.dimensions}
        for matrix in tms.matrices[:5]:
            height, width = matrix.matrix_height, matrix.matrix_width
            for row, col in product({0, height // 3, height // 2}, {0, width // 2, width - 1}):
                place = tms.identifier, matrix.identifier, row, col
                found[step, *place] = render_tile(folder, layer.name, *place, **labels)
    return found


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server."""
    with s3_server() as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_every_tile_is_the_same_from_every_place(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    case = CASES[name]
    write_forms(tmp_path, case)
    convert(tmp_path / "in.nc", tmp_path / "reference", "d")
    expected = tiles_of(tmp_path / "reference")
    assert len(set(expected.values())) > 10
    bucket = f"s3://{BUCKET}/every-{case.rows}"
    convert(tmp_path / "in.nc", f"{bucket}/store", "d", storage=case.storage)
    remote = uploaded(tmp_path / "v3.zarr", f"every-{case.rows}/v3.zarr")
    convert(remote, tmp_path / "converted from S3", "d", storage=case.storage)
    places = [f"{bucket}/store", tmp_path / "converted from S3"]
    here = [tmp_path / each for each in ("in.nc", "v2.zarr", "sharded.zarr", "repository", "references.json")]
    for source in (*here, remote, tmp_path / "reference/d.zarr", f"{bucket}/store/d"):
        place = tmp_path / f"link {len(places)}"
        link(source, place, "d")
        places.append(place)
    link(tmp_path / "v3.zarr", f"{bucket}/links", "d")
    for place in (*places, f"{bucket}/links"):
        found = tiles_of(place)
        assert found.keys() == expected.keys(), place
        assert [key for key in expected if found[key] != expected[key]] == [], place
    shutil.rmtree(tmp_path / "staging", ignore_errors=True)
