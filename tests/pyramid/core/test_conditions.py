"""Conditions: reported, changed, cleared, bounded, one list a process."""

import threading
import time

import pytest

from lazytile.pyramid.core.conditions import Conditions

pytestmark = pytest.mark.usefixtures("fresh_process")


def test_a_condition_stands_until_it_is_cleared():
    conditions = Conditions()
    before = time.time()
    conditions.report("dataset sst", "chunk 0/3.4 of level 2\nis damaged", ready=True)
    (condition,) = conditions.all()
    assert (condition.key, condition.problem, condition.ready) == (
        "dataset sst",
        "chunk 0/3.4 of level 2 is damaged",
        True,
    )
    assert before <= condition.since <= time.time()
    conditions.clear("dataset air")
    assert conditions.all() == (condition,)
    conditions.clear("dataset sst")
    assert conditions.all() == ()


def test_a_second_report_changes_the_problem_and_keeps_its_time():
    conditions = Conditions()
    conditions.report("scheduler", "does not answer", ready=True)
    (first,) = conditions.all()
    conditions.report("scheduler", "is gone", ready=False)
    (second,) = conditions.all()
    assert (second.problem, second.ready, second.since) == ("is gone", False, first.since)


def test_the_process_has_one_list():
    Conditions.current().report("cache", "cannot be written", ready=True)
    assert [each.key for each in Conditions.current().all()] == ["cache"]


def test_the_number_is_bounded_and_what_stops_the_service_stays():
    conditions = Conditions(limit=3)
    conditions.report("scheduler", "is gone", ready=False)
    for number in range(5):
        conditions.report(f"dataset {number}", "x" * 10_000, ready=True)
    assert [each.key for each in conditions.all()] == ["scheduler", "dataset 3", "dataset 4"]
    assert all(len(each.problem) <= 500 for each in conditions.all())
    for number in range(5):
        conditions.report(f"worker {number}", "is gone", ready=False)
    assert len(conditions.all()) == 3


def test_threads_report_and_clear_at_once():
    conditions = Conditions(limit=64)

    def work(name: str) -> None:
        for number in range(500):
            conditions.report(f"{name} {number % 40}", "is damaged", ready=True)
            conditions.all()
            conditions.clear(f"{name} {number % 40}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conditions.all() == ()
