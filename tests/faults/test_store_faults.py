"""Damaged, replaced and removed stored data, under a server process: right or an error, never a wrong byte."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.store.verify import verify
from tests.faults.server import compare, heal_time_s, serving, tile_paths, undisturbed, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


DAMAGES = (flip, truncate, zero, empty, remove, swap_with_neighbour, take_another_step, take_another_level)


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
    table_row(f"{name}: {damage.__name__}", "a file of level 0", "500 until repaired", heal_s, first, second)


def assert_reported(server: ServerProcess, name: str) -> None:
    """Assert that /readyz, the log and the metrics name the damage, and the log does so once a chunk."""
    (condition,) = server.conditions()
    assert condition["key"] == f"dataset {name}"
    assert condition["ready"] is True
    assert "of t at level 0 is damaged: " in condition["problem"]
    lines = [line for line in server.log().splitlines() if "is damaged" in line]
    assert 1 <= len(lines) <= 8
    assert len(lines) == len({line.partition("chunk ")[2].split(" ")[0] for line in lines})
    assert f"dataset {name}: chunk 1/" in lines[0]
    assert server.counter("lazytile_damaged_chunks_total") > len(lines)


def verify_fails(store: Path, name: str) -> bool:
    return any("0/t/c/1/0" in line for line in verify(store, name).problems)


@pytest.mark.parametrize("name", ["files", "shards"])
@pytest.mark.parametrize("damage", [flip, truncate, zero, empty, remove, damage_index])
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
        assert server.conditions() == []
        assert server.counter("lazytile_rebuilt_chunks_total") > 0
        assert "it was computed again from level 0" in server.log()
    touched = [path for path in files if path.parts[-3] == "1"]
    assert {path: path.read_bytes() for path in touched} == {path: sound[path] for path in touched}
    table_row(f"{name}: overview {damage.__name__}", "every file of levels 1 and 2", "nothing: rebuilt", 0.0, seen)
