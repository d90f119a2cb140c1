"""Damaged, replaced and removed stored data, under a server process: right or an error, never a wrong byte."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.publish import remove as remove_dataset
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.faults.server import compare, heal_time_s, load, serving, tile_paths, undisturbed, wait_for
from tests.faults.stores import STORAGES, copy_store, write_source
from tests.pyramid.chunks.bombs import BOMBS
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.server import ServerProcess, Truth

ZOOMS = range(4)
SERIES = "/numbers/{}/series?lon=10&lat=20"


@pytest.fixture(scope="module")
def truths(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    """The replies of an undisturbed server about each dataset."""
    folder = tmp_path_factory.mktemp("truth")
    names = ("files", "shards")
    paths = [path for name in names for path in (*tile_paths(name, ZOOMS), SERIES.format(name))]
    found = undisturbed(sound_store, folder, paths, "--no-tile-cache")
    return {name: {path: reply for path, reply in found.items() if f"/{name}/" in path} for name in names}


def flip(path: Path) -> None:
    """Flip one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def swap_with_neighbour(path: Path) -> None:
    other = path.with_name("3" if path.name == "0" and (path.parent / "3").exists() else "1")
    mine, its = path.read_bytes(), other.read_bytes()
    path.write_bytes(its)
    other.write_bytes(mine)


def take_another_step(path: Path) -> None:
    path.write_bytes((path.parent.parent.parent / "0" / path.parent.name / path.name).read_bytes())


def take_another_level(path: Path) -> None:
    path.write_bytes((path.parents[5] / "1" / "t" / "c" / "1" / "0" / "0").read_bytes())


def damage_index(path: Path) -> None:
    """Flip one bit in the index of a shard."""
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


DONE = {
    flip: "flipped",
    truncate: "truncated",
    zero: "zeroed",
    empty: "emptied",
    remove: "missing",
    swap_with_neighbour: "swapped with its neighbour",
    take_another_step: "replaced by that of another time",
    take_another_level: "replaced by one of another level",
    damage_index: "with a flipped bit in its index",
}
"""What each damage has done, for the table."""
KINDS = {"files": "chunk", "shards": "shard"}
QUICK = (flip, remove, swap_with_neighbour)
LONG = tuple(
    pytest.param(damage, marks=pytest.mark.slow)
    for damage in (truncate, zero, empty, take_another_step, take_another_level)
)
DAMAGES = (*QUICK, *LONG)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_an_error_and_its_repair_is_noticed(
    store: Path,
    tmp_path: Path,
    truths: dict[str, Truth],
    damage: Callable[[Path], None],
    table_row: Callable[..., None],
) -> None:
    damaged_dataset(store, tmp_path, truths["files"], "files", damage, table_row)


@pytest.mark.parametrize("damage", [*DAMAGES, damage_index])
def test_a_damaged_shard_is_an_error_and_its_repair_is_noticed(
    store: Path,
    tmp_path: Path,
    truths: dict[str, Truth],
    damage: Callable[[Path], None],
    table_row: Callable[..., None],
) -> None:
    damaged_dataset(store, tmp_path, truths["shards"], "shards", damage, table_row)


def damaged_dataset(
    store: Path,
    tmp_path: Path,
    truth: Truth,
    name: str,
    damage: Callable[[Path], None],
    table_row: Callable[..., None],
) -> None:
    """Damage a file of level 0, request everything, repair it, and request everything again."""
    folder = store / f"{name}.zarr" / "0" / "t" / "c" / "1" / "0"
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    damage(folder / "0")
    with serving(store, tmp_path / "cache") as server:
        first, second = compare(server, truth), compare(server, truth)
        for seen in (first, second):
            assert seen.wrong == []
            assert seen.statuses == {500}
            assert seen.right
        assert_reported(server, name)
        assert verify_fails(store, name)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        heal_s = heal_time_s(server, truth)
        wait_for(lambda: server.conditions() == [])
        assert server.counter("lazytile_damaged_chunks_total") >= len(second.refused) // 2
    table_row(f"{KINDS[name]} {DONE[damage]}", "a file of level 0", "500 for what needs it", heal_s, first, second)


def assert_reported(server: ServerProcess, name: str) -> None:
    """Assert that /readyz, the log and the metrics name the damage, and the log does so once a chunk."""
    condition = server.condition("of t at level 0 is damaged: ", key=f"dataset {name}")
    assert condition["key"] == f"dataset {name}"
    assert condition["ready"] is True
    lines = [line for line in server.log().splitlines() if "is damaged" in line]
    assert 1 <= len(lines) <= 8
    assert len(lines) == len({line.partition("chunk ")[2].split(" ")[0] for line in lines})
    assert f"dataset {name}: chunk 1/" in lines[0]
    assert server.counter("lazytile_damaged_chunks_total") > len(lines)


