"""The tile broker: single flight, admission, time limits, cancellation, generations."""

import asyncio
import threading
import time

import pytest

from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.numbers.statistics import PointCell
from lazytile.pyramid.numbers.task import NumbersTask, compute
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.store import Store, store_at
from lazytile.service.admission.admission import Admission
from lazytile.service.http.errors import BusyError, OverdueError
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.http.settings import Settings
from lazytile.service.protocol.tile_address import address_of_rest
from lazytile.service.tiles.broker import TileBroker
from lazytile.service.tiles.cache import NoCache, open_cache
from tests import data
from tests.service.harness import running


class Engine:
    """An engine of one slot that can be held up."""

    capacity = 1
    in_process = True
    kernels = frozenset()
    workers = 1
    description = "held"

    def __init__(self):
        self.gate = asyncio.Event()
        self.tasks = []
        self.cancelled = 0
        self.perform = render

    def render_inline(self, task):
        return None

    async def render(self, task, *, is_heavy=False):
        self.tasks.append(task)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.perform(task)

    async def close(self):
        pass


class Bench:
    def __init__(self, store, tmp_path, **options):
        from lazytile.colormaps.library.catalog import ColormapCatalog

        self.settings = Settings.of(store=store, cache=tmp_path / "cache", **options)
        opened = Store(store)
        self.resolver = Resolver(opened, Styles(ColormapCatalog()), parameter_name)
        self.engine = Engine()
        self.cache = open_cache(self.settings, BytesLru(self.settings.memory_bytes, len))
        self.metrics = Metrics()
        self.admission = Admission.of(self.settings, self.engine.capacity, self.metrics)
        self.broker = TileBroker(self.settings, self.cache, self.engine, self.metrics, admission=self.admission)

    def prepared(self, row, col, zoom=4):
        path = f"global_180/default/WebMercatorQuad/{zoom}/{row}/{col}.png"
        return self.broker.prepare(self.resolver.resolve(address_of_rest(path.split("/"))).request)

    def waiters(self):
        """Requests that wait for tasks."""
        return sum(flight.waiters for flight in self.admission._flights._flights.values())

    def ask(self, row, col, zoom=4):
        return asyncio.create_task(self.broker.tile(self.prepared(row, col, zoom)))


def bench(test):
    """Run a coroutine function with a bench of the options it names."""

    def decorated(store, tmp_path):
        async def main():
            made = Bench(store, tmp_path, **getattr(test, "options", {}))
            try:
                await test(made)
            finally:
                made.engine.gate.set()
                await made.broker.close()

        asyncio.run(main())

    decorated.__name__ = test.__name__
    return decorated


def options(**values):
    def set_options(test):
        test.options = values
        return test

    return set_options


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


@bench
@options(metatile=2)
async def test_neighbours_and_equals_share_one_task(bench):
    asked = [bench.ask(row, col) for row in (4, 5) for col in (4, 5) for _ in range(5)]
    await until(lambda: bench.engine.tasks)
    await asyncio.sleep(0.05)
    bench.engine.gate.set()
    tiles = await asyncio.gather(*asked)
    assert len(bench.engine.tasks) == 1
    assert len({tile.data for tile in tiles}) == 4
    assert (await bench.broker.tile(bench.prepared(4, 4))).tier == "memory"


@bench
@options(metatile=1, queue_length=1)
async def test_over_the_queue_it_is_busy(bench):
    asked = [bench.ask(0, col) for col in range(5)]  # two on the engine, one waits
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
    await until(lambda: sum(task.done() for task in asked) == 2)
    errors = [task.exception() for task in asked if task.done()]
    assert done
    assert all(isinstance(error, BusyError) and error.retry_after_s >= 1 for error in errors)
    bench.engine.gate.set()
    assert (
        len([tile for tile in await asyncio.gather(*asked, return_exceptions=True) if not isinstance(tile, Exception)])
        == 3
    )


@bench
@options(metatile=1, timeout_s=0.05)
async def test_a_tile_that_takes_too_long(bench):
    while not bench.engine.tasks:  # on a busy machine the time may be up before the engine has the task
        with pytest.raises(OverdueError, match=r"0\.05 seconds"):
            await bench.broker.tile(bench.prepared(0, 0))
    await until(lambda: bench.engine.cancelled == 1)


