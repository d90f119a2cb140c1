"""The board: what the processes of a server tell each other, also when one is killed while it writes."""

import multiprocessing

import pytest

from lazytile.pyramid.core.conditions import Condition
from lazytile.service.app.board import Board

CONTEXT = multiprocessing.get_context("spawn")
DAMAGED = Condition("dataset sst", "chunk 0/3.4 of level 2 is damaged", True, 1.5)
GONE = Condition("scheduler", "does not answer", False, 2.5)


@pytest.fixture
def board():
    return Board(CONTEXT, 3)


def test_each_process_sees_what_is_wrong_in_the_others(board):
    assert board.conditions_of_others(0) == ()
    board.publish(0, (DAMAGED,))
    board.publish(board.supervisor, (GONE,))
    assert board.conditions(0) == (DAMAGED,)
    assert board.conditions_of_others(0) == (GONE,)
    assert board.conditions_of_others(1) == (DAMAGED, GONE)
    board.clear(0)
    assert board.conditions_of_others(1) == (GONE,)


def test_a_text_that_was_cut_off_counts_as_none(board):
    board.publish(1, (DAMAGED, GONE))
    begin = len(board._texts) // 4
    at = begin + 30
    board._texts[at] ^= 1
    assert board.conditions(1) == ()
    board._texts[at] ^= 1
    board._texts[begin] = 255
    assert board.conditions(1) == ()


def test_what_stops_the_service_is_left_out_last(board):
    many = [Condition(f"dataset {number}", "ü" * 500, True, 0.0) for number in range(256)]
    board.publish(2, (*many, GONE))
    found = board.conditions(2)
    assert GONE in found
    assert 10 < len(found) < 200
    assert board.conditions(1) == board.conditions(3) == ()


def _write(board):
    board.beat(1, 7.25)
    board.set_connections(1, 5)
    board.publish(1, (DAMAGED,))


def test_another_process_writes_to_the_same_memory(board):
    for place in range(3):
        board.clear(place)
    assert board.fewest_connections(0) > 1000
    child = CONTEXT.Process(target=_write, args=(board,))
    child.start()
    child.join()
    assert board.last_beat(1) == 7.25
    assert board.last_beat(0) == 0
    assert board.fewest_connections(0) == 5
    assert board.fewest_connections(1) > 1000
    assert board.conditions_of_others(0) == (DAMAGED,)
