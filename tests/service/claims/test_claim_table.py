"""Claims in shared memory: exclusive among processes, void with their process, and replaced by locks where need be."""

import errno
import multiprocessing
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from lazytile.service.claims import claim_table, claims, shared_memory
from lazytile.service.claims.claim_locks import ClaimLocks
from lazytile.service.claims.claim_table import ClaimTable
from lazytile.service.claims.claims import Claims

SPAWN = multiprocessing.get_context("spawn")
KEY = "5e" * 32


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_claim_stands_until_it_is_released_or_given_up(cache, shared):
    one, other = ClaimTable(cache, shared), ClaimTable(cache, shared)
    before = time.monotonic_ns()
    assert one.take(KEY)
    assert one.take(KEY), "who has a claim may ask again"
    assert not other.take(KEY)
    assert not other.was_released(KEY, 0)
    one.release(KEY)
    assert other.was_released(KEY, before)
    assert one.was_released(KEY, before)
    assert not other.was_released(KEY, time.monotonic_ns())
    assert other.take(KEY)
    assert not one.take(KEY)
    other.give_up(KEY)
    assert one.take(KEY)
    one.give_up(KEY)
    one.release(KEY)
    assert other.take(KEY)
    one.close()
    other.close()


@pytest.mark.parametrize("kind", [ClaimTable, lambda folder, _: ClaimLocks(folder)], ids=["memory", "locks"])
def test_a_key_is_claimed_anew_unless_a_claim_of_it_ended_lately(cache, shared, kind):
    one, other = kind(cache, shared), kind(cache, shared)
    before = time.monotonic_ns()
    assert one.take_anew(KEY, before)
    one.release(KEY)
    assert not other.take_anew(KEY, before), "the work was done since"
    after = time.monotonic_ns()
    assert one.take_anew(KEY, after), "what was refused has left no claim behind"
    one.give_up(KEY)
    assert other.take_anew(KEY, after), "a claim that was given up has left nothing"
    one.close()
    other.close()


def test_who_claims_anew_looks_at_the_claims_of_others(cache, shared):
    one, other = ClaimTable(cache, shared), ClaimTable(cache, shared)
    before = time.monotonic_ns()
    assert one.take(KEY)
    assert not other.take_anew(KEY, before)
    assert one.take_anew(KEY, before), "who has a claim may ask again"
    one.release(KEY)
    assert not other.take_anew(KEY, before)
    assert other.take_anew(KEY, time.monotonic_ns())
    assert not one.take(KEY)
    keys = [f"{number:015x}{'0' * 49}" for number in range(5)]
    assert all(one.take(key) for key in keys)
    other.take(keys[4])
    other.release(keys[4])
    assert not one.take_anew(keys[4], before), "a full row claims nothing, but the work was done"
    one.close()
    other.close()


def test_any_number_of_keys_are_told_apart(cache, shared):
    one, other = ClaimTable(cache, shared), ClaimTable(cache, shared)
    keys = [random.Random(number).randbytes(32).hex() for number in range(500)]
    assert all(one.take(key) for key in keys)
    free = [key for key in keys if other.take(key)]
    assert len(free) <= 5, "only a row that is full lets two claim a key"
    for key in keys:
        one.release(key)
    assert all(other.take(key) for key in keys)
    one.close()
    other.close()


def test_a_full_row_claims_nothing_and_recovers(cache, shared):
    one, other = ClaimTable(cache, shared), ClaimTable(cache, shared)
    keys = [f"{number:015x}{'0' * 49}" for number in range(6)]
    assert all(one.take(key) for key in keys)
    assert [other.take(key) for key in keys] == [False] * 4 + [True] * 2
    for key in keys:
        one.release(key)
        other.release(key)
    assert all(one.take(key) for key in keys[2:])
    assert not any(other.take(key) for key in keys[2:])
    one.close()
    other.close()