@bench
@options(metatile=1)
async def test_work_that_nobody_waits_for_is_cancelled(bench):
    first, second = bench.ask(0, 0), bench.ask(0, 0)
    await until(lambda: bench.engine.tasks and bench.waiters() == 2)
    first.cancel()
    await asyncio.sleep(0.02)
    assert bench.engine.cancelled == 0
    second.cancel()
    await until(lambda: bench.engine.cancelled == 1)
    queued = [bench.ask(1, col) for col in range(4)]
    await until(lambda: len(bench.engine.tasks) == 3)
    for task in queued:
        task.cancel()
    await asyncio.gather(*queued, return_exceptions=True)
    await until(lambda: bench.engine.cancelled == 3)
    assert len(bench.engine.tasks) == 3  # the two that waited never reached the engine
    bench.engine.gate.set()
    assert (await bench.broker.tile(bench.prepared(0, 0))).tier == "computed"


@bench
async def test_equal_numbers_are_computed_once_and_not_at_all_when_nobody_waits(bench):
    layer = Store(bench.settings.store).layer("global_180")
    dataset, name = layer.dataset, layer.variable.name
    tasks = [
        NumbersTask(
            str(bench.settings.store), dataset.name, dataset.generation, name, ((),), cell=PointCell(row, 0, 0.0, 0.0)
        )
        for row in (7, 7, 7, 8)
    ]
    asked = [asyncio.create_task(bench.broker.compute(task, dataset)) for task in tasks]
    await until(lambda: len(bench.engine.tasks) == 2)
    asked[0].cancel()
    await asyncio.sleep(0.02)
    assert bench.engine.cancelled == 0
    asked[3].cancel()
    await until(lambda: bench.engine.cancelled == 1)
    bench.engine.perform = compute
    bench.engine.gate.set()
    first, second = await asyncio.gather(*asked[1:3])
    assert first == second
    assert len(bench.engine.tasks) == 2


@bench
@options(no_tile_cache=True, metatile=1)
async def test_without_caches_everything_is_rendered(bench):
    bench.engine.gate.set()
    assert isinstance(bench.cache, NoCache)
    assert [(await bench.broker.tile(bench.prepared(0, 0))).tier for _ in range(3)] == ["computed"] * 3
    assert not (bench.settings.cache / "tiles-2").exists()


@bench
@options(memory_bytes=0, metatile=1)
async def test_the_disk_tier_answers_where_memory_does_not(bench):
    bench.engine.gate.set()
    first = await bench.broker.tile(bench.prepared(0, 0))
    second = await bench.broker.tile(bench.prepared(0, 0))
    assert (first.tier, second.tier) == ("computed", "disk")
    assert first.data == second.data


def test_tiles_survive_a_restart(store, tmp_path):
    path = "/xyz/global_180/3/3/3.png"
    with running(store, tmp_path / "cache") as server:
        body = server.get(path).body
    with running(store, tmp_path / "cache") as server:
        reply = server.get(path)
        assert reply.body == body
        assert "cache;desc=disk" in reply.headers["Server-Timing"]
        assert server.counter("lazytile_renders_total") == 0
        assert server.counter("lazytile_tiles_total", tier="disk") == 1


def test_a_replaced_dataset_is_seen_and_its_old_tiles_go(tmp_path):
    store, path = tmp_path / "store", "/xyz/constant/0/0/0.png"
    data.CATALOGUE["constant"]().write(store)
    with running(store, tmp_path / "cache") as server:
        first = server.get(path)
        data.CATALOGUE["constant"]().write(store, generation="synthetic-2")
        second = server.get(path, {"If-None-Match": first.headers["ETag"]})
        assert second.status == 200
        assert second.headers["ETag"] != first.headers["ETag"]
        deadline = time.monotonic() + 60
        key, new = (reply.headers["ETag"].strip('"') for reply in (first, second))
        disk = server.context.broker._cache._disk
        # On a busy machine the first is not written yet either.
        while (disk.get(new) is None or disk.get(key) is not None) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert disk.get(key) is None
        assert disk.get(second.headers["ETag"].strip('"')) == second.body
        disk.close()


def test_a_dataset_replaced_between_look_and_work_is_looked_at_anew(tmp_path, monkeypatch):
    store = tmp_path / "store"
    data.CATALOGUE["constant"]().write(store)
    with running(store, tmp_path / "cache") as server:
        resolve, calls = Resolver.resolve, []

        def replaced_after_the_first(self, address):
            resolved = resolve(self, address)
            calls.append(resolved.request.layer.dataset.generation)
            if len(calls) == 1:
                data.CATALOGUE["constant"]().write(store, generation="synthetic-2")
            return resolved

        monkeypatch.setattr(Resolver, "resolve", replaced_after_the_first)
        reply = server.get("/xyz/constant/0/0/0.png")
        assert reply.status == 200
        assert calls == ["synthetic-1", "synthetic-2"]


