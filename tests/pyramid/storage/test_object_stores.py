"""Stores in object storage are what stores on disk are: the same datasets, tiles, checks and repairs."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace as replaced
from typing import TYPE_CHECKING

import pytest

import lazytile
from lazytile.api import open_store, render_tile
from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import DatasetNotFoundError, GenerationChangedError, SourceError, StoreError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.describe import describe
from lazytile.pyramid.ingest.opening import stored_name
from lazytile.pyramid.ingest.replace import replace
from lazytile.pyramid.storage.memory import MemoryStorage
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.pointer import dataset_folder, read_pointers
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.publish import remove
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.ingest.test_append import source as write_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.ingest.build import Progress
    from tests.s3 import S3Server

STORAGES = {
    "usual": Storage(),
    "sharded": Storage(Codec("gzip", 1), shard=2),
    "sharded along time": Storage(Codec("zstd", 1), shard_steps=2),
    "sharded in three dimensions": Storage(Codec("zstd", 1), shard=2, shard_steps=3),
}
TILES = [
    ("WebMercatorQuad", "2", 1, 2),
    ("WebMercatorQuad", "5", 8, 17),
    ("native", "1", 0, 0),
]


def source(path: Path, *times: float) -> Path:
    """Return a source, written once."""
    return path if path.exists() else write_source(path, *times)


@pytest.fixture(params=("memory", "s3"))
def place(request: pytest.FixtureRequest, place_of: Callable[[str], str]) -> str:
    """Return an empty store of each kind of object storage."""
    return place_of(request.param)


def codes_of(store: str | Path, name: str = "d") -> dict[tuple[int, ...], bytes]:
    """Return all stored codes of a dataset."""
    opened = Store(location(store)).dataset(name)
    description = opened.description
    found = {}
    for level in range(description.levels):
        shape = description.grid.shape_at(level)
        rows, cols = -(-shape.rows // description.chunk.rows), -(-shape.cols // description.chunk.cols)
        for variable in description.variables:
            steps = itertools.product(*(range(len(each.labels)) for each in variable.dimensions))
            for step, row, col in itertools.product(steps, range(rows), range(cols)):
                found[level, *step, row, col] = opened.chunk(level, variable.name, step, row, col).tobytes()
    return found


def tiles_of(store: str | Path, time: str = "default") -> list[bytes]:
    opened = open_store(store)
    return [render_tile(opened, "d", *tile, time=time) for tile in TILES]


def same_as_on_disk(place: str, folder: Path) -> None:
    """Compare a dataset with the same one on disk."""
    assert codes_of(place) == codes_of(folder)
    ours, theirs = (Store(location(store)).dataset("d").description for store in (place, folder))
    assert ours.variables[0].statistics == theirs.variables[0].statistics
    assert ours.variables[0].histogram == theirs.variables[0].histogram
    assert ours.variables[0].dimensions == theirs.variables[0].dimensions
    for label in ours.variables[0].dimensions[0].labels:
        assert tiles_of(place, label) == tiles_of(folder, label)
    found = verify(place, "d")
    assert found.problems == ()
    assert found.files == verify(folder, "d").files


def generation(place: str) -> ObjectPath:
    found = dataset_folder(location(place), "d")
    assert isinstance(found, ObjectPath)
    return found


def prefixes(place: str) -> tuple[str, ...]:
    root = location(place)
    assert isinstance(root, ObjectPath)
    return root.storage.folders((root / "d.zarr").key)


@pytest.mark.parametrize("kind", STORAGES)
def test_a_dataset_is_the_same_as_on_disk(tmp_path: Path, place: str, kind: str) -> None:
    for store in (place, tmp_path / "s"):
        convert(source(tmp_path / "a.nc", 0, 1), store, "d", storage=STORAGES[kind])
        append(source(tmp_path / "b.nc", 2.5), store, "d")
    same_as_on_disk(place, tmp_path / "s")
    for store in (place, tmp_path / "s"):
        append(source(tmp_path / "c.nc", 1, 4), store, "d", replace_steps=True)
    same_as_on_disk(place, tmp_path / "s")
    for store in (place, tmp_path / "s"):
        replace(source(tmp_path / "d.nc", 7), store, "d")
    same_as_on_disk(place, tmp_path / "s")
    assert len(prefixes(place)) == 1
    assert [path for path in (tmp_path / "staging").rglob("*") if path.is_file()] == []
    remove(location(place), "d")
    assert prefixes(place) == ()
    with pytest.raises(DatasetNotFoundError, match=r"has no dataset 'd', it has none"):
        Store(location(place)).dataset("d")
    with pytest.raises(DatasetNotFoundError):
        remove(location(place), "d")


def test_programs_open_and_describe_it(tmp_path: Path, place: str) -> None:
    for store in (place, tmp_path / "s"):
        convert(source(tmp_path / "a.nc", 0, 1), store, "d")
    found = stored_name(place)
    assert found is not None
    assert (str(found.store), found.name) == (place, "d")
    assert stored_name(f"{place}/d") == stored_name(f"{place}/d.zarr") == found
    ours, theirs = (describe(Store(location(store)).dataset("d").path) for store in (place, tmp_path / "s"))
    assert (ours.kind, ours.problems) == ("dataset", ())
    sizes = [level.stored_bytes for level in theirs.levels]
    assert [level.stored_bytes for level in ours.levels] == sizes
    convert(source(tmp_path / "a.nc", 0, 1), place, "e")
    with pytest.raises(StoreError, match="is a store of 2 datasets; open one: d, e"):
        stored_name(place)


def test_a_lost_object_is_told_from_an_empty_chunk(tmp_path: Path, place: str) -> None:
    convert(source(tmp_path / "a.nc", 0, 1), place, "d")
    array = generation(place) / "0/t"
    opened = Store(location(place)).dataset("d")
    empty = opened.chunk(0, "t", (0,), 0, 0)
    assert (empty == -32768).all()
    assert not (array / "c/0/0/0").exists()
    lost = array / "c/1/1/1"
    lost.storage.delete([lost.key])
    with pytest.raises(DamagedChunkError, match="it is missing or empty"):
        opened.chunk(0, "t", (1,), 1, 1)
    changed = array / "c/1/2/2"
    changed.storage.put(changed.key, b"x" + changed.read_bytes()[1:])
    with pytest.raises(DamagedChunkError, match="its checksum differs"):
        opened.chunk(0, "t", (1,), 2, 2)
    problems = verify(place, "d").problems
    assert any(str(lost) in line and "missing" in line for line in problems)
    assert any(str(changed) in line and "damaged" in line for line in problems)
    table = array / "checksums/0"
    table.storage.delete([table.key])
    process.cache("digests").clear()
    opened = Store(location(place)).dataset("d")
    with pytest.raises(DamagedChunkError, match="table of checksums of its plane is missing"):
        opened.chunk(0, "t", (0,), 2, 2)


def test_a_damaged_overview_is_computed_again(tmp_path: Path, place: str) -> None:
    convert(source(tmp_path / "a.nc", 0), place, "d")
    opened = Store(location(place)).dataset("d")
    lost = generation(place) / "1/t/c/0/1/1"
    whole = opened.chunk(1, "t", (0,), 0, 1).tobytes()
    before = codes_of(place)[1, 0, 1, 1]
    lost.storage.delete([lost.key])
    again = Store(location(place), opened._chunks.__class__(0, lambda each: each.nbytes)).dataset("d")
    assert again.chunk(1, "t", (0,), 1, 1).tobytes() == before
    assert again.chunk(1, "t", (0,), 0, 1).tobytes() == whole
    assert not lost.exists()


def test_a_reader_of_a_removed_generation_learns_of_the_new_one(tmp_path: Path, place: str) -> None:
    convert(source(tmp_path / "a.nc", 0), place, "d")
    opened = Store(location(place)).dataset("d")
    convert(source(tmp_path / "b.nc", 1), place, "d")
    with pytest.raises(GenerationChangedError):
        opened.chunk(0, "t", (0,), 2, 2)
    assert Store(location(place)).dataset("d").chunk(0, "t", (0,), 2, 2) is not None


def test_a_slower_writer_does_not_overwrite_a_faster_one(tmp_path: Path, place: str) -> None:
    convert(source(tmp_path / "a.nc", 0), place, "d")
    fast: list[object] = []

    def overtake(_: object) -> None:
        if fast:
            return
        fast.append(None)
        # Another host has a folder of its own, and the lock in it.
        here = StorageOptions.current()
        process.current().replace(StorageOptions, replaced(here, staging=tmp_path / "other"))
        fast[0] = convert(source(tmp_path / "c.nc", 5), place, "d")
        process.current().replace(StorageOptions, here)

    with pytest.raises(StoreError, match="changed meanwhile by another writer; repeat the command"):
        convert(source(tmp_path / "b.nc", 1), place, "d", progress=overtake)
    assert Store(location(place)).dataset("d").description == fast[0]
    assert verify(place, "d").problems == ()


def test_a_failed_conversion_leaves_the_old_dataset(tmp_path: Path, place: str) -> None:
    first = convert(source(tmp_path / "a.nc", 0), place, "d")

    def fail(done: Progress) -> None:
        if done.done_tasks:
            raise SourceError("the source is damaged")

    with pytest.raises(SourceError, match="is damaged"):
        convert(source(tmp_path / "b.nc", 1), place, "d", progress=fail)
    assert Store(location(place)).dataset("d").description == first


def test_unfinished_generations_are_removed_by_age(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(source(tmp_path / "a.nc", 0), place, "d")
    root = location(place)
    assert isinstance(root, ObjectPath)
    left = root / "d.zarr/00000000000001/0/t/c/0/0/0"
    left.storage.put(left.key, b"unfinished")
    convert(source(tmp_path / "b.nc", 1), place, "d")
    assert left.exists(), "it may be that of a writer that is still at work"
    import time

    now = time.time()
    monkeypatch.setattr("lazytile.pyramid.storage.generations.time.time", lambda: now + 90_000)
    convert(source(tmp_path / "c.nc", 2), place, "d")
    assert not left.exists()
    assert len(prefixes(place)) == 1
    assert verify(place, "d").problems == ()


def test_who_may_write_and_not_remove_can_publish(
    tmp_path: Path, place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("memory")

    def refuse(*_: object) -> None:
        raise StorageError("access is denied")

    monkeypatch.setattr(MemoryStorage, "delete", refuse)
    convert(source(tmp_path / "a.nc", 0), place, "d")
    second = convert(source(tmp_path / "b.nc", 1), place, "d")
    assert Store(location(place)).dataset("d").description == second
    assert verify(place, "d").problems == ()
    assert len(prefixes(place)) == 2


def test_a_level_opens_in_xarray(tmp_path: Path, place: str) -> None:

    for store in (place, tmp_path / "s"):
        convert(source(tmp_path / "a.nc", 0, 1), store, "d")
    with lazytile.open(f"{place}/d") as ours, lazytile.open(tmp_path / "s/d.zarr") as theirs:
        assert ours.to_xarray(1).identical(theirs.to_xarray(1))


def test_a_damaged_pointer_says_so(tmp_path: Path, place: str) -> None:
    convert(source(tmp_path / "a.nc", 0), place, "d")
    root = location(place)
    assert isinstance(root, ObjectPath)
    pointer = root / "datasets.json"
    document = json.loads(pointer.read_bytes())
    pointer.storage.put(pointer.key, json.dumps({**document, "format": 99}).encode())
    with pytest.raises(StoreError, match="has the format 99, this version reads 1"):
        read_pointers(root)
    pointer.storage.put(pointer.key, b"{")
    with pytest.raises(StoreError, match="is no pointer of a store"):
        read_pointers(root)


def test_a_store_that_a_web_server_offers_is_read(tmp_path: Path, place_of: Callable[[str], str], s3: S3Server) -> None:
    place = place_of("s3")
    convert(source(tmp_path / "a.nc", 0, 1), place, "d")
    url = f"http://127.0.0.1:{s3.port}/{place.removeprefix('s3://')}"
    assert codes_of(url) == codes_of(place)
    assert tiles_of(url) == tiles_of(place)
    assert verify(url, "d").problems == ()
    described = describe(Store(location(url)).dataset("d").path)
    assert (described.kind, described.stored_bytes) == ("dataset", None)
    with lazytile.open(url, "d") as ours, lazytile.open(place, "d") as theirs:
        assert ours.to_xarray(1).identical(theirs.to_xarray(1))
    with pytest.raises(StoreError, match="web servers are read only; use s3://, gs:// or az://"):
        remove(location(url), "d")
