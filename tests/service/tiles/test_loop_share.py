"""Which tiles the event loop renders: what they took decides, on a slow machine fewer."""

import random

import pytest

from lazytile.service.tiles.loop_share import LoopShare
from tests.service.harness import running


def test_where_estimates_hold_tiles_up_to_two_and_a_half_milliseconds_are_allowed():
    share = LoopShare()
    for _ in range(1000):
        share.record(1.0, 0.4)
    assert share.allows(2.5)
    assert not share.allows(2.6)


@pytest.mark.parametrize(("slowness", "allowed", "refused"), [(2.0, 0.9, 1.15), (3.0, 0.6, 0.85)])
def test_on_a_slow_machine_only_smaller_tiles_are_allowed(slowness, allowed, refused):
    share, chance = LoopShare(), random.Random(3)
    for _ in range(3000):
        spent_ms = slowness * chance.uniform(0.3, 1.0)
        share.record(1.0, spent_ms, spent_ms if share.is_watching else None)
    assert share.allows(allowed)
    assert not share.allows(refused)
    for _ in range(3000):
        share.record(1.0, 0.4)
    assert share.allows(2.5)


def test_tiles_that_are_not_allowed_are_tried_again():
    share = LoopShare()
    for _ in range(100):
        share.record(1.0, 10.0, 10.0)
    tries = next(number for number in range(100_000) if share.allows(2.0))
    assert 1000 < tries < 10_000


def test_one_slow_tile_changes_little():
    share = LoopShare()
    share.record(1.0, 1000.0, 1000.0)
    assert share.allows(2.3)


def test_only_the_processor_time_says_that_a_tile_was_slow():
    share = LoopShare()
    for _ in range(1000):
        share.record(1.0, 0.4)
    assert not share.is_watching, "what ends in time needs no second clock"
    for _ in range(1000):
        share.record(1.0, 1000.0, 0.4 if share.is_watching else None)
    assert share.allows(2.5), "other programs had the processor"


def test_tiles_that_seem_slow_are_looked_at_more_closely():
    share = LoopShare()
    for _ in range(1000):
        share.record(1.0, 0.4)
    share.record(1.0, 10.0)
    assert share.is_watching
    for _ in range(100):
        share.record(1.0, 10.0, 10.0 if share.is_watching else None)
    assert not share.allows(1.0)
    assert share.is_watching


def test_a_tile_that_is_not_allowed_is_rendered_in_a_thread(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "c") as server:
        broker, inline = server.context.broker, []
        render = broker._engine.render_inline
        monkeypatch.setattr(broker._engine, "render_inline", lambda task: inline.append(task) or render(task))
        assert server.get("/xyz/global_180/2/1/1.png").status == 200
        inline.clear()
        assert server.get("/xyz/global_180/2/1/2.png").status == 200
        assert len(inline) == 1
        broker._inline._share._ratio = 3.0
        assert server.get("/xyz/global_180/2/1/3.png").status == 200
        assert len(inline) == 1
