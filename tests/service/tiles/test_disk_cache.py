"""The disk tier holds bytes only, is private and bounded, and its failures never fail a request."""

import contextlib
import hashlib
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import diskcache
import pytest

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.http.errors import CacheError
from lazytile.service.tiles.bytes_disk import BytesDisk
from lazytile.service.tiles.disk_cache import DiskTier


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
    assert (folder / "tiles-2").stat().st_mode & 0o777 == 0o700


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


def test_a_row_under_another_key_is_a_miss(tier):
    """An index that points to another row hands out a whole tile, but not the one of the key."""
    tier.put({key(1): b"one", key(2): b"two"}, "a:1")
    on_every_shard(tier, "UPDATE Cache SET key = CASE key WHEN ? THEN 'x' ELSE key END", key(1))
    for path in shards(tier):
        with sqlite3.connect(path) as connection:
            (row,) = connection.execute("SELECT count(*) FROM Cache WHERE key = ?", (key(2),)).fetchone()
            connection.execute("UPDATE Cache SET key = ? WHERE key = ?", (key(3), key(2)))
            if row:
                holder = path
        connection.close()
    other = next(name for name in map(key, range(4, 1000)) if tier._shard_of(name).folder == holder.parent)
    on_every_shard(tier, "UPDATE Cache SET key = ? WHERE key = ?", other, key(3))
    assert tier.get(other) is None
    assert tier.errors == 1


def test_flipped_bytes_give_no_wrong_tile(tmp_path):
    """One byte of the database after the other is changed, open or closed: a tile is right, or it is a miss."""
    random = Random(1)
    tiles = {key(n): random.randbytes(random.randrange(1, 9000)) for n in range(60)}
    found = Counter()
    for number in range(24):
        tier = DiskTier(tmp_path / "cache", 64 << 20)
        tier.put(tiles, "a:1")
        if number % 2:
            tier.close()
        for path in shards(tier):
            data = bytearray(path.read_bytes())
            for _ in range(1 + number % 9):
                data[random.choice((random.randrange(len(data)), random.randrange(min(len(data), 9000))))] ^= 0xFF
            with path.open("r+b") as file:
                file.write(data)
        if number % 2:
            tier = DiskTier(tmp_path / "cache", 64 << 20)
        for name, expected in tiles.items():
            data = tier.get(name)
            assert data in (None, expected)
            found[data is None] += 1
        tier.close()
    assert found[True] > 100
    assert found[False] > 100


def damaged(tmp_path):
    return sorted((tmp_path / "cache" / "damaged").glob("*"))


def test_a_database_that_becomes_malformed_is_set_aside_while_it_is_open(tier, tmp_path, fresh_process):
    for round_number in range(4):
        tier.put({key(n): bytes([n]) * 20_000 for n in range(40)}, "a:1")
        assert tier.get(key(1)) == bytes([1]) * 20_000
        on_every_shard(tier, "PRAGMA wal_checkpoint(TRUNCATE)")
        for path in shards(tier):
            with path.open("r+b") as file:
                file.seek(4096)
                file.write(b"rubbish" * 3000)
        for _ in range(3):
            for n in range(40):
                assert tier.get(key(n)) in (None, bytes([n]) * 20_000)
        tier.put({key(n): b"new" for n in range(40)}, "a:1")
        assert [tier.get(key(n)) for n in range(40)] == [b"new"] * 40, round_number
        assert 1 <= len(damaged(tmp_path)) <= 2, "a bounded number is kept"
    assert Conditions.current().all() == ()


def test_a_folder_that_is_deleted_or_replaced_is_made_again(tier, tmp_path, caplog, fresh_process):
    tier.put({key(n): b"tile" for n in range(20)}, "a:1")
    shutil.rmtree(tmp_path / "cache")
    for shard in tier._shards:
        shard._check_at = 0
    tier.put({key(n): b"other" for n in range(20)}, "a:1")
    assert [tier.get(key(n)) for n in range(20)] == [b"other"] * 20
    assert len(shards(tier)) == 4
    assert sum("was deleted or replaced, it is opened anew" in each.getMessage() for each in caplog.records) == 1
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    (tmp_path / "cache").write_text("a file")
    for shard in tier._shards:
        shard._check_at = 0
    assert tier.get(key(1)) is None
    assert any("needs a folder of its own" in each.problem for each in Conditions.current().all())
    (tmp_path / "cache").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "cache")
    for shard in tier._shards:
        shard._retry_at = 0
    tier.put({key(30 + n): b"other" for n in range(20)}, "a:1")
    assert [tier.get(key(n)) for n in range(20)] == [b"other"] * 20
    assert Conditions.current().all() == ()


