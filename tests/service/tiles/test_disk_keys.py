"""What is known of the tiles on disk without a look: never that one is absent which was there at the last reading."""

import asyncio
import hashlib
import shutil
import time

import pytest

from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.service.http.settings import Settings
from lazytile.service.tiles.cache import open_cache
from lazytile.service.tiles.disk_cache import DiskTier
from lazytile.service.tiles.disk_keys import DiskKeys

LIMIT = 64 << 20


def key_of(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def put(disk, numbers, tag="t:1"):
    disk.put({key_of(number): b"tile %d" % number for number in numbers}, tag)


class Clock:
    now = 1_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def disk(tmp_path):
    opened = DiskTier(tmp_path, LIMIT)
    yield opened
    opened.close()


def read(keys, clock):
    clock.now += 10_000_000_000
    steps = 1
    while keys.refresh():
        steps += 1
    return steps


def absent(keys, numbers):
    return [number for number in numbers if keys.absent_since(key_of(number)) is not None]


def test_nothing_is_known_before_everything_was_read_and_later_only_for_a_while(disk, clock):
    keys = DiskKeys(disk, LIMIT, clock)
    assert keys.absent_since(key_of(1)) is None
    read(keys, clock)
    assert keys.absent_since(key_of(1)) == clock.now
    clock.now += 60_000_000_000
    assert keys.absent_since(key_of(1)) is None


def test_tiles_that_were_there_are_never_absent_and_few_others_are_looked_up(disk, clock):
    keys = DiskKeys(disk, LIMIT, clock)
    put(disk, range(5000))
    assert read(keys, clock) > 2  # in steps, between which others are served
    assert absent(keys, range(5000)) == []
    assert len(absent(keys, range(5000, 15000))) > 9000


def test_tiles_of_another_process_are_found_at_the_next_reading(tmp_path, disk, clock):
    keys = DiskKeys(disk, LIMIT, clock)
    put(disk, range(20))
    read(keys, clock)
    other = DiskTier(tmp_path, LIMIT)
    put(other, range(20, 1700))
    read(keys, clock)
    assert absent(keys, range(1700)) == []
    other.close()


def test_numbers_of_deleted_rows_that_are_used_again_hide_no_tile(tmp_path, disk, clock):
    keys = DiskKeys(disk, LIMIT, clock)
    put(disk, range(40))
    read(keys, clock)
    other = DiskTier(tmp_path, LIMIT)
    other.drop("t:1")
    put(other, range(100, 300))
    read(keys, clock)
    assert absent(keys, range(100, 300)) == []
    other.close()


def test_a_database_in_place_of_another_is_read_from_its_beginning(tmp_path, clock):
    first, second = tmp_path / "a", tmp_path / "b"
    elsewhere = DiskTier(second, LIMIT)
    put(elsewhere, range(50))
    elsewhere.close()
    disk = DiskTier(first, LIMIT)
    keys = DiskKeys(disk, LIMIT, clock)
    put(disk, range(1000, 1400))
    read(keys, clock)
    shutil.rmtree(disk.folder)
    shutil.copytree(second / disk.folder.name, disk.folder)
    deadline = time.monotonic() + 60
    while disk.get(key_of(7)) is None:  # the tier looks once a second whether its files are the same
        assert time.monotonic() < deadline
        time.sleep(0.1)
    read(keys, clock)
    assert absent(keys, range(50)) == []
    disk.close()


def test_a_database_that_cannot_be_read_leaves_everything_unknown(disk, clock, monkeypatch):
    keys = DiskKeys(disk, LIMIT, clock)
    read(keys, clock)
    assert absent(keys, range(5)) == list(range(5))

    def fail():
        raise OSError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(disk._shards[2], "use", fail)
        assert read(keys, clock) == 1
        assert absent(keys, range(5)) == []
    read(keys, clock)
    assert absent(keys, range(5)) == list(range(5))


def test_the_filter_is_bounded_and_begins_again_once_it_is_full_of_deleted_tiles(tmp_path, clock):
    assert len(DiskKeys(DiskTier(tmp_path / "large", 1 << 50), 1 << 50, clock)._slots) <= 8 << 20
    small = 1 << 20
    disk = DiskTier(tmp_path / "small", LIMIT)
    keys = DiskKeys(disk, small, clock)
    count = len(keys._slots)
    for beginning in range(0, count, 8000):  # as if as many tiles had been stored and deleted
        keys._add([key_of(number) for number in range(beginning, beginning + 8000)])
    put(disk, range(1_000_000, 1_000_100))
    read(keys, clock)
    assert absent(keys, range(1_000_000, 1_000_100)) == []
    assert len(absent(keys, range(2_000_000, 2_001_000))) > 900
    disk.close()


def test_a_cache_learns_from_look_ups_what_is_not_on_disk_and_knows_the_tiles_that_wait(tmp_path):
    async def main():
        settings = Settings.of(store=tmp_path, cache=tmp_path / "cache")
        cache = open_cache(settings, BytesLru(1 << 20, len))
        assert cache.absent_since(key_of(1)) is None
        end = time.monotonic() + 60
        while cache.absent_since(key_of(1)) is None:
            assert await cache.load(key_of(1)) is None
            assert time.monotonic() < end
        cache.put({key_of(1): b"tile"}, "t:1")
        assert cache.absent_since(key_of(1)) is None
        await cache.flush()
        assert await cache.load(key_of(1)) == b"tile"
        await cache.close()

    asyncio.run(main())
