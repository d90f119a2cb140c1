"""Verification reports every kind of damage by path; removal happens in one step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.chunks.whole_table import encode_table, read_table
from lazytile.pyramid.core.errors import DatasetNotFoundError, SourceError, StoreError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.chunk_file import ChunkFolder
from lazytile.pyramid.store.chunk_reader import folder_reader, level_digests
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.publish import remove, staged
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from lazytile.service.cli import main
from tests import data
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.service.harness import running
from tests.stores import drop, flip, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores import StorePlace

LZ4 = Codec("blosc-lz4", 5)
STORAGES = {"usual": Storage(), "sharded": Storage(Codec("zstd", 1), shard=2), "lazy": Storage(lazy=True)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    codes = np.random.default_rng(3).integers(0, 500, (2, 700, 900)).astype("int16")
    codes[:, 256:512, :256] = -1
    steps = {"time": ([0, 1], TIME)}
    return write_grid(tmp_path / "in.nc", codes, centres(70, -0.1, 700), centres(0, 0.1, 900), leading=steps, fill=-1)


@pytest.mark.parametrize("kind", STORAGES)
def test_a_written_dataset_is_sound(source: Path, place: StorePlace, kind: str) -> None:
    convert(source, place.root, "d", storage=STORAGES[kind])
    found = verify(place.root, "d")
    assert found.problems == ()
    files = {"usual": 2 * (3 * 4 + 2 * 2 + 1), "sharded": 2 * (3 * 4 + 2 * 2 + 1), "lazy": 2 * 3 * 4}
    assert (found.files, found.unknown) == (files[kind], 0)
    assert found.chunks == (0 if kind == "lazy" else 2 * (2 * 2 + 1))


def test_damage_is_found_by_path(source: Path, tmp_path: Path, place: StorePlace) -> None:
    dataset = convert(source, place.root, "d")
    folder = place.dataset()
    flipped, missing, extra, stale = (
        folder / f"{path}" for path in ("0/t/c/0/0/1", "0/t/c/1/2/2", "0/t/c/0/1/0", "1/t/c/1/0/0")
    )
    flip(flipped, len(flipped.read_bytes()) // 2)
    drop(missing)
    put(extra, b"x")
    # A sound chunk with its checksum that differs from what the finer level gives.
    codes = folder_reader(ChunkFolder(str(folder / "1/t/c"), "int16", (256, 256), -1, LZ4)).read((1,), 0, 0).copy()
    codes[7, 7] += 1
    digest = ChunkFolder(str(tmp_path), "int16", (256, 256), -1, LZ4).write((1, 0, 0), codes)
    put(stale, (tmp_path / "1/0/0").read_bytes())
    plane = level_digests(folder / "1/t", dataset, "t", 1).plane((1,))
    digests, valid = read_table(plane)
    assert valid.all()
    digests[0, 0] = digest.size, digest.crc
    put(plane.file, encode_table(plane, digests))
    problems = verify(place.root, "d").problems
    by_path = {line.partition(": ")[0]: line for line in problems}
    assert "damaged, its checksum differs from the one recorded" in "".join(
        line for line in problems if line.startswith(f"{flipped}:")
    )
    assert "missing or empty" in by_path[str(missing)]
    assert "this file should not exist" in "".join(line for line in problems if line.startswith(f"{extra}:"))
    assert "differs from what level 0 gives" in by_path[str(stale)]


def test_shards_that_end_early_are_damaged_and_no_failure_of_the_storage(source: Path, place: StorePlace) -> None:
    convert(source, place.root, "d", storage=STORAGES["sharded"])
    folder = place.dataset()
    empty, short = folder / "0/t/c/0/0/1", folder / "0/t/c/1/0/0"
    put(empty, b"")
    put(short, short.read_bytes()[:1000])
    lines = verify(place.root, "d").problems
    for path in (empty, short):
        assert [line for line in lines if f"{path}: the checksum of the shard's index is wrong" in line], lines


def test_missing_metadata_and_checksums_are_found(source: Path, place: StorePlace) -> None:
    convert(source, place.root, "d")
    folder = place.dataset()
    drop(folder / "0/t/checksums/1")
    document = json.loads((folder / "1/t/zarr.json").read_text())
    document["shape"][0] = 3
    put(folder / "1/t/zarr.json", json.dumps(document).encode())
    problems = "\n".join(verify(place.root, "d").problems)
    assert f"{folder / '0/t'}: the checksums of step (1,) are missing" in problems
    assert f"{folder / '1/t/zarr.json'}: it is [3, 350, 450] of int16, expected [2, 350, 450] of int16" in problems


def test_a_dataset_of_an_older_version_is_checked_level_by_level(tmp_path: Path) -> None:
    data.CATALOGUE["odd_sizes"]().write(tmp_path)
    found = verify(tmp_path, "odd_sizes")
    assert found.problems == ()
    assert found.files == 0
    assert found.unknown
    assert found.chunks


def test_the_exit_code_of_the_command(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "s"
    convert(source, store, "d")
    assert main.run(["verify", "d", "--store", str(store), "--engine", "threads"]) == 0
    assert "34 checksums compared, 10 overview chunks computed again: all is well" in capsys.readouterr().out
    chunk = store / "d.zarr/2/t/c/0/0/0"
    chunk.write_bytes(b"")
    assert main.run(["verify", "d", "--store", str(store), "--engine", "threads"]) == 2
    assert str(chunk) in capsys.readouterr().out
    assert main.run(["verify", "e", "--store", str(store)]) == 2
    assert main.run(["remove", "d", "--store", str(store)]) == 0
    assert list(store.iterdir()) == []
    assert main.run(["remove", "d", "--store", str(store)]) == 2
    assert "has no dataset 'd'" in capsys.readouterr().err


def test_append_and_storage_on_the_command_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "s")]
    later = write_grid(
        tmp_path / "later.nc",
        np.ones((1, 700, 900), "int16"),
        centres(70, -0.1, 700),
        centres(0, 0.1, 900),
        leading={"time": ([5], TIME)},
        fill=-1,
    )
    assert main.run(["convert", str(source), "--name", "d", "--codec", "zstd:1", "--shard", "2", *store]) == 0
    assert main.run(["append", str(later), "d", *store]) == 0
    assert "3 time steps, the last 2001-01-06T00:00:00Z" in capsys.readouterr().out
    assert main.run(["append", str(later), "d", *store]) == 2
    assert "already has 2001-01-06T00:00:00Z; --replace-steps" in capsys.readouterr().err
    assert main.run(["append", str(later), "d", "--replace-steps", *store]) == 0
    assert main.run(["verify", "d", *store]) == 0
    assert main.run(["convert", str(source), "--codec", "lzma", *store]) == 2
    assert main.run(["convert", str(source), "--lazy", "--shard", "2", *store]) == 2
    described = Store(tmp_path / "s").dataset("d").description
    assert (described.codec, described.shard) == ("zstd:1", 2)


def test_a_running_server_no_longer_finds_a_removed_dataset(source: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    convert(source, store, "d")
    convert(source, store, "e")
    with running(store, tmp_path / "cache") as server:
        assert server.get("/xyz/d/0/0/0.png").status == 200
        remove(store, "d")
        assert server.get("/xyz/d/0/0/0.png").status in (400, 404)
        assert (
            "<ows:Identifier>d</ows:Identifier>"
            not in server.get("/wmts?request=GetCapabilities&service=WMTS").body.decode()
        )
        assert server.get("/xyz/e/0/0/0.png").status == 200


def test_a_dataset_that_is_being_written_is_not_removed(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path, "d")
    with staged(tmp_path, "d") as staging:
        (staging.folder / "zarr.json").write_text("{}")
        with pytest.raises(StoreError, match="is writing dataset d"):
            remove(tmp_path, "d")
    for name in ("x", "../s", ""):
        with pytest.raises(DatasetNotFoundError):
            remove(tmp_path, name)


@pytest.mark.parametrize("harm", ["flipped", "truncated", "missing", "swapped"])
def test_damage_of_a_coordinate_is_found_and_moves_no_picture(source: Path, place: StorePlace, harm: str) -> None:
    """Servers know times from the description; other readers take them from the array, and so does an append."""
    before = convert(source, place.root, "d")
    chunk = place.dataset() / "0" / "time" / "c" / "0"
    if harm == "flipped":
        flip(chunk, -1)
    elif harm == "truncated":
        put(chunk, chunk.read_bytes()[:-3])
    elif harm == "missing":
        drop(chunk)
    else:
        put(chunk, (place.dataset() / "0" / "lat" / "c" / "0").read_bytes())
    (problem,) = verify(place.root, "d").problems
    assert problem.startswith(f"{place.dataset() / '0' / 'time'}: it")
    assert Store(place.root).dataset("d").description.variables[0].time == before.variables[0].time
    with pytest.raises(SourceError, match="coordinate time in level 0 is damaged: it"):
        append(source, place.root, "d", replace_steps=True)
    assert Store(place.root).dataset("d").description == before


@pytest.mark.parametrize("place", ["folder", "memory"], indirect=True)
def test_coordinates_without_checksums_are_those_of_older_versions(source: Path, place: StorePlace) -> None:
    convert(source, place.root, "d")
    for name in tables_of(place):
        drop(place.dataset() / name)
    assert verify(place.root, "d").problems == ()
    append(source, place.root, "d", replace_steps=True)
    assert verify(place.root, "d").problems == ()
    assert len(tables_of(place)) == 3


def tables_of(place: StorePlace) -> list[str]:
    """Return the tables of checksums of the coordinate of time."""
    return [name for name in place.files() if name.endswith("/time/checksums/plane")]
