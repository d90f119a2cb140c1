"""Building straight in object storage: the objects of a dataset, a bounded staging folder, runs that are resumed."""

from __future__ import annotations

import json
import threading
from dataclasses import replace as replaced
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.ingest import build
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.build_task import run_task
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.storage import object_writer
from lazytile.pyramid.storage.memory import MemoryStorage
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.object_writer import ObjectWriter, StagingRoom, object_file
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.ingest.test_time_shards import source
from tests.pyramid.storage.test_object_stores import STORAGES, codes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.ingest.build import Progress
    from lazytile.pyramid.ingest.build_task import Task, TaskResult

ROWS, COLS = 1100, 700


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have many tasks, in two stages: blocks of 512 x 700 cells of one step."""
    monkeypatch.setattr("lazytile.pyramid.store.layout.MAX_BLOCK_BYTES", 1 << 19)
    monkeypatch.setattr("lazytile.pyramid.store.layout.TARGET_BLOCK_BYTES", 1 << 19)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a source, and one with later steps."""
    folder = tmp_path_factory.mktemp("sources")
    return source(folder / "a.nc", range(3), ROWS, COLS), source(folder / "b.nc", range(3, 5), ROWS, COLS)


def objects_of(place: str) -> dict[str, bytes]:
    """Return the objects of the dataset's generations, by their names below them."""
    root = location(place)
    assert isinstance(root, ObjectPath)
    dataset = root / "d.zarr"
    start = len(dataset.key) + 1
    return {
        entry.key[start:].partition("/")[2]: (dataset / entry.key[start:]).read_bytes()
        for entry in dataset.storage.list(dataset.key)
    }


def files_of(store: Path) -> dict[str, bytes]:
    folder = store / "d.zarr"
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("kind", STORAGES)
def test_the_objects_are_the_files_of_a_folder(
    tmp_path: Path, place_of: Callable[[str], str], files: tuple[Path, Path], kind: str
) -> None:
    place = place_of("memory")
    for store in (place, tmp_path / "s"):
        convert(files[0], store, "d", storage=STORAGES[kind])
        append(files[1], store, "d")
    ours, theirs = objects_of(place), files_of(tmp_path / "s")
    assert ours.keys() == theirs.keys()
    for name in theirs:
        if "/t/c/" in name:
            assert ours[name] == theirs[name], name
    assert codes_of(place) == codes_of(tmp_path / "s")
    assert verify(place, "d").problems == ()
    staged = [each for each in staging_folder(location(place)).rglob("*") if each.is_file()]
    assert staged == []


