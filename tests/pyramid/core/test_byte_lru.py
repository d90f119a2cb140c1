"""The cache bounded in bytes: its limit, its order, and one computation per value."""

import threading
import time

import pytest

from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import NotComputedError
from lazytile.pyramid.core.stop_flag import StoppedError


def test_keeps_the_most_recently_used_within_its_limit():
    cache: BytesLru[bytes] = BytesLru(10, len)
    for key in "abc":
        cache.get(key, lambda: b"1234")
    assert cache.peek("a") is None
    assert cache.peek("b") == b"1234"
    cache.get("d", lambda: b"1234")
    assert cache.peek("c") is None, "b was used after c, so c goes first"
    assert cache.statistics.size_bytes == 8


def test_a_scan_evicts_nothing_that_was_used_again():
    cache: BytesLru[bytes] = BytesLru(1000, len)
    for key in ("default", "other"):
        cache.get(key, lambda: b"x" * 100)
        assert cache.peek(key)
    for number in range(1000):
        cache.put(number, b"y" * 100)
        assert cache.statistics.size_bytes <= 1000
    assert cache.peek("default") is not None
    assert cache.peek("other") is not None
    assert cache.statistics.evictions == 992


def test_values_used_again_leave_room_for_new_ones_and_the_longest_unused_goes_first():
    cache: BytesLru[bytes] = BytesLru(1000, len)
    for number in range(30):
        cache.put(number, b"x" * 100)
        assert cache.peek(number) is not None
        assert cache.statistics.size_bytes <= 1000
    kept = [number for number in range(30) if cache.peek(number) is not None]
    assert kept == list(range(20, 30))
    cache.put("new", b"y" * 100)
    cache.put("newer", b"y" * 100)
    assert cache.peek("newer") is not None
    assert cache.peek("new") is not None
    cache.resize(200)
    assert cache.statistics.size_bytes <= 200
    cache.remove("newer")
    cache.drop(lambda key: key == "new")
    cache.clear()
    assert (cache.statistics.size_bytes, cache.statistics.entries) == (0, 0)
    cache.put("again", b"z" * 150)
    assert cache.peek("again") is not None


def test_raw_values_make_room_for_what_is_made_from_them_but_keep_a_part():
    cache: BytesLru[bytes] = BytesLru(1000, len)
    for number in range(8):
        assert cache.get(("raw", number), lambda: b"r" * 100, raw=True) == b"r" * 100
        assert cache.get(("raw", number), lambda: b"other", raw=True) == b"r" * 100, "it is kept while there is room"
    for number in range(20):
        cache.get(number, lambda: b"m" * 100)
        assert cache.statistics.size_bytes <= 1000
    assert [number for number in range(8) if cache.peek(("raw", number))] == [6, 7], "the longest unused go first"
    assert [number for number in range(20) if cache.peek(number)] == list(range(12, 20))
    for number in range(8, 20):
        cache.get(("raw", number), lambda: b"r" * 100, raw=True)
    assert [number for number in range(20) if cache.peek(number)] == list(range(12, 20)), "they displace nothing else"
    cache.resize(300)
    assert cache.statistics.size_bytes <= 300
    cache.remove(("raw", 19))
    cache.drop(lambda key: isinstance(key, tuple))
    cache.clear()
    assert (cache.statistics.size_bytes, cache.statistics.entries) == (0, 0)
    cache.resize(1000)
    for number in range(20):
        cache.get(number, lambda: b"r" * 100, raw=True)
    assert [number for number in range(20) if cache.peek(number)] == list(range(10, 20)), "alone they take all"


def test_a_value_over_the_limit_is_returned_and_not_kept():
    cache: BytesLru[bytes] = BytesLru(3, len)
    assert cache.get("a", lambda: b"12345") == b"12345"
    assert cache.peek("a") is None
    assert cache.statistics.size_bytes == 0


def test_equal_values_are_made_once_for_all_who_wait():
    cache: BytesLru[bytes] = BytesLru(100, len)
    made = []
    inside = threading.Event()
    go = threading.Event()

    def make() -> bytes:
        made.append(threading.get_ident())
        inside.set()
        assert go.wait(10)
        return b"x"

    results = []
    threads = [threading.Thread(target=lambda: results.append(cache.get("k", make))) for _ in range(8)]
    threads[0].start()
    assert inside.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert results == [b"x"] * 8
    assert len(made) == 1


def test_a_caller_may_choose_not_to_wait_for_another_thread():
    cache: BytesLru[bytes] = BytesLru(100, len)
    inside, go = threading.Event(), threading.Event()

    def make() -> bytes:
        inside.set()
        assert go.wait(10)
        return b"x"

    thread = threading.Thread(target=cache.get, args=("k", make))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(NotComputedError):
        cache.get("k", lambda: b"y", waits=False)
    assert cache.get("other", lambda: b"z", waits=False) == b"z"
    go.set()
    thread.join(10)
    assert cache.get("k", lambda: b"y", waits=False) == b"x"


def test_a_failure_reaches_the_caller_and_is_not_kept():
    cache: BytesLru[bytes] = BytesLru(100, len)

    def fail() -> bytes:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cache.get("k", fail)
    assert cache.get("k", lambda: b"good") == b"good"


def test_put_and_clear():
    cache: BytesLru[bytes] = BytesLru(100, len)
    cache.put("k", b"1")
    cache.put("k", b"22")
    assert cache.peek("k") == b"1"
    cache.clear()
    assert cache.peek("k") is None
    assert cache.statistics.size_bytes == 0


def test_a_stopped_computation_is_taken_over_by_one_of_those_who_wait():
    cache: BytesLru[bytes] = BytesLru(100, len)
    inside, go, results, made = threading.Event(), threading.Event(), [], []

    def be_stopped() -> bytes:
        inside.set()
        assert go.wait(10)
        raise StoppedError

    def stopped() -> None:
        with pytest.raises(StoppedError):
            cache.get("k", be_stopped)
        made.append("stopped")

    def make() -> bytes:
        made.append("made")
        return b"x"

    first = threading.Thread(target=stopped)
    first.start()
    assert inside.wait(10)
    others = [threading.Thread(target=lambda: results.append(cache.get("k", make))) for _ in range(4)]
    for thread in others:
        thread.start()
    deadline = time.monotonic() + 10
    while cache.statistics.hits < len(others) and time.monotonic() < deadline:
        time.sleep(0.005)
    go.set()
    for thread in (first, *others):
        thread.join(10)
    assert results == [b"x"] * 4
    assert sorted(made) == ["made", "stopped"]
