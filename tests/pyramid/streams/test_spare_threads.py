"""Work on many items is done once each, by several threads, and an error ends it."""

from __future__ import annotations

import threading

import pytest

from lazytile.pyramid.streams import spare_threads
from lazytile.pyramid.streams.spare_threads import for_all


@pytest.fixture
def processors(monkeypatch, fresh_process):
    """Pretend that there are three processors."""
    monkeypatch.setattr(spare_threads, "processor_count", lambda: 3)


def test_each_item_is_worked_on_once(processors):
    done = []
    for_all(done.append, range(1000))
    assert sorted(done) == list(range(1000))


def test_as_many_threads_as_processors_work(processors):
    """Each waits for the two others, which would never come if they were fewer."""
    together, threads = threading.Barrier(3), set()

    def work(_: int) -> None:
        together.wait(30)
        threads.add(threading.get_ident())

    for_all(work, range(3))
    assert len(threads) == 3
    assert threading.get_ident() in threads


def test_work_within_work_stays_in_its_thread(processors):
    """Otherwise all threads could wait for others."""
    strangers = []

    def outer(_: int) -> None:
        here = threading.get_ident()
        for_all(lambda _: strangers.extend({threading.get_ident()} - {here}), range(10))

    for_all(outer, range(20))
    assert strangers == []
    seen = set()
    together = threading.Barrier(2)

    def again(_: int) -> None:
        together.wait(30)
        seen.add(threading.get_ident())

    for_all(again, range(2))
    assert len(seen) == 2


def test_an_error_reaches_the_caller_and_ends_the_work(processors):
    done = []

    def work(item: int) -> None:
        if item == 5:
            raise ValueError("five")
        done.append(item)

    with pytest.raises(ValueError, match="five"):
        for_all(work, range(100_000))
    assert len(done) < 100_000
