"""Chunks that processes share: whole or not found, whatever is written meanwhile, within the memory of the caches."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading

import pytest

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")
MIB = 1 << 20


class _Descriptor:
    def __init__(self, number: int) -> None:
        self._number = number

    def detach(self) -> int:
        return os.dup(self._number)


def twin(shared: SharedChunks) -> SharedChunks:
    """Return the same memory as another process has it."""
    other = SharedChunks.__new__(SharedChunks)
    other.__setstate__((_Descriptor(shared._descriptor), shared._count, shared._part))
    return other


@pytest.fixture
def pair(fresh_process):
    """Two processes with 4 MiB each, of caches of decoded chunks of 16 MiB."""
    process.install(CacheBudget(16 * MIB, (("chunks", 1),)))
    one = SharedChunks(2, 64 * MIB)
    other = twin(one)
    one.install(0)
    other.install(1)
    return one, other


def content(key: int, nbytes: int) -> bytes:
    return random.Random(key).randbytes(nbytes)


def put(shared: SharedChunks, key: object, data: bytes) -> bool:
    return shared.put(key, len(data), lambda: data)


def found(shared: SharedChunks, key: object) -> bytes | None:
    seen = []
    return seen[-1] if shared.find(key, lambda memory: seen.append(bytes(memory))) else None


def test_what_one_process_keeps_the_others_find(pair):
    one, other = pair
    assert put(one, ("a", 1), b"x" * 1000)
    assert put(other, ("b", 2), b"y" * 777)
    for each in pair:
        assert found(each, ("a", 1)) == b"x" * 1000
        assert found(each, ("b", 2)) == b"y" * 777
        assert found(each, ("a", 2)) is None


def test_the_oldest_make_room_and_nothing_wrong_is_found(pair):
    sizes = random.Random(5)
    kept = {}
    for key in range(400):
        kept[key] = content(key, sizes.choice([1, 64, 1000, 70_001, 250_000]))
        assert put(pair[key % 2], key, kept[key])
        assert found(pair[1 - key % 2], key) == kept[key]
    there = [key for key in kept if found(pair[0], key) is not None]
    assert 0 not in there
    assert there[-20:] == list(range(380, 400))
    assert all(found(pair[1], key) == kept[key] for key in there)
    assert sum(len(kept[key]) for key in there) <= 8 * MIB


def test_a_chunk_that_is_overwritten_while_it_is_copied_is_not_found(pair):
    one, other = pair
    put(one, "old", bytes(MIB))
    seen = []

    def use(memory: memoryview) -> None:
        seen.append(bytes(memory[:100]))
        for key in range(4):
            put(one, key, b"\xff" * MIB)
        seen.append(bytes(memory[:100]))

    assert not other.find("old", use)
    assert seen == [bytes(100), b"\xff" * 100]
    put(one, "new", bytes(MIB))
    assert not other.find("new", lambda _: one.install(0))


def test_no_chunk_overwrites_one_that_is_being_written(pair):
    one, other = pair
    inner = []

    def make() -> bytes:
        inner.extend(put(one, key, b"\x02" * MIB) for key in range(6))
        return b"\x01" * MIB

    assert one.put("slow", MIB, make)
    assert inner == [True, True, True, False, False, False]
    assert found(other, "slow") == b"\x01" * MIB
    assert found(other, 2) == b"\x02" * MIB
    assert put(one, 3, b"\x03" * MIB)


def test_what_cannot_be_written_is_not_kept(pair):
    one, other = pair

    def make() -> bytes:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        one.put("key", 1000, make)
    assert found(other, "key") is None
    for key in range(10):
        assert put(one, key, bytes(MIB))


def test_chunks_that_are_too_large_are_not_taken(pair):
    one, _ = pair
    assert one.takes(MIB)
    assert not one.takes(MIB + 1)
    assert not put(one, "large", bytes(MIB + 1))
    assert not one.takes(0)


def test_a_process_that_starts_again_begins_anew(pair):
    one, other = pair
    put(one, "mine", b"a" * 1000)
    put(other, "its", b"b" * 1000)
    again = twin(one)
    again.install(0)
    assert found(other, "mine") is None
    assert found(again, "its") == b"b" * 1000
    put(again, "mine", b"c" * 1000)
    assert found(other, "mine") == b"c" * 1000


def test_the_memory_is_that_of_the_cache_of_chunks(fresh_process):
    process.install(CacheBudget(16 * MIB, (("chunks", 1),)))
    shared = SharedChunks(1, 64 * MIB)
    cache = process.cache("chunks")
    cache.put("k", bytes(15 * MIB))
    shared.install(0)
    assert SharedChunks.current() is shared
    assert cache.statistics.limit_bytes == 16 * MIB
    assert shared.held_bytes == 0
    for key in range(20):
        put(shared, key, bytes(MIB))
        state = cache.statistics
        assert state.size_bytes <= state.limit_bytes == 12 * MIB
        assert 0 < shared.held_bytes <= 4 * MIB
    process.install(CacheBudget(2 * MIB, (("chunks", 1),)))
    assert SharedChunks.current() is None
    shared.install(0)
    assert not put(shared, "k", bytes(1000))
    assert process.cache("chunks").statistics.limit_bytes == 2 * MIB


def test_threads_find_whole_chunks_only(pair):
    """Each chunk is full of one byte; those that read find no mixture while four others write."""
    mixed, end = [], threading.Event()

    def write(number: int) -> None:
        for at in range(300):
            put(pair[number % 2], (at + number) % 40, bytes([(at + number) % 40]) * 200_000)

    def read() -> None:
        while not end.is_set():
            for key in range(40):
                data = found(pair[0], key)
                if data is not None and set(data) != {key}:
                    mixed.append(key)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for each in (*readers, *writers):
        each.start()
    for each in writers:
        each.join()
    end.set()
    for each in readers:
        each.join()
    assert mixed == []


def _in_another_process(shared: SharedChunks) -> None:
    process.install(CacheBudget(16 * MIB, (("chunks", 1),)))
    shared.install(1)
    data = found(shared, "question")
    put(shared, "answer", b"" if data is None else data[::-1])


def test_another_process_has_the_same_memory(pair):
    put(pair[0], "question", b"abc")
    child = multiprocessing.get_context("spawn").Process(target=_in_another_process, args=(pair[0],))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert found(pair[0], "answer") == b"cba"


def test_processes_without_memory_for_caches_share_none(fresh_process):
    process.install(CacheBudget(0, (("chunks", 1),)))
    shared = SharedChunks(2, 0)
    for place in (0, 1):
        shared.install(place)
    assert not shared.takes(1)
    assert not put(shared, "a", b"1")
    assert found(shared, "a") is None
