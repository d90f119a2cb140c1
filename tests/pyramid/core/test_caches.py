"""The caches of a process: named shares of one memory budget that is never exceeded."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.caches import SHARES, CacheBudget, Caches

NAMES = [share.name for share in SHARES]
budgets = st.integers(0, 1 << 40)


def total(caches: Caches) -> int:
    return sum(statistics.size_bytes for _, statistics in caches.statistics())


def test_every_share_says_what_it_holds():
    assert len(set(NAMES)) == len(NAMES)
    assert all(share.summary and share.front + share.worker > 0 for share in SHARES)
    assert sum(share.front + share.worker for share in SHARES) == 1000


@given(memory=budgets, off=st.sets(st.sampled_from(NAMES), max_size=len(NAMES) - 1))
def test_the_shares_add_up_to_the_budget(memory, off):
    limits = CacheBudget.server(memory).without(*off).limits()
    assert sum(limits.values()) == memory
    assert set(limits) == set(NAMES)
    assert all(limits[name] == 0 for name in off)


@given(memory=budgets, workers=st.integers(1, 64), processes=st.integers(1, 64))
def test_what_is_divided_is_never_more_than_the_whole(memory, workers, processes):
    front, back = CacheBudget.server(memory).split()
    assert front.memory_bytes + back.memory_bytes == memory
    assert memory - workers < front.memory_bytes + workers * back.divided(workers).memory_bytes <= memory
    assert memory - processes < processes * CacheBudget.server(memory).divided(processes).memory_bytes <= memory


def test_a_front_keeps_tiles_and_documents_and_workers_what_renders():
    front, back = CacheBudget.server(1 << 30).split()
    there, here = back.limits(), front.limits()
    assert there["tiles"] == there["documents"] == 0
    assert there["chunks"] > here["chunks"] > 0, "a front reads the value under a pixel itself"
    assert here["tiles"] > (1 << 30) // 3
    elsewhere = CacheBudget.server(1 << 30).front().limits()
    assert sum(elsewhere.values()) == 1 << 30
    assert elsewhere["tiles"] > here["tiles"], "workers of somebody else's cluster have memory of their own"


def test_a_program_that_serves_nobody_has_no_caches_of_a_service():
    limits = CacheBudget.renderer(1 << 30).limits()
    assert limits["tiles"] == limits["documents"] == 0
    assert sum(limits.values()) == 1 << 30


actions = st.lists(
    st.one_of(
        st.tuples(st.just("get"), st.sampled_from(NAMES), st.integers(0, 20), st.integers(0, 3000)),
        st.tuples(st.just("put"), st.sampled_from(NAMES), st.integers(0, 20), st.integers(0, 3000)),
        st.tuples(st.just("allot"), st.just(""), st.just(0), st.integers(0, 40_000)),
    ),
    max_size=60,
)


@given(memory=st.integers(0, 40_000), steps=actions)
def test_the_budget_is_never_exceeded(memory, steps):
    caches = Caches(CacheBudget.server(memory))
    for action, name, key, size in steps:
        if action == "allot":
            memory = size
            caches.allot(CacheBudget.server(memory))
        elif action == "get":
            assert isinstance(caches[name].get(key, lambda size=size: bytes(size)), bytes)
        else:
            caches[name].put(key, bytes(size))
        assert total(caches) <= memory
    for _, statistics in caches.statistics():
        assert statistics.size_bytes <= statistics.limit_bytes
        assert (statistics.entries == 0) == (statistics.size_bytes == 0)


def test_entries_are_counted_with_what_they_cost_besides_their_value():
    """A million empty tiles are not free: keys and dictionary entries take memory too."""
    caches = Caches(CacheBudget.server(1 << 20))
    caches["tiles"].put("k", b"")
    assert total(caches) >= 200


def test_a_value_that_does_not_state_its_size_is_refused():
    caches = Caches(CacheBudget.server(1 << 20))
    with pytest.raises(AttributeError):
        caches["tiles"].put("k", {"a": 1})


def test_hits_misses_and_evictions_are_counted():
    cache = Caches(CacheBudget(3000, (("tiles", 1),)))["tiles"]
    assert cache.peek("a") is None
    assert cache.peek("a", again=True) is None
    cache.put("a", bytes(1000))
    assert cache.peek("a") == bytes(1000)
    assert cache.get("b", lambda: bytes(1000)) == bytes(1000)
    assert cache.get("b", lambda: b"not computed again") == bytes(1000)
    cache.put("c", bytes(1000))
    found = cache.statistics
    assert (found.hits, found.misses, found.evictions, found.entries) == (2, 2, 1, 2)
    assert cache.peek("a") is None, "the least recently used one went"
    cache.resize(1500)
    assert (cache.statistics.evictions, cache.statistics.entries) == (2, 1)
    assert cache.statistics.limit_bytes == 1500


def test_threads_that_get_put_and_evict_at_the_same_time():
    caches = Caches(CacheBudget.server(60_000))
    wrong: list[object] = []
    rounds, threads = 400, 8
    start = threading.Barrier(threads)

    def work(number: int) -> None:
        start.wait()
        for step in range(rounds):
            name, key = NAMES[(step + number) % len(NAMES)], (step * (number + 1)) % 17
            if step % 5 == 0:
                caches[name].put(key, bytes([key]) * 900)
            elif step % 31 == 0:
                caches.allot(CacheBudget.server(30_000 if step % 2 else 60_000))
            else:
                value = caches[name].get(key, lambda key=key: bytes([key]) * 900)
                if value != bytes([key]) * 900:
                    wrong.append((name, key, value))
            if total(caches) > 60_000:
                wrong.append(total(caches))

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert wrong == []
    for name in NAMES:
        cache = caches[name]
        cache.resize(0)
        assert (cache.statistics.size_bytes, cache.statistics.entries) == (0, 0)
