"""Several hosts: server processes with folders of their own and one shared tile cache."""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal

import pytest

from tests import data
from tests.faults.server import serving, wait_for
from tests.service.harness import running
from tests.service.shared_cache.places import free_port, redis_server, s3_server

TILES = [f"/xyz/global_180/2/{x}/{y}.png" for x in range(4) for y in range(4)]
KVP = (
    "/wmts?service=WMTS&request=GetTile&version=1.0.0&layer=global_180&style=default&format=image/png"
    "&TileMatrixSet=WebMercatorQuad&TileMatrix=2&TileRow={}&TileCol={}"
)
PATIENT = {"shared_cache_timeout_s": 30, "shared_lease_s": 60}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Bytes and tags of the tiles of a server without others."""
    folder = tmp_path_factory.mktemp("alone")
    data.CATALOGUE["global_180"]().write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        found = {path: (reply.body, reply.headers["ETag"]) for path in TILES for reply in [server.get(path)]}
    return folder / "store", found


@contextlib.contextmanager
def hosts(store, tmp_path, count, address, **options):
    """Run servers on copies of a store, each in its own folders."""
    with contextlib.ExitStack() as stack:
        servers = []
        for number in range(count):
            folder = tmp_path / f"host{number}"
            shutil.copytree(store, folder / "data")
            settings = {"shared_cache": address, **PATIENT, **options}
            servers.append(stack.enter_context(running(folder / "data", folder / "cache", **settings)))
        yield servers


def tier_of(reply):
    return reply.headers["Server-Timing"].partition("cache;desc=")[2].partition(",")[0]


def is_written(server, count):
    return server.counter("lazytile_shared_cache_bytes_total", direction="written") > 0 and (
        len(server.context.broker._turns._shared._writers) == 0 and server.renders >= count
    )


@pytest.mark.parametrize("kind", ["redis", "s3"])
def test_a_tile_is_computed_by_one_host_and_the_same_on_all(alone, tmp_path, kind):
    store, expected = alone
    place = redis_server(tmp_path) if kind == "redis" else s3_server()
    with place as address, hosts(store, tmp_path, 2, address) as (one, two):
        for path in TILES:
            reply = one.get(path)
            assert (reply.body, reply.headers["ETag"]) == expected[path]
            assert tier_of(reply) == "computed"
        wait_for(lambda: is_written(one, len(TILES)), what="the tiles are written")
        for number, path in enumerate(TILES):
            x, y = divmod(number, 4)
            reply = two.get(path if number % 2 else KVP.format(y, x))
            assert (reply.body, reply.headers["ETag"]) == expected[path]
            assert tier_of(reply) == "shared"
            assert tier_of(two.get(path)) == "memory", "it is kept on this host, too"
        assert two.renders == 0
        assert two.counter("lazytile_shared_cache_total", result="hit") == len(TILES)
        assert two.counter("lazytile_tiles_total", tier="shared") == len(TILES)
        assert json.loads(two.get("/readyz").body)["conditions"] == []


def test_hosts_that_are_asked_at_the_same_time_compute_once(alone, tmp_path):
    store, expected = alone
    with redis_server(tmp_path) as address, hosts(store, tmp_path, 3, address) as servers:
        paths = TILES * 2
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            jobs = [(path, pool.submit(server.get, path)) for path in paths for server in servers]
            for path, job in jobs:
                assert (job.result().body, job.result().headers["ETag"]) == expected[path]
        assert sum(server.renders for server in servers) == len(TILES)


def test_a_host_that_computes_for_too_long_is_not_waited_for(alone, tmp_path):
    store, expected = alone
    with (
        redis_server(tmp_path) as address,
        hosts(store, tmp_path, 2, address, shared_lease_s=0.5) as (stuck, other),
    ):
        release = asyncio.Event()
        engine = stuck.context.broker.engine
        render = engine.render

        async def held(task, **options):
            await release.wait()
            return await render(task, **options)

        engine.render = held
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(stuck.get, TILES[5])
            wait_for(lambda: stuck.counter("lazytile_shared_cache_total", result="miss") >= 1, what="it began")
            reply = other.get(TILES[5])
            assert (reply.body, tier_of(reply)) == (expected[TILES[5]][0], "computed")
            stuck.loop.call_soon_threadsafe(release.set)
            assert waiting.result().body == expected[TILES[5]][0]


def test_every_tile_is_right_while_the_place_is_away_and_it_is_used_again(alone, tmp_path):
    store, expected = alone
    port = free_port()
    with hosts(store, tmp_path, 1, f"redis://127.0.0.1:{port}", shared_cache_timeout_s=5) as (server,):
        for path in TILES:
            reply = server.get(path)
            assert (reply.body, reply.headers["ETag"], tier_of(reply)) == (*expected[path], "computed")
        readiness = json.loads(server.get("/readyz").body)
        assert readiness["ready"]
        assert [each["key"] for each in readiness["conditions"]] == ["shared tile cache"]
        assert server.counter("lazytile_shared_cache_total", result="error") >= 3
        with redis_server(tmp_path, port):
            wait_for(lambda: not json.loads(server.get("/readyz").body)["conditions"], what="it is used again")


def test_processes_of_their_own_and_one_is_killed(alone, tmp_path):
    store, expected = alone
    other = tmp_path / "b" / "other name of the folder"
    shutil.copytree(store, other)
    with redis_server(tmp_path) as address:
        environment = {"LAZYTILE_SHARED_CACHE": address, "LAZYTILE_SHARED_CACHE_TIMEOUT_S": "30"}
        with (
            serving(store, tmp_path / "a" / "cache", environment=environment, exit_code=None) as one,
            serving(
                tmp_path / "b" / "other name of the folder", tmp_path / "b" / "cache", environment=environment
            ) as two,
        ):
            assert one.get(TILES[0]).body == expected[TILES[0]][0]
            written = "lazytile_shared_cache_bytes_total"
            wait_for(
                lambda: one.counter(written, direction="written") == len(expected[TILES[0]][0]), what="it is written"
            )
            reply = two.get(TILES[0])
            assert (reply.body, reply.headers["etag"]) == expected[TILES[0]]
            assert "cache;desc=shared" in reply.headers["server-timing"]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                jobs = [(path, pool.submit(server.get, path)) for path in TILES[1:] for server in (one, two)]
                os.kill(one.pid, signal.SIGKILL)
                for path, job in jobs:
                    reply = job.result()
                    assert reply.status == 0 or (reply.status, reply.body) == (200, expected[path][0])
            for path in TILES:
                assert two.get(path).body == expected[path][0]


def test_small_tiles_may_be_left_to_every_host(alone, tmp_path):
    store, _ = alone
    with redis_server(tmp_path) as address, hosts(store, tmp_path, 1, address, shared_lease_ms=1e6) as (server,):
        assert server.get(TILES[0]).status == 200
        wait_for(lambda: is_written(server, 1), what="the tile is written")
        shared = server.context.broker._turns._shared
        keys = asyncio.run_coroutine_threadsafe(shared._backend._redis.keys("*"), server.loop).result(60)
        assert [key.split(b":")[1] for key in keys] == [b"tile"]