def compete(cache, shared, marks, seed, results):
    """Claim the same few keys as others; a mark that exists already was made by another holder of the claim."""
    table, chance, taken, twice = ClaimTable(cache, shared), random.Random(seed), 0, 0
    keys = [f"{number:02x}" * 32 for number in range(3)]
    end = time.monotonic() + 60
    while taken < 300 and time.monotonic() < end:
        key = chance.choice(keys)
        if not table.take(key):
            continue
        try:
            os.close(os.open(marks / key, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            twice += 1
        else:
            taken += 1
            (marks / key).unlink()
        (table.release if chance.random() < 0.5 else table.give_up)(key)
    table.close()
    results.put((taken, twice))


def test_no_two_processes_have_a_claim_at_a_time(cache, shared, tmp_path):
    marks, results = tmp_path / "marks", SPAWN.Queue()
    marks.mkdir()
    processes = [SPAWN.Process(target=compete, args=(cache, shared, marks, seed, results)) for seed in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    assert all(taken > 0 for taken, _ in found)
    assert sum(twice for _, twice in found) == 0
    assert names(shared) == [], "the last one has deleted the memory"


def hold(cache, shared, channel):
    table = ClaimTable(cache, shared)
    channel.send(table.take(KEY))
    channel.recv()


def killed_holder(cache, shared):
    """Run a process that claims the key, and kill it."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=hold, args=(cache, shared, theirs))
    process.start()
    assert ours.recv()
    process.kill()
    process.join()


def test_the_claims_of_a_killed_process_are_void_whoever_has_its_place(cache, shared):
    killed_holder(cache, shared)
    assert len(names(shared)) == 1
    first = ClaimTable(cache, shared)
    assert first.take(KEY)
    second = ClaimTable(cache, shared)
    assert not second.take(KEY)
    first.close()
    assert second.take(KEY)
    second.close()


def test_what_a_killed_process_leaves_is_deleted_with_the_next_one(cache, shared, tmp_path):
    killed_holder(cache, shared)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    in_use = ClaimTable(elsewhere, shared)
    (mine,) = names(shared)
    another = tmp_path / "another"
    another.mkdir()
    ClaimTable(another, shared).close()
    assert names(shared) == [mine]
    in_use.close()
    assert names(shared) == []


def test_a_folder_that_is_made_anew_shares_nothing_with_the_deleted_one(cache, shared):
    one = ClaimTable(cache, shared)
    assert one.take(KEY)
    shutil.rmtree(cache)
    cache.mkdir()
    other = ClaimTable(cache, shared)
    assert other.take(KEY)
    one.close()
    other.close()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("why", ["missing", "full", "open to others", "a link", "places"])
def test_where_there_is_no_shared_memory_claims_are_locks(cache, shared, monkeypatch, why, tmp_path):
    name = f"lazytile-claims-1-{os.geteuid()}-{cache.stat().st_dev}-{cache.stat().st_ino}"
    others = []
    if why == "missing":
        shared.rmdir()
    elif why == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    elif why == "open to others":
        (shared / name).touch()
        (shared / name).chmod(0o666)
    elif why == "a link":
        (tmp_path / "victim").touch(0o600)
        (shared / name).symlink_to(tmp_path / "victim")
    else:
        monkeypatch.setattr(claim_table, "PLACES", 2)
        others = [ClaimTable(cache, shared), ClaimTable(cache, shared)]
    before = open_files()
    found = Claims(cache, shared)
    assert isinstance(found._table, ClaimLocks)
    assert open_files() <= before + 1
    assert found.take(KEY)
    found.release(KEY)
    assert found.was_released(KEY, 1)
    found.close()
    for other in others:
        other.close()


def test_claims_may_end_in_any_thread_and_after_the_end(cache, shared):
    one = Claims(cache, shared)
    assert isinstance(one._table, ClaimTable)
    keys = [random.Random(number).randbytes(32).hex() for number in range(300)]
    assert all(one.take(key) for key in keys)
    threads = [threading.Thread(target=lambda at=at: [one.release(key) for key in keys[at::3]]) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other = Claims(cache, shared)
    assert all(other.take(key) for key in keys)
    one.close()
    one.close()
    one.release(KEY)
    assert one.take(KEY)
    assert not one.was_released(KEY, 0)
    other.close()


def test_claims_without_shared_memory_need_no_functions_of_linux(cache, shared, monkeypatch):
    monkeypatch.delattr(shared_memory.fcntl, "F_OFD_SETLK")
    found = claims.Claims(cache, shared)
    assert isinstance(found._table, ClaimLocks)
    found.close()