def test_another_programs_database_is_set_aside_as_it_is(tmp_path):
    folder = tmp_path / "cache" / "tiles-2" / "001"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "cache.db") as connection:
        connection.execute("CREATE TABLE Cache (key TEXT, value TEXT)")
        connection.execute("INSERT INTO Cache VALUES ('theirs', 'precious')")
    connection.close()
    content = (folder / "cache.db").read_bytes()
    tier = DiskTier(tmp_path / "cache", 16 << 20)
    tier.put({key(n): b"tile" for n in range(20)}, "a:1")
    assert [tier.get(key(n)) for n in range(20)] == [b"tile"] * 20
    tier.close()
    (kept,) = damaged(tmp_path)
    assert (kept / "cache.db").read_bytes() == content


def mounted(folder, options):
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")


@pytest.fixture
def small_disk(tmp_path):
    mounted(tmp_path / "disk", "size=4m")
    yield tmp_path / "disk"
    subprocess.run(["umount", "-l", tmp_path / "disk"], check=True)


def fill(disk):
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x")


def test_a_start_on_a_full_disk_keeps_the_cache(small_disk, fresh_process):
    tier = DiskTier(small_disk / "cache", 2 << 20)
    tier.put({key(n): bytes([n]) * 2000 for n in range(40)}, "a:1")
    tier.close()
    before = {path.parent.name: path.read_bytes() for path in shards(tier)}
    fill(small_disk)
    tier = DiskTier(small_disk / "cache", 2 << 20)
    found = [tier.get(key(n)) for n in range(40)]
    assert all(data in (None, bytes([n]) * 2000) for n, data in enumerate(found))
    tier.put({key(100 + n): b"x" * 3000 for n in range(40)}, "a:1")
    assert any(each.ready and "tile cache" in each.key for each in Conditions.current().all())
    assert not (small_disk / "cache" / "damaged").exists()
    (small_disk / "filler").unlink()
    for shard in tier._shards:
        shard._retry_at = 0
    assert [tier.get(key(n)) for n in range(40)] == [bytes([n]) * 2000 for n in range(40)]
    tier.put({key(200 + n): b"x" for n in range(40)}, "a:1")
    assert [tier.get(key(200 + n)) for n in range(40)] == [b"x"] * 40
    assert Conditions.current().all() == ()
    tier.close()
    assert set(before) == {path.parent.name for path in shards(tier)}


def test_a_start_on_a_read_only_disk_keeps_the_cache(small_disk, fresh_process):
    tier = DiskTier(small_disk / "cache", 2 << 20)
    tier.put({key(n): bytes([n]) * 2000 for n in range(40)}, "a:1")
    tier.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    tier = DiskTier(small_disk / "cache", 2 << 20)
    assert {tier.get(key(n)) for n in range(40)} == {None}
    tier.put({key(100): b"x"}, "a:1")
    assert any("read" in each.problem.lower() for each in Conditions.current().all())
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    for shard in tier._shards:
        shard._retry_at = 0
    assert tier.is_failing
    tier.recheck()
    assert not tier.is_failing
    assert [tier.get(key(n)) for n in range(40)] == [bytes([n]) * 2000 for n in range(40)]
    assert Conditions.current().all() == ()
    tier.close()


def test_the_cache_of_an_earlier_version_is_deleted(tmp_path):
    (tmp_path / "cache" / "tiles-1" / "000").mkdir(parents=True)
    DiskTier(tmp_path / "cache", 1 << 20).close()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["tiles-2", "tiles-2.lock"]


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


@pytest.mark.parametrize(("code", "is_reported"), [(sqlite3.SQLITE_READONLY, True), (sqlite3.SQLITE_BUSY, False)])
def test_a_transaction_that_cannot_begin_is_a_failure_unless_somebody_holds_the_lock(
    tier, monkeypatch, code, is_reported
):
    """diskcache says that time is up whatever the reason."""

    def begin(self, statement, *arguments):
        if statement == "BEGIN IMMEDIATE":
            error = sqlite3.OperationalError("no")
            error.sqlite_errorcode = code
            raise error
        return sql.__get__(self)(statement, *arguments)

    sql = diskcache.Cache._sql
    monkeypatch.setattr(diskcache.Cache, "_sql", property(lambda self: partial(begin, self)))
    tier.put({key("a"): b"a"}, "a:1")
    assert (tier.errors > 0) == tier.is_failing == is_reported
    monkeypatch.undo()
    tier.recheck()
    assert not tier.is_failing


def test_evictions_are_counted_with_their_bytes(tmp_path):
    evicted = []
    limit = 4 << 20
    tier = DiskTier(tmp_path, limit, on_evicted=lambda tiles, nbytes: evicted.append((tiles, nbytes)))
    stored, size = 0, 40_000
    keys = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(300)]
    for key in keys:
        tier.put({key: bytes(size)}, "t:1")
        stored += 1
    left = sum(tier.get(key) is not None for key in keys)
    count, nbytes = sum(tiles for tiles, _ in evicted), sum(nbytes for _, nbytes in evicted)
    assert 0 < count == stored - left
    assert count * size <= nbytes <= count * (size + 16)  # with checksums
    tier.drop("t:1")
    assert sum(tiles for tiles, _ in evicted) == count  # what is dropped was not evicted
    tier.close()
