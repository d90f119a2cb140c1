"""The disk tier holds bytes only, is private and bounded, and its failures never fail a request."""

import hashlib
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lazytile.service.http.errors import CacheError
from lazytile.service.tiles.disk_cache import BytesDisk, DiskTier


def key(text):
    return hashlib.sha256(str(text).encode()).hexdigest()


@pytest.fixture
def tier(tmp_path):
    tier = DiskTier(tmp_path / "cache", 16 << 20)
    yield tier
    tier.close()


def shards(tier):
    return sorted(tier.folder.glob("*/cache.db"))


def on_every_shard(tier, statement, *values):
    for path in shards(tier):
        connection = sqlite3.connect(path)
        connection.execute(statement, values)
        connection.commit()
        connection.close()


def test_tiles_come_back(tier):
    tiles = {key(n): bytes([n]) * n * 1000 for n in range(1, 100, 7)}
    tier.put(tiles, "a:1")
    assert {name: tier.get(name) for name in tiles} == tiles
    assert tier.get(key("other")) is None


def test_the_folder_is_its_owners_alone(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    DiskTier(folder, 1 << 20).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "tiles-1").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="needs a folder of its own"):
        DiskTier(tmp_path / "file", 1 << 20)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("/tmp/lazytile-must-not-exist",)


@pytest.mark.parametrize("value", ["text", 1, 1.5, None, Bomb(), bytearray(b"x")])
def test_only_bytes_go_in(tmp_path, value):
    with pytest.raises(CacheError):
        BytesDisk(str(tmp_path)).store(value, False)


@pytest.mark.parametrize("bad", [b"bytes", 1, ("a",), "short", key(1).upper(), Bomb()])
def test_only_hashes_are_keys(tmp_path, bad):
    with pytest.raises(CacheError):
        BytesDisk(str(tmp_path)).put(bad)


def test_a_stored_key_is_read_only_if_it_is_no_pickle(tmp_path):
    disk = BytesDisk(str(tmp_path))
    name, raw = disk.put(key("x"))
    assert disk.get(name, int(raw)) == key("x")
    for stored, mark in ((pickle.dumps(Bomb()), 0), (name, 0), (name, 2), (pickle.dumps(Bomb()), 1)):
        with pytest.raises(CacheError, match="a key that we did not write"):
            disk.get(stored, mark)


def test_a_planted_pickle_is_not_loaded(tier):
    name = key("x")
    tier.put({name: b"tile"}, "a:1")
    bomb = pickle.dumps(Bomb())
    for mode in (4, 3, 2, 9):
        on_every_shard(tier, "UPDATE Cache SET mode = ?, value = ?", mode, bomb)
        assert tier.get(name) is None
    on_every_shard(tier, "UPDATE Cache SET raw = 0, key = ?", bomb)
    assert tier.get(name) is None
    assert tier.drop("a:1") == 1
    assert not Path("/tmp/lazytile-must-not-exist").exists()


def test_a_planted_path_is_not_read(tier, tmp_path):
    name = key("x")
    tier.put({name: b"tile"}, "a:1")
    (tmp_path / "secret").write_bytes(b"secret")
    for path in ("../../../secret", str(tmp_path / "secret"), "aa/bb/../../../../../secret"):
        on_every_shard(tier, "UPDATE Cache SET mode = 2, value = NULL, filename = ?", path)
        assert tier.get(name) is None


def test_a_changed_tile_is_a_miss(tier):
    name = key("x")
    tier.put({name: b"tile" * 100}, "a:1")
    on_every_shard(tier, "UPDATE Cache SET value = ?", b"1234tile")
    assert tier.get(name) is None
    assert tier.errors == 1
    tier.put({name: b"new"}, "a:1")
    assert tier.get(name) == b"new"


def test_a_generation_is_dropped(tier):
    tier.put({key(1): b"1", key(2): b"2"}, "a:1")
    tier.put({key(3): b"3"}, "a:2")
    assert tier.drop("a:1") == 2
    assert (tier.get(key(1)), tier.get(key(3))) == (None, b"3")


def test_size_is_bounded(tmp_path):
    tier = DiskTier(tmp_path / "cache", 8 << 20)
    for n in range(1000):
        tier.put({key(n): os.urandom(50_000)}, "a:1")
    stored = sum(path.stat().st_size for path in tier.folder.rglob("*") if path.is_file())
    assert stored < 30 << 20  # the limit, and up to 4 MB of log for each shard; all would be 50 MB
    assert sum(tier.get(key(n)) is not None for n in range(1000)) <= 170
    assert tier.get(key(999)) is not None
    tier.close()


@pytest.mark.parametrize("damage", [b"", b"rubbish" * 1000])
def test_damaged_files_are_begun_anew(tmp_path, damage, caplog):
    tier = DiskTier(tmp_path / "cache", 1 << 20)
    tier.put({key(1): b"tile"}, "a:1")
    tier.close()
    for path in shards(tier):
        path.write_bytes(damage)
    again = DiskTier(tmp_path / "cache", 1 << 20)
    assert again.get(key(1)) is None
    again.put({key(1): b"tile"}, "a:1")
    assert again.get(key(1)) == b"tile"
    again.close()


def test_files_that_go_bad_while_open_are_misses(tier):
    tier.put({key(n): b"tile" * 5000 for n in range(200)}, "a:1")
    tier.close()
    for path in shards(tier):
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
    for path in tier.folder.glob("*/cache.db-*"):
        path.unlink()
    tier.get(key(1))
    tier.put({key(1): b"other"}, "a:1")
    assert tier.drop("a:1") >= 0


WRITER = """
import hashlib, sys
from pathlib import Path
from lazytile.service.tiles.disk_cache import DiskTier
tier = DiskTier(Path(sys.argv[1]), 64 << 20)
print("open", flush=True)
for n in range(1_000_000):
    data = bytes([n % 256]) * (1000 + n % 97 * 1000)
    tier.put({hashlib.sha256(str(n).encode()).hexdigest(): data}, "a:1")
"""


def test_a_writer_killed_at_any_moment_leaves_whole_tiles(tmp_path):
    for wait_s in (0.05, 0.2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "cache")], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"open\n"
        time.sleep(wait_s)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        tier = DiskTier(tmp_path / "cache", 64 << 20)
        found = [(n, tier.get(key(n))) for n in range(200)]
        assert any(data for _, data in found)
        for n, data in found:
            assert data in (None, bytes([n % 256]) * (1000 + n % 97 * 1000))
        assert tier.errors == 0
        tier.close()