def verify_fails(store: Path, name: str) -> bool:
    return any("0/t/c/1/0" in line for line in verify(store, name).problems)


@pytest.mark.parametrize("name", ["files", "shards"])
@pytest.mark.parametrize(
    "damage",
    [flip, remove, damage_index, *LONG[:3]],
)
def test_a_damaged_overview_is_computed_again(
    store: Path,
    tmp_path: Path,
    truths: dict[str, Truth],
    name: str,
    damage: Callable[[Path], None],
    table_row: Callable[..., None],
) -> None:
    if damage is damage_index and name == "files":
        pytest.skip("a chunk file has no index")
    files = [
        path for level in "12" for path in (store / f"{name}.zarr" / level / "t" / "c").rglob("*") if path.is_file()
    ]
    sound = {path: path.read_bytes() for path in files}
    for path in files:
        damage(path)
    with serving(store, tmp_path / "cache") as server:
        seen = compare(server, truths[name])
        assert (seen.wrong, seen.refused) == ([], [])
        wait_for(lambda: server.conditions() == [])
        assert server.counter("lazytile_rebuilt_chunks_total") > 0
        assert "it was computed again from level 0" in server.log()
    touched = [path for path in files if path.parts[-3] == "1"]
    assert {path: path.read_bytes() for path in touched} == {path: sound[path] for path in touched}
    table_row(
        f"overview, {KINDS[name]} {DONE[damage]}",
        "every file of levels 1 and 2",
        "right tiles: it is computed again",
        0.0,
        seen,
    )


CHANGING = tile_paths("files", range(3))


def other_source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "other.nc", seed=5)


@pytest.mark.parametrize("name", ["files", "shards"])
def test_a_dataset_replaced_under_load_is_the_old_or_the_new_one(
    store: Path, tmp_path: Path, name: str, table_row: Callable[..., None]
) -> None:
    paths = tile_paths(name, range(3))
    other = copy_store(store, tmp_path / "other")
    convert(other_source(tmp_path), other, name, storage=STORAGES[name])
    old, new = undisturbed(store, tmp_path / "a", paths), undisturbed(other, tmp_path / "b", paths)
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        with load(server, old, new) as during:
            for _ in range(3):
                convert(tmp_path / "other.nc", store, name, storage=STORAGES[name])
                convert(tmp_path / "store-source.nc", store, name, storage=STORAGES[name])
            convert(tmp_path / "other.nc", store, name, storage=STORAGES[name])
        assert during.right
        assert during.wrong == []
        assert during.statuses <= {503}
        heal_s = heal_time_s(server, new)
        wait_for(lambda: server.conditions() == [])
    fault = f"store replaced under load, {KINDS[name]}s"
    table_row(fault, "seven conversions over the dataset", "old or new tiles, 503 at most", heal_s, during)


def test_steps_appended_under_load_change_no_other(store: Path, tmp_path: Path, table_row: Callable[..., None]) -> None:
    first = "?time=2001-01-01"
    paths = [f"{path}{first}" for path in CHANGING]
    truth = undisturbed(store, tmp_path, paths)
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        with load(server, truth) as during:
            for number in range(3):
                append(write_step(tmp_path / f"step{number}.nc", 2 + number), store, "files")
        assert during.right
        assert (during.wrong, during.statuses - {503}) == ([], set())
        heal_s = heal_time_s(server, truth)
        wait_for(lambda: server.get(f"{CHANGING[0]}?time=2001-01-05").status == 200)
        wait_for(lambda: server.conditions() == [])
    assert verify(store, "files").problems == ()
    table_row("store appended under load", "three appended steps", "right tiles, 503 at most", heal_s, during)


@pytest.mark.parametrize("name", ["files", "shards"])
def test_a_dataset_removed_and_created_again_under_load(
    store: Path, tmp_path: Path, name: str, table_row: Callable[..., None]
) -> None:
    paths = tile_paths(name, range(3))
    truth = undisturbed(store, tmp_path, paths)
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        with load(server, truth) as during:
            for _ in range(3):
                remove_dataset(store, name)
                convert(tmp_path / "store-source.nc", store, name, storage=STORAGES[name])
                # Replies of 404 are held back when there are many: the next ones may come a while later.
                right = len(during.right)
                wait_for(lambda right=right: len(during.right) > right)
        assert during.wrong == []
        assert during.statuses <= {404, 503}
        heal_s = heal_time_s(server, truth)
        wait_for(lambda: server.conditions() == [])
    fault = f"store removed and re-created under load, {KINDS[name]}s"
    table_row(fault, "three times", "404, then right tiles", heal_s, during)


