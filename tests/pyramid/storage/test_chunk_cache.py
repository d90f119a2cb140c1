"""The cache of chunks on disk: bounded, checked, and no source of wrong bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.storage.chunk_cache import ChunkCache
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.ingest.test_append import source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_it_stays_below_its_limit_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = ChunkCache(tmp_path, 1_000_000)
    for number in range(100):
        cache.put(str(number), bytes([number]) * 20_000)
        os.utime(max(files_of(tmp_path), key=lambda path: path.stat().st_mtime_ns), (number + 1, number + 1))
        assert sum(path.stat().st_size for path in files_of(tmp_path)) <= 1_000_000
    assert cache.get("99") == bytes([99]) * 20_000
    assert cache.get("0") is None
    cache.put("large", bytes(200_000))
    assert cache.get("large") is None


@pytest.mark.parametrize("damage", [b"", b"ab", b"\0" * 104])
def test_a_damaged_copy_is_none(tmp_path: Path, damage: bytes) -> None:
    cache = ChunkCache(tmp_path, 1 << 20)
    cache.put("a", b"x" * 100)
    (file,) = files_of(tmp_path)
    file.write_bytes(damage)
    assert cache.get("a") is None
    cache.put("a", b"x" * 100)
    assert cache.get("a") == b"x" * 100


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ChunkCache(tmp_path / "file", 1 << 20)
    cache.put("a", b"x")
    assert cache.get("a") is None


@pytest.mark.parametrize("shard", [0, 2])
def test_chunks_come_from_it_and_damage_is_found_past_it(
    tmp_path: Path, place_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_CACHE", str(tmp_path / "cache"))
    place = place_of("file")
    convert(source(tmp_path / "a.nc", 0), place, "d", storage=Storage(Codec("zstd", 3), shard=shard))

    def chunk() -> bytes:
        process.install(CacheBudget.renderer(64 << 20))
        return Store(location(place)).dataset("d").chunk(0, "t", (0,), 2, 2).tobytes()

    first = chunk()
    (copy,) = files_of(tmp_path / "cache")
    assert chunk() == first
    path = Store(location(place)).dataset("d").path / ("0/t/c/0/1/1" if shard else "0/t/c/0/2/2")
    assert isinstance(path, ObjectPath)
    whole = path.read_bytes()
    if not shard:
        path.storage.delete([path.key])
        assert chunk() == first, "the copy serves"
        path.storage.put(path.key, whole)
    # A copy that was wrong from the start has a checksum that fits, and is not believed all the same.
    ChunkCache(tmp_path / "other", 1 << 20).put("x", b"wrong")
    (wrong,) = files_of(tmp_path / "other")
    copy.write_bytes(wrong.read_bytes())
    assert chunk() == first
    assert not copy.exists()
