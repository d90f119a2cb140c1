"""Datasets of formats 1 and 2 are served, and checked as far as their checksums go."""

from __future__ import annotations

import json
import shutil
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.describe import describe
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.faults.stores import write_source, write_store
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.store import StoredDataset


@pytest.fixture(scope="module")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("new") / "store")


def make_older(dataset: Path, form: int) -> None:
    """Write a dataset's checksums and description as a version of that format did."""
    root = dataset / "zarr.json"
    document = json.loads(root.read_text())
    described = document["attributes"]["lazytile"]
    del described["checked"], described["checksum"], document["attributes"]["lazytile_metadata_checksum"]
    described["format"] = form
    if form == 1:
        described["codec"] = ""
    root.write_text(json.dumps(document))
    for table in list(dataset.glob("*/t/checksums/*")):
        chunks = table.parents[1] / "c" / table.name
        level = int(table.parents[2].name)
        rows, cols = (-(-(size >> level) // 256) for size in (600, 1200))
        if described["shard"]:
            rows, cols = -(-rows // 2), -(-cols // 2)
        entries = np.zeros((rows, cols, 2), "<u4")
        for path in chunks.glob("*/*"):
            data = path.read_bytes()
            entries[int(path.parent.name), int(path.name)] = len(data), zlib.crc32(data)
        table.write_bytes(entries.tobytes())
    if form == 1:
        for folder in list(dataset.glob("*/t/checksums")):
            shutil.rmtree(folder)


def older(new_store: Path, tmp_path: Path, form: int) -> Path:
    store = tmp_path / "store"
    shutil.copytree(new_store, store)
    for dataset in store.glob("*.zarr"):
        make_older(dataset, form)
    return store


def chunks_of(stored: StoredDataset) -> list[np.ndarray]:
    return [
        stored.chunk(level, "t", (step,), row, col)
        for level, (rows, cols) in enumerate([(3, 5), (2, 3), (1, 2)])
        for step in range(2)
        for row in range(rows)
        for col in range(cols)
    ]


@pytest.mark.parametrize("form", [1, 2])
@pytest.mark.parametrize("name", ["files", "shards", "lazy"])
def test_they_are_read_as_before(new_store: Path, tmp_path: Path, form: int, name: str) -> None:
    if (form, name) == (1, "lazy"):
        pytest.skip("format 1 had no lazy datasets")
    store = older(new_store, tmp_path, form)
    for found, wanted in zip(
        chunks_of(Store(store).dataset(name)), chunks_of(Store(new_store).dataset("files")), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    assert verify(store, name).problems == ()
    told = "\n".join(describe(store / f"{name}.zarr").problems)
    assert ("format 1" in told) == (form == 1)
    assert ("format 2" in told) == (form == 2 and name == "shards")


def test_format_2_finds_damage_by_file(new_store: Path, tmp_path: Path) -> None:
    store = older(new_store, tmp_path, 2)
    flipped, missing = (store / f"files.zarr/0/t/c/0/{at}" for at in ("0/0", "1/1"))
    data = bytearray(flipped.read_bytes())
    data[-5] ^= 1
    flipped.write_bytes(data)
    missing.unlink()
    (store / "shards.zarr/0/t/c/0/0/0").unlink()
    files, shards = Store(store).dataset("files"), Store(store).dataset("shards")
    for stored, row, col in ((files, 0, 0), (files, 1, 1), (shards, 0, 0)):
        with pytest.raises(DamagedChunkError, match="at level 0 is damaged"):
            stored.chunk(0, "t", (0,), row, col)
    assert (files.chunk(0, "t", (0,), 0, 1) == -32768).all(), "an empty chunk is not a missing one"


def test_appended_steps_have_all_checksums(new_store: Path, tmp_path: Path) -> None:
    store = older(new_store, tmp_path, 2)
    codes = np.random.default_rng(4).integers(-900, 900, (1, 600, 1200)).astype("int16")
    write_grid(
        tmp_path / "step.nc",
        codes,
        centres(90, -0.3, 600),
        centres(-180, 0.3, 1200),
        leading={"time": ([2], TIME)},
        fill=-32768,
        attributes={"units": "K", "scale_factor": 0.01},
    )
    append(tmp_path / "step.nc", store, "shards")
    assert verify(store, "shards").problems == ()
    shard = store / "shards.zarr/0/t/c/2/0/0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DamagedChunkError, match="checksum differs"):
        Store(store).dataset("shards").chunk(0, "t", (2,), 0, 0)


def test_a_changed_description_is_refused(new_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(new_store, store)
    root = store / "files.zarr/zarr.json"
    root.write_text(root.read_text().replace('"scale_factor": 0.01', '"scale_factor": 0.11'))
    assert verify_problem(store) == "the description differs from its checksum"


def verify_problem(store: Path) -> str:
    with pytest.raises(Exception, match="description") as caught:
        verify(store, "files")
    return str(caught.value).partition(";")[0]


def test_a_lost_coordinate_is_not_appended_to(new_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(new_store, store)
    source = write_source(tmp_path / "in.nc")
    for path in (store / "files.zarr/0/time/c").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(Exception, match="coordinate time in level 0 is damaged"):
        append(source, store, "files", replace_steps=True)