@pytest.mark.parametrize("name", ["gzip", "zstd without a size", "zstd", "blosc"])
def test_a_bomb_in_the_store_is_an_error_in_bounded_memory(
    store: Path, tmp_path: Path, truths: dict[str, Truth], name: str, table_row: Callable[..., None]
) -> None:
    """The dataset is of a version without checksums, so that the bytes reach the codec."""
    codec, make = BOMBS[name]
    settings = {"gzip": Codec("gzip", 6), "zstd": Codec("zstd", 3), "blosc": Codec("blosc-lz4", 5)}
    convert(tmp_path / "store-source.nc", store, "files", storage=Storage(settings[codec]))
    forget_checksums(store / "files.zarr")
    (store / "files.zarr/0/t/c/1/0/0").write_bytes(make())
    with serving(store, tmp_path / "cache") as server:
        before = peak_kib(server.pid)
        seen = compare(server, truths["files"])
        assert seen.wrong == []
        assert seen.statuses == {500}
        assert peak_kib(server.pid) - before < 200 << 10
        assert_reported(server, "files")
    table_row(f"bomb of {name}", "gigabytes in a chunk of 128 KiB", "500; memory as before", None, seen)


def test_a_read_only_store_gives_damaged_overviews_from_memory(
    store: Path, sound_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Store(sound_store).dataset("files").chunk(1, "t", (1,), 0, 0)
    (store / "files.zarr/1/t/c/1/0/0").unlink()
    before = {path for path in store.rglob("*") if path.is_file()}
    real = os.open

    def refuse(path: object, flags: int, *arguments: int, **named: int | None) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *arguments, **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", refuse)
    np.testing.assert_array_equal(Store(store).dataset("files").chunk(1, "t", (1,), 0, 0), wanted)
    assert {path for path in store.rglob("*") if path.is_file()} == before


def test_two_server_processes_rebuild_and_report_alike(
    store: Path, tmp_path: Path, truths: dict[str, Truth], table_row: Callable[..., None]
) -> None:
    for path in (store / "files.zarr/1/t/c/1").rglob("*"):
        if path.is_file():
            flip(path)
    with serving(store, tmp_path / "cache", "--workers", "2") as server:
        seen = compare(server, truths["files"])
        assert (seen.wrong, seen.refused) == ([], [])
    assert verify(store, "files").problems == ()
    table_row("overview flipped, two server processes", "every file of level 1", "right tiles", 0.0, seen)


@pytest.mark.slow
def test_a_dask_worker_finds_damage_and_the_front_reports_it(
    store: Path, tmp_path: Path, truths: dict[str, Truth], table_row: Callable[..., None]
) -> None:
    chunk = store / "files.zarr/0/t/c/1/0/0"
    kept = chunk.read_bytes()
    flip(chunk)
    for path in (store / "files.zarr/2/t/c").rglob("*"):
        if path.is_file():
            truncate(path)
    with serving(store, tmp_path / "cache", "--engine", "local", "--workers", "2") as server:
        seen = compare(server, truths["files"])
        assert seen.wrong == []
        assert seen.statuses == {500}
        assert server.condition("is damaged", key="dataset files")["key"] == "dataset files"
        wait_for(lambda: server.counter("lazytile_damaged_chunks_total") > 0)
        chunk.write_bytes(kept)
        heal_s = heal_time_s(server, truths["files"])
        wait_for(lambda: server.conditions() == [])
    table_row("chunk flipped, two Dask workers", "a file of level 0", "500 for what needs it", heal_s, seen)


def forget_checksums(dataset: Path) -> None:
    """Make a dataset one of format 1: no tables, and a description that knows none."""
    for folder in dataset.rglob("checksums"):
        shutil.rmtree(folder)
    path = dataset / "zarr.json"
    document = json.loads(path.read_text())
    described = document["attributes"]["lazytile"]
    del described["checked"], described["checksum"], document["attributes"]["lazytile_metadata_checksum"]
    described.update(format=1, codec="")
    path.write_text(json.dumps(document))


def write_step(path: Path, day: int) -> Path:
    """Write a source like ``write_source``'s with one later step."""
    random = np.random.default_rng(day)
    codes = random.integers(-8000, 8000, (1, 600, 1200)).astype("int16")
    return write_grid(
        path,
        codes,
        centres(90, -0.3, 600),
        centres(-180, 0.3, 1200),
        leading={"time": ([day], TIME)},
        fill=-32768,
        attributes={"units": "K", "scale_factor": 0.01},
    )


def peak_kib(pid: int) -> int:
    """Return the most memory that a process has had, in KiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])
