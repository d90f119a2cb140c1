"""Lazy overviews in object storage: made by whoever reads them first, kept with their checksums, right after faults."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.storage.memory import MemoryStorage
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.ingest.test_time_shards import source
from tests.pyramid.storage.conftest import REMOTE
from tests.pyramid.storage.test_object_stores import codes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.s3 import S3Server

LAZY = Storage(Codec("zstd", 1), lazy=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source of two steps, whose pyramid has three levels."""
    return source(tmp_path_factory.mktemp("source") / "a.nc", range(2), 600, 500)


@pytest.fixture(scope="module")
def right(file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, ...], bytes]:
    """Return the codes of the same dataset with all overviews in a folder."""
    store = tmp_path_factory.mktemp("local")
    convert(file, store, "d")
    return codes_of(store)


def generation(place: str) -> ObjectPath:
    found = dataset_folder(location(place), "d")
    assert isinstance(found, ObjectPath)
    return found


def overviews(place: str) -> set[str]:
    """Return the names of all objects of overviews, and of their checksums."""
    path = generation(place)
    names = (entry.key[len(path.key) + 1 :] for entry in path.storage.list(path.key))
    return {name for name in names if name[0] in "12" and ("/t/c/" in name or "/t/checksums/" in name)}


def codes_anew(place: str) -> dict[tuple[int, ...], bytes]:
    """Return all codes as a process that has read nothing finds them; the storage stays."""
    for name in ("chunks", "digests"):
        process.cache(name).clear()
    return codes_of(place)


@pytest.mark.parametrize("where", REMOTE)
def test_overviews_are_made_once_and_kept(
    file: Path, right: dict[tuple[int, ...], bytes], place_of: Callable[[str], str], where: str
) -> None:
    place = place_of(where)
    convert(file, place, "d", storage=LAZY)
    assert overviews(place) == set()
    assert verify(place, "d").problems == ()
    assert codes_of(place) == right
    made = {
        f"{level}/t/{name}"
        for level, rows, cols in ((1, 2, 1), (2, 1, 1))
        for step in range(2)
        for row, col in np.ndindex(rows, cols)
        for name in (f"c/{step}/{row}/{col}", f"checksums/{step}/{row}.{col}")
    }
    assert overviews(place) == made
    found = verify(place, "d")
    assert (found.problems, found.unknown) == ((), 0)
    assert found.files == len(right)


def test_what_is_kept_is_not_made_again(file: Path, place_of: Callable[[str], str], s3: S3Server) -> None:
    place = place_of("s3")
    convert(file, place, "d", storage=LAZY)
    before = codes_of(place)
    s3.requests.clear()
    assert codes_anew(place) == before
    assert [method for method, _ in s3.requests if method != "GET"] == []


HARMS = ("no checksum", "damaged checksum", "short checksum", "foreign checksum", "no chunk", "damaged chunk")


@pytest.mark.parametrize("harm", [*HARMS, "foreign chunk", "other compression"])
def test_a_chunk_is_believed_only_with_its_checksum(
    file: Path, right: dict[tuple[int, ...], bytes], place_of: Callable[[str], str], harm: str
) -> None:
    place = place_of("memory")
    convert(file, place, "d", storage=LAZY)
    codes_of(place)
    chunk, checksum = generation(place) / "1/t/c/1/1/0", generation(place) / "1/t/checksums/1/1.0"
    storage, data, entry = chunk.storage, chunk.read_bytes(), checksum.read_bytes()
    match harm:
        case "no checksum":
            storage.delete([checksum.key])
        case "damaged checksum":
            storage.put(checksum.key, entry[:-1] + bytes([entry[-1] ^ 1]))
        case "short checksum":
            storage.put(checksum.key, entry[:9])
        case "foreign checksum":
            storage.put(checksum.key, (generation(place) / "1/t/checksums/0/1.0").read_bytes())
        case "no chunk":
            storage.delete([chunk.key])
        case "damaged chunk":
            storage.put(chunk.key, data[:-1] + bytes([data[-1] ^ 1]))
        case "foreign chunk":
            storage.delete([checksum.key])
            storage.put(chunk.key, (generation(place) / "1/t/c/0/1/0").read_bytes())
        case _:
            storage.delete([checksum.key])
            codes = np.frombuffer(right[1, 1, 1, 0], "<i2")
            data = Codec("zstd", 19).encode(codes)
            storage.put(chunk.key, data)
    assert codes_anew(place) == right
    assert codes_anew(place) == right
    assert verify(place, "d").problems == ()
    assert chunk.read_bytes() == data
    assert (checksum.read_bytes() == entry) == (harm != "other compression")


def test_an_append_keeps_what_was_made(
    file: Path, place_of: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("memory")
    for store in (place, tmp_path / "s"):
        convert(file, store, "d", storage=LAZY)
    codes_of(place)
    made = overviews(place)
    later = source(tmp_path / "b.nc", [2], 600, 500)
    for store in (place, tmp_path / "s"):
        append(later, store, "d")
    assert overviews(place) == made
    assert codes_of(place) == codes_of(tmp_path / "s")
    assert overviews(place) > made
    assert verify(place, "d").problems == ()


def test_where_nothing_can_be_written_overviews_are_served_all_the_same(
    file: Path, right: dict[tuple[int, ...], bytes], place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("memory")
    convert(file, place, "d", storage=LAZY)

    def refuse(*_: object, **__: object) -> str:
        raise StorageError("the bucket is read only")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStorage, "put", refuse)
        assert codes_of(place) == right
        assert [each.problem for each in Conditions.current().all()] == [
            "overviews are computed, but not stored: the bucket is read only"
        ]
    assert overviews(place) == set()
    assert codes_anew(place) == right
    assert Conditions.current().all() == ()


READ = """
import sys
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.store import Store
opened = Store(location(sys.argv[1])).dataset("d")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2):
    for step in range(2):
        opened.chunk(2, "t", (step,), 0, 0)
"""


def test_two_processes_that_make_the_same_overviews_do_no_harm(
    file: Path, right: dict[tuple[int, ...], bytes], place_of: Callable[[str], str]
) -> None:
    place = place_of("s3")
    convert(file, place, "d", storage=LAZY)
    readers = [
        subprocess.Popen([sys.executable, "-c", READ, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in readers:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in readers:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.close()
    assert [each.wait(60) for each in readers] == [0, 0]
    for each in readers:
        assert each.stdout is not None
        each.stdout.close()
    assert len(overviews(place)) == 2 * 2 * 3
    assert codes_anew(place) == right
    process.install(CacheBudget.renderer(64 << 20))
    assert Store(location(place)).dataset("d").description.lazy
    assert verify(place, "d").problems == ()
