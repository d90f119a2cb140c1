"""The record of damaged chunks: bounded lines, the condition of a dataset, and what clears it."""

from __future__ import annotations

import logging
import pickle

import pytest

from lazytile.pyramid.chunks.damage import ArrayPlace, DamagedChunkError, DamageLimits, DamageRecord
from lazytile.pyramid.core.conditions import Conditions

ARRAY = ArrayPlace("/store/sst.zarr", "sst", "t", 2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def error(row: int, col: int = 0) -> DamagedChunkError:
    return DamagedChunkError(ARRAY.chunk((3,), row, col), "it is cut", "/store/sst.zarr/2/t/c/3/0/0")


def test_the_text_names_dataset_chunk_level_and_file() -> None:
    text = "dataset sst: chunk 3/1.4 of t at level 2 is damaged: it is cut (/store/sst.zarr/2/t/c/3/0/0)"
    assert str(error(1, 4)) == text
    again = pickle.loads(pickle.dumps(error(1, 4)))
    assert (str(again), again.place) == (text, error(1, 4).place)
    assert str(DamagedChunkError(None, "it is cut", "/a/b")) == "chunk /a/b is damaged: it is cut"


def test_a_chunk_is_logged_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture, fresh_process: None) -> None:
    record = DamageRecord(clock)
    for _ in range(10):
        record.note(error(1))
    assert len(caplog.messages) == 1
    clock.now += 61
    record.note(error(1))
    assert len(caplog.messages) == 2
    assert "9 more reads" in caplog.messages[1]
    assert record.damaged == 11


def test_many_damaged_chunks_do_not_fill_the_log(
    clock: Clock, caplog: pytest.LogCaptureFixture, fresh_process: None
) -> None:
    caplog.set_level(logging.ERROR)
    record = DamageRecord(clock)
    for row in range(3000):
        record.note(error(row))
    assert len(caplog.messages) == 60
    clock.now += 61
    record.note(error(5000))
    assert "2940 lines about other chunks were left out" in caplog.messages[-1]


def test_the_condition_stands_until_every_chunk_is_whole(clock: Clock, fresh_process: None) -> None:
    record = DamageRecord(clock)
    record.note(error(1))
    record.note(error(2))
    (condition,) = Conditions.current().all()
    assert (condition.key, condition.ready) == ("dataset sst", True)
    assert condition.problem == "chunk 3/1.0 of t at level 2 is damaged: it is cut, and 1 more chunks"
    record.clear(error(1).place)
    (condition,) = Conditions.current().all()
    assert condition.problem == "chunk 3/2.0 of t at level 2 is damaged: it is cut"
    record.recheck(lambda place: place.row == 2)
    assert Conditions.current().all() != (), "it was checked a moment ago"
    clock.now += 2
    record.recheck(lambda place: place.row == 2)
    assert Conditions.current().all() == ()
    assert record.is_empty


def test_an_error_of_this_process_counts_once(clock: Clock, fresh_process: None) -> None:
    record, other = DamageRecord(clock), DamageRecord(clock)
    met = error(1)
    record.note(met)
    record.note(met)
    assert record.damaged == 1
    other.note(pickle.loads(pickle.dumps(met)))
    assert other.damaged == 1


def test_how_often_is_logged_and_read_again_can_be_set(
    clock: Clock, caplog: pytest.LogCaptureFixture, fresh_process: None
) -> None:
    record = DamageRecord(clock, DamageLimits(log_every_s=10, lines=3, recheck_every_s=7))
    for row in range(9):
        record.note(error(row))
    assert len(caplog.messages) == 3
    clock.now += 6.5
    asked: list[object] = []
    record.recheck(lambda place: bool(asked.append(place)))
    assert not asked
    clock.now += 1
    record.recheck(lambda place: bool(asked.append(place)))
    assert len(asked) == 9
    clock.now += 3
    record.note(error(0))
    assert len(caplog.messages) == 4
    record.limits = DamageLimits(log_every_s=1000)
    clock.now += 500
    record.note(error(0))
    assert len(caplog.messages) == 4
