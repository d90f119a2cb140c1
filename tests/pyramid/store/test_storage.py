"""Codecs and shards: different bytes on disk, the same numbers for every reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.stores import flip

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores import StorePlace

ROWS, COLS = 1100, 1500


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codes = np.random.default_rng(3).normal(0, 400, (2, ROWS, COLS)).astype("int16")
    codes[:, :600, :600] = -32768
    path = tmp_path_factory.mktemp("source") / "in.nc"
    steps = {"time": ([0.0, 1.0], TIME)}
    return write_grid(path, codes, centres(70, -0.1, ROWS), centres(0, 0.1, COLS), leading=steps, fill=-32768)


@pytest.fixture(scope="module")
def usual(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    convert(source, store, "d")
    return store


STORAGES = {
    "zstd": Storage(Codec("blosc-zstd", 3)),
    "gzip": Storage(Codec("gzip", 1)),
    "plain": Storage(Codec("none", 0)),
    "sharded": Storage(shard=2),
    "one shard a level": Storage(Codec("zstd", 1), shard=8),
}


@pytest.mark.parametrize(
    ("place", "kind"),
    [*((place, kind) for place in ("folder", "memory") for kind in STORAGES), ("s3", "gzip"), ("s3", "sharded")],
    indirect=["place"],
)
def test_the_numbers_are_the_same(source: Path, usual: Path, place: StorePlace, kind: str) -> None:
    storage = STORAGES[kind]
    dataset = convert(source, place.root, "d", storage=storage)
    assert (dataset.codec, dataset.shard) == (storage.codec.text, storage.shard)
    ours, theirs = place.group(), zarr.open_group(usual / "d.zarr", mode="r")
    one, other = (Store(store).dataset("d") for store in (place.root, usual))
    for level in range(dataset.levels):
        np.testing.assert_array_equal(ours[f"{level}/t"][...], theirs[f"{level}/t"][...])
        side = storage.shard * 256 or None
        assert ours[f"{level}/t"].shards == (None if side is None else (1, side, side))
        np.testing.assert_array_equal(one.chunk(level, "t", (1,), 0, 0), other.chunk(level, "t", (1,), 0, 0))
    with xr.open_zarr(place.group().store, group="0") as stored, xr.open_dataset(source) as original:
        np.testing.assert_array_equal(stored["t"].values, original["t"].values)
    assert not any("parts" in name.split("/") for name in place.files())


def test_shards_are_few_files_with_checked_indices(source: Path, usual: Path, place: StorePlace) -> None:
    convert(source, place.root, "d", storage=Storage(shard=8))
    files = [name for name in place.files() if name.startswith("0/t/c/")]
    assert files == ["0/t/c/0/0/0", "0/t/c/1/0/0"]
    assert len([path for path in (usual / "d.zarr/0/t/c").rglob("*") if path.is_file()]) > 40
    flip(place.dataset() / files[0], -1)
    with pytest.raises(ValueError, match="checksum"):
        place.group()["0/t"][0]


def test_a_shard_without_data_gets_no_file(tmp_path: Path, place: StorePlace) -> None:
    codes = np.full((600, 600), -1, "int16")
    codes[590, 590] = 5
    write_grid(tmp_path / "in.nc", codes, centres(70, -0.1, 600), centres(0, 0.1, 600), fill=-1)
    convert(tmp_path / "in.nc", place.root, "d", storage=Storage(shard=2))
    assert [name for name in place.files() if name.startswith("0/t/c/")] == ["0/t/c/1/1"]
    assert place.group()["0/t"][590, 590] == 5


@pytest.mark.parametrize("shard", [1, 3, 128, -2])
def test_other_shards_are_refused(shard: int) -> None:
    with pytest.raises(StoreError, match="a shard has 2, 4, 8"):
        Storage(shard=shard)


def test_lazy_and_shards_exclude_each_other() -> None:
    with pytest.raises(StoreError, match="lazy overviews"):
        Storage(shard=2, lazy=True)