@pytest.mark.parametrize("kind", STORAGES)
def test_a_run_goes_on_where_storage_was_lost(
    place_of: Callable[[str], str], files: tuple[Path, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("memory")
    convert(files[0], place, "whole", storage=STORAGES[kind])
    run: list[str] = []

    def counted(task: Task) -> TaskResult:
        run.append(task.key)
        return run_task(task)

    def lose(done: Progress) -> None:
        if done.done_tasks == 5:
            raise StorageError("the bucket is lost")

    monkeypatch.setattr(build, "run_task", counted)
    with pytest.raises(StoreUnavailableError, match="the bucket is lost"):
        convert(files[0], place, "d", storage=STORAGES[kind], progress=lose)
    (journal,) = staging_folder(location(place)).glob(".d.zarr.partial-*/.journal")
    done = {json.loads(line)["task"] for line in journal.read_bytes().splitlines()}
    assert len(done) == 5
    run.clear()
    totals: list[int] = []
    convert(files[0], place, "d", storage=STORAGES[kind], progress=lambda each: totals.append(each.total_tasks))
    assert len(run) == totals[-1] - len(done)
    assert not done & set(run)
    assert codes_of(place, "d") == codes_of(place, "whole")
    assert verify(place, "d").problems == ()


def test_a_build_that_fails_leaves_nothing(place_of: Callable[[str], str], files: tuple[Path, Path]) -> None:
    place = place_of("memory")

    def fail(done: Progress) -> None:
        if done.done_tasks == 3:
            raise ValueError("the source is damaged")

    with pytest.raises(ValueError, match="the source is damaged"):
        convert(files[0], place, "d", progress=fail)
    assert objects_of(place) == {}
    assert Store(location(place)).names() == []


def test_large_shards_wait_for_room_in_the_staging_folder(
    place_of: Callable[[str], str], files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("memory")
    storage = Storage(Codec("none", 0), shard=2, shard_steps=3)
    monkeypatch.setattr(object_writer, "IN_MEMORY_BYTES", 1000)
    options = StorageOptions.current()
    process.current().replace(StorageOptions, replaced(options, staging_bytes=1000))
    with pytest.raises(StoreError, match="LAZYTILE_STORAGE_STAGING_BYTES allows 1000: raise it"):
        convert(files[0], place, "d", storage=storage)
    assert objects_of(place) == {}


def test_the_room_is_never_exceeded(place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = location(place_of("memory"))
    assert isinstance(place, ObjectPath)
    monkeypatch.setattr(object_writer, "IN_MEMORY_BYTES", 10)
    options = StorageOptions.current()
    process.current().replace(StorageOptions, replaced(options, staging_bytes=250))
    used: list[int] = []
    held = 0
    lock = threading.Lock()

    def write(number: int) -> None:
        nonlocal held
        with object_file(place / str(number), 100) as file:
            with lock:
                held += 100
                used.append(held)
            file.write(bytes([number]) * 100)
            with lock:
                held -= 100

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert max(used) <= 250
    for number in range(8):
        assert (place / str(number)).read_bytes() == bytes([number]) * 100

    def fail() -> None:
        with object_file(place / "broken", 100) as file:
            file.write(b"some")
            raise ValueError("the source is damaged")

    with pytest.raises(ValueError, match="is damaged"):
        fail()
    assert not (place / "broken").exists()
    with StagingRoom.current().taken(place, 250):
        pass


def test_a_writer_raises_what_failed_before(place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = location(place_of("memory"))
    assert isinstance(place, ObjectPath)

    def refuse(*_: object, **__: object) -> str:
        raise StorageError("the bucket is lost")

    with ObjectWriter() as objects:
        objects.put(place / "a", b"1")
    assert (place / "a").read_bytes() == b"1"
    monkeypatch.setattr(MemoryStorage, "put", refuse)
    with pytest.raises(StorageError, match="the bucket is lost"), ObjectWriter() as objects:
        objects.put(place / "b", b"1")


@pytest.mark.parametrize("name", ["0/zarr.json", "0/time/zarr.json", "0/time/c/0"])
def test_an_append_during_another_says_so(
    files: tuple[Path, Path], place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = location(place_of("memory"))
    assert isinstance(root, ObjectPath)
    convert(files[0], root, "d")
    real, others = root.storage.get, []

    def get(key: str, limit: int | None = None) -> object:
        if key.endswith(f"/{name}") and not others:
            others.append(key)
            append(files[1], root, "d", replace_steps=True)
        return real(key, limit)

    monkeypatch.setattr(root.storage, "get", get)
    with pytest.raises(StoreError, match="dataset d was changed meanwhile"):
        append(files[1], root, "d")
    assert others
    assert verify(root, "d").problems == ()


def test_metadata_that_is_lost_is_named(files: tuple[Path, Path], place_of: Callable[[str], str]) -> None:
    root = location(place_of("memory"))
    assert isinstance(root, ObjectPath)
    convert(files[0], root, "d")
    lost = Store(root).dataset("d").path / "0/time/zarr.json"
    assert isinstance(lost, ObjectPath)
    lost.storage.delete([lost.key])
    with pytest.raises(StoreError, match=r"metadata is missing: .*0/time/zarr.json does not exist"):
        append(files[1], root, "d")
