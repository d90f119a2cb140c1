"""Tiles that are likely to be requested next are rendered while there is nothing else to do."""

import asyncio
import time

import pytest

from lazytile.service.admission.work_class import WorkClass
from lazytile.service.protocol.tile_address import address_of_rest
from lazytile.service.tiles.prefetch import following
from tests.service.harness import running

DAYS = ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z")


def path(day=0, row=0, col=0, zoom=3):
    return f"/wmts/time_steps/default/{DAYS[day]}/WebMercatorQuad/{zoom}/{row}/{col}.png"


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def tier(reply):
    assert reply.status == 200
    return reply.headers["Server-Timing"].partition("cache;desc=")[2].partition(",")[0]


def prefetched(server):
    return server.counter("lazytile_prefetched_total")


@pytest.fixture
def server(store, tmp_path):
    with running(store, tmp_path / "cache", prefetch=True) as server:
        yield server


def test_the_next_step_and_the_neighbours_follow(server):
    request = server.resolve(address_of_rest(path(0, 3, 0)[6:].split("/"))).request
    found = [(each.dim_index, each.row, each.col) for each in following(request)]
    assert found == [((1,), 3, 0), ((0,), 3, 1), ((0,), 4, 0), ((0,), 2, 0)]
    last = server.resolve(address_of_rest(path(2, 0, 0, 0)[6:].split("/"))).request
    assert list(following(last)) == []


def test_an_animation_finds_its_tiles_warm(server):
    assert tier(server.get(path(0, 3, 1))) == "computed"
    until(lambda: prefetched(server) == 5)
    assert tier(server.get(path(1, 3, 1))) == "memory"
    until(lambda: prefetched(server) >= 6)
    until(lambda: tier(server.get(path(2, 3, 1))) == "memory")
    assert server.counter("lazytile_prefetch_hits_total") == 2
    assert tier(server.get(path(0, 3, 2))) == "memory"


def test_without_the_setting_nothing_is_rendered_ahead(store, tmp_path):
    with running(store, tmp_path / "cache") as server:
        assert tier(server.get(path(0, 3, 1))) == "computed"
        time.sleep(0.2)
        assert tier(server.get(path(1, 3, 1))) == "computed"
        assert prefetched(server) == 0


def test_under_load_what_was_noted_is_dropped(server):
    admission = server.context.admission

    async def load(release):
        async with admission.slot(WorkClass.HEAVY):
            await release.wait()

    release = asyncio.Event()
    held = asyncio.run_coroutine_threadsafe(load(release), server.loop)
    until(lambda: not admission.has_room)
    assert tier(server.get(path(0, 3, 1))) == "computed"
    until(lambda: server.counter("lazytile_prefetch_dropped_total") >= 1)
    assert prefetched(server) == 0
    server.loop.call_soon_threadsafe(release.set)
    held.result(10)
    assert tier(server.get(path(1, 3, 1))) == "computed"
    until(lambda: prefetched(server) > 0)


def test_a_failure_ahead_harms_nobody(server, monkeypatch):
    engine = server.context.broker.engine
    calls = []

    async def fail(task, **options):
        calls.append(task)
        raise engine_error

    from lazytile.pyramid.core.errors import StoreError

    engine_error = StoreError("a chunk is damaged")
    assert tier(server.get(path(0, 0, 0, 0))) == "computed"
    until(lambda: prefetched(server) == 1)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "render", fail)
        assert tier(server.get(path(0, 3, 1))) == "computed"
        until(lambda: len(calls) == 5)
    assert tier(server.get(path(1, 3, 1))) == "computed"
