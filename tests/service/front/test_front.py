"""What the front learns, how much of it, and what it leaves to the application."""

import asyncio
import itertools

from lazytile.pyramid.core.errors import NotComputedError
from lazytile.service.front import front as front_module
from tests.service.front.requests import Client
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1.png"
SHORT = "cache;desc=memory, resolve;dur=0.00"


def test_a_neighbour_of_a_known_tile_takes_the_short_path_at_once(store, tmp_path):
    with running(store, tmp_path / "cache") as server, Client(server.port) as client:
        client.ask(TILE)
        client.ask("/xyz/global_180/2/2/1.png")
        assert client.timing.startswith("cache;desc=computed")
        client.ask("/xyz/global_180/2/2/1.png")
        assert client.timing == SHORT


def test_a_server_that_ends_closes_connections_of_the_short_path_too(store, tmp_path):
    with running(store, tmp_path / "cache") as server, Client(server.port) as client:
        for _ in range(2):
            expected = client.ask(TILE)
        response = server.front._at_once
        closed = []

        def closing(*arguments):
            answer = response(*arguments)
            answer.force_close()
            closed.append(answer)
            return answer

        server.front._at_once = closing
        status, fields, body = client.ask(TILE)
        assert closed
        assert ("Connection", "close") in fields
        fields.remove(("Connection", "close"))
        assert (status, fields, body) == expected


def test_what_is_learned_is_bounded_in_bytes(store, tmp_path):
    with running(store, tmp_path / "cache", memory_bytes=8 << 20) as server, Client(server.port) as client:
        client.ask(TILE)
        for number in range(400):
            assert client.ask(f"{TILE}?x={number}")[0] == 200
        metric = {"cache": "requests"}
        limit = server.counter("lazytile_cache_limit_bytes", **metric)
        assert 0 < limit < 8 << 20
        assert server.counter("lazytile_cache_bytes", **metric) <= limit
        assert server.counter("lazytile_cache_evictions_total", **metric) > 0
        assert client.ask(TILE)[0] == 200


def test_without_memory_everything_takes_the_usual_path(store, tmp_path):
    with running(store, tmp_path / "cache", memory_bytes=0) as server, Client(server.port) as client:
        answers = [client.ask(TILE) for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        assert server.counter("lazytile_cache_entries", cache="requests") == 0


def test_without_a_tile_cache_families_are_learned_but_no_single_tile(store, tmp_path):
    with running(store, tmp_path / "cache", no_tile_cache=True) as server, Client(server.port) as client:
        first = client.ask(TILE)
        for number in range(4):
            client.ask(f"/xyz/global_180/2/{number}/1.png")
            assert client.timing.startswith("cache;desc=computed")
        assert client.ask(TILE) == first
        assert server.counter("lazytile_cache_entries", cache="requests") == 1


def test_single_tiles_are_kept_once_they_are_found_in_memory(store, tmp_path):
    with running(store, tmp_path / "cache") as server, Client(server.port) as client:
        client.ask(TILE)
        for expected in (1, 2, 2):  # the family; and this tile
            assert server.counter("lazytile_cache_entries", cache="requests") == expected
            client.ask(TILE)


def test_an_answer_that_depends_on_headers_is_not_learned(store, tmp_path):
    path = "/ogc/collections/global_180/map/tiles/WebMercatorQuad/2/1/1"
    with running(store, tmp_path / "cache") as server, Client(server.port) as client:
        for _ in range(2):
            for accept in ("image/png", "image/jpeg"):
                status, fields, _ = client.ask(path, headers={"Accept": accept})
                assert (status, dict(fields)["Content-Type"]) == (200, accept)


def test_a_request_that_is_not_admitted_goes_on_to_the_application(store, tmp_path):
    with running(store, tmp_path / "cache") as server, Client(server.port) as client:
        for _ in range(2):
            client.ask(TILE)
        assert client.timing == SHORT
        server.front._admits = lambda request: request.headers.get("Authorization") == "Bearer x"
        client.ask(TILE)
        assert client.timing != SHORT
        client.ask(TILE, headers={"Authorization": "Bearer x"})
        assert client.timing == SHORT


def test_what_has_to_be_computed_first_is_not_tried_twice_on_the_loop(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "c") as server:
        assert server.get("/xyz/global_180/3/0/0.png").status == 200
        tried = []

        def lack(task):
            tried.append(task)
            raise NotComputedError("nothing is at hand")

        monkeypatch.setattr(server.context.broker.engine, "render_inline", lack)
        assert server.get("/xyz/global_180/3/1/1.png").status == 200
        assert len(tried) == 1


def test_what_was_learned_is_forgotten_at_once_and_freed_in_parts(store, tmp_path, monkeypatch):
    monkeypatch.setattr(front_module, "FREED", 2)
    with running(store, tmp_path / "c") as server:
        for _ in range(3):
            for col in range(4):
                assert server.get(f"/xyz/global_180/2/{col}/1.png").status == 200
        cache, held = server.front._cache, []
        detach = cache.detach
        monkeypatch.setattr(cache, "detach", lambda: held.extend(detach()) or tuple(held))

        async def forget():
            server.front._forget()
            left = [sum(map(len, held))]
            while left[-1]:
                await asyncio.sleep(0)
                left.append(sum(map(len, held)))
            return left

        left = asyncio.run_coroutine_threadsafe(forget(), server.loop).result(60)
        assert cache.statistics.entries == 0
    assert left[0] >= 5
    assert all(0 <= before - after <= 2 for before, after in itertools.pairwise(left))