def break_engine(monkeypatch, engine, error, *, at_once):
    """Have light tasks fail where they are rendered: on the event loop, or in the pool."""

    def fail(task):
        raise error

    async def fail_later(task, **options):
        raise error

    monkeypatch.setattr(engine, "render_inline", fail if at_once else lambda task: None)
    monkeypatch.setattr(engine, "render", fail_later)


def test_light_tasks_need_no_pool_and_others_do(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "cache") as server:
        engine, light = server.context.broker._engine, []
        render_inline = engine.render_inline

        def note(task):
            images = render_inline(task)
            light.append(task)
            return images

        monkeypatch.setattr(engine, "render_inline", note)
        assert server.get("/xyz/global_180/2/1/2.png").status == 200  # with its style, the dataset was opened
        light.clear()
        opened = process.current()._resources.pop(("store", str(store.resolve())))
        assert server.get("/xyz/global_180/2/1/0.png").status == 200
        assert light == [], "a tile that has to open its dataset takes longer"
        assert server.get("/xyz/global_180/0/0/0.png?filter=blur").status == 200  # it opens an array without checksums
        assert opened is not store_at(str(store.resolve()))
        assert server.get("/xyz/global_180/2/1/3.png?colormap=random-7").status == 200
        assert len(light) == 1, "the tables of another style take less than a tile"
        light.clear()
        for options in ("", "?resampling=bilinear", "?filter=blur", "?resampling=nearest", ""):
            assert server.get(f"/xyz/global_180/2/1/1.png{options}").status == 200
        assert len(light) == 1, "the nearest cell is what this zoom shows anyway: the last two are in the cache"
        assert server.get("/xyz/global_180/0/0/0.png?resampling=nearest").status == 200
        assert [task.resampling for task in light] == [None, Resampling.NEAREST]
        assert server.get("/xyz/global_180/2/1/1.webp").status == 200
        assert len(light) == 2


@pytest.mark.parametrize("at_once", [True, False])
def test_engine_failures_are_503_and_do_not_tell_tales(store, tmp_path, monkeypatch, at_once):
    with running(store, tmp_path / "cache") as server:
        error = EngineError("the worker at 10.0.0.7 is gone")
        assert server.get("/xyz/global_180/2/1/2.png").status == 200
        break_engine(monkeypatch, server.context.broker._engine, error, at_once=at_once)
        reply = server.kvp()
        assert reply.exception() == (503, "NoApplicableCode", None)
        assert reply.headers["Retry-After"] == "1"
        assert b"10.0.0.7" not in reply.body


@pytest.mark.parametrize("at_once", [True, False])
def test_what_nobody_expected_is_500_and_in_the_log(store, tmp_path, monkeypatch, caplog, at_once):
    with running(store, tmp_path / "cache") as server:
        error = ZeroDivisionError("secret detail")
        assert server.get("/xyz/global_180/2/1/2.png").status == 200
        break_engine(monkeypatch, server.context.broker._engine, error, at_once=at_once)
        reply = server.kvp()
        assert reply.exception() == (500, "NoApplicableCode", None)
        assert b"secret" not in reply.body
        assert "ZeroDivisionError" in caplog.text
        assert "Traceback" in caplog.text


def test_many_clients_at_once_render_each_metatile_once(store, tmp_path):
    paths = [f"/xyz/global_180/4/{x}/{y}.png" for x in range(4, 8) for y in range(4, 8)] * 3
    with running(store, tmp_path / "cache", metatile=2) as server:
        replies = []
        threads = [threading.Thread(target=lambda path=path: replies.append(server.get(path))) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [reply.status for reply in replies] == [200] * len(paths)
        assert server.counter("lazytile_renders_total") == 4
        assert server.counter("lazytile_rendered_tiles_total") == 16


def test_a_client_that_leaves_is_counted(store, tmp_path, monkeypatch):
    import socket

    with running(store, tmp_path / "cache") as server:

        async def slow(task, **options):
            await asyncio.sleep(30)

        monkeypatch.setattr(server.context.broker._engine, "render_inline", lambda task: None)
        monkeypatch.setattr(server.context.broker._engine, "render", slow)
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /xyz/global_180/2/1/1.png HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
        deadline = time.monotonic() + 10
        while not server.counter("lazytile_cancelled_total") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.counter("lazytile_cancelled_total") == 1
        assert server.counter("lazytile_running") == 0
