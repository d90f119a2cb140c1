"""The admission queue: slots of each class, refusals, time limits, and metrics."""

import asyncio
import http.client
import threading
import time
from contextlib import AsyncExitStack, contextmanager

import pytest

from lazytile.service.admission.admission import Admission
from lazytile.service.admission.work_class import ClassLimits, WorkClass
from lazytile.service.http.errors import BusyError, OverdueError
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.settings import Settings
from tests.service.harness import running


def counted(metrics, name):
    lines = metrics.exposition().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Bench:
    def __init__(self, *, running=1, waiting=1, timeout_s=10.0):
        self.metrics = Metrics()
        limits = dict.fromkeys(WorkClass, ClassLimits(running, waiting))
        self.admission = Admission(limits, timeout_s, self.metrics)
        self.gate = asyncio.Event()
        self.ended = []

    async def work(self, name, work_class=WorkClass.LIGHT):
        async with self.admission.slot(work_class):
            await self.gate.wait()
            self.ended.append(name)

    def start(self, name, work_class=WorkClass.LIGHT):
        return asyncio.create_task(self.work(name, work_class))

    def state(self):
        return counted(self.metrics, "lazytile_running "), counted(self.metrics, "lazytile_queue_depth ")


def test_work_over_the_limits_is_refused():
    async def main():
        bench = Bench()
        tasks = [bench.start(name) for name in "abc"]
        await asyncio.sleep(0.01)
        assert bench.state() == (1, 1)
        assert [task.done() for task in tasks] == [False, False, True]
        with pytest.raises(BusyError, match=r"the queue for light requests is full \(1 running, 1 waiting\)") as caught:
            tasks[2].result()
        assert caught.value.retry_after_s == 1
        assert counted(bench.metrics, 'lazytile_refused_total{reason="busy",work="light"}') == 1
        bench.gate.set()
        await asyncio.gather(*tasks[:2])
        assert bench.ended == ["a", "b"]
        assert bench.state() == (0, 0)
        await bench.work("d")

    asyncio.run(main())


def test_a_full_class_keeps_no_other_waiting():
    async def main():
        bench = Bench(waiting=0)
        heavy = bench.start("heavy", WorkClass.HEAVY)
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError, match="heavy requests"):
            await bench.work("more", WorkClass.HEAVY)
        light = bench.start("light", WorkClass.LIGHT)
        await asyncio.sleep(0.01)
        assert bench.state() == (2, 0)
        bench.gate.set()
        await asyncio.gather(heavy, light)

    asyncio.run(main())


def test_cancelled_work_leaves_its_slot_or_the_queue():
    async def main():
        bench = Bench()
        running, waiting = bench.start("a"), bench.start("b")
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert bench.state() == (1, 0)
        third = bench.start("c")
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(0.01)
        assert bench.state() == (1, 0)
        bench.gate.set()
        await third
        assert bench.ended == ["c"]

    asyncio.run(main())


def test_a_time_limit_counts_the_wait_too():
    async def main():
        bench = Bench(timeout_s=0.05)
        first = bench.start("a")
        await asyncio.sleep(0.01)
        with pytest.raises(OverdueError, match=r"the style request took longer than 0\.05 seconds"):
            async with bench.admission.time_limit(WorkClass.STYLE):
                await bench.work("b")
        assert counted(bench.metrics, 'lazytile_refused_total{reason="overdue",work="style"}') == 1
        assert bench.state() == (1, 0)
        bench.gate.set()
        await first

    asyncio.run(main())


def test_the_time_limit_begins_when_the_request_arrives():
    async def main():
        bench = Bench(timeout_s=60.0)
        bench.admission.arrived(asyncio.get_running_loop().time() - 59.95, None)
        with pytest.raises(OverdueError):
            async with bench.admission.time_limit(WorkClass.STYLE):
                await asyncio.sleep(30)
        bench.admission.arrived(asyncio.get_running_loop().time(), None)
        async with bench.admission.time_limit(WorkClass.STYLE):
            await asyncio.sleep(0)

    asyncio.run(main())


def test_who_waits_longer_than_the_queue_allows_is_refused():
    async def main():
        metrics = Metrics()
        limits = dict.fromkeys(WorkClass, ClassLimits(1, 5, wait_s=0.05, retry_after_s=3))
        admission = Admission(limits, 10.0, metrics)
        async with admission.slot(WorkClass.HEAVY):
            with pytest.raises(BusyError, match=r"heavy requests wait longer than 0\.05 seconds") as caught:
                async with admission.slot(WorkClass.HEAVY):
                    pass
        assert caught.value.retry_after_s == 3
        assert counted(metrics, 'lazytile_refused_total{reason="busy",work="heavy"}') == 1

    asyncio.run(main())


def test_the_estimate_decides_the_class():
    admission = Admission(dict.fromkeys(WorkClass, ClassLimits(1, 1)), 10.0, Metrics(), heavy_ms=50.0)
    assert (admission.class_of(49.0), admission.class_of(51.0)) == (WorkClass.LIGHT, WorkClass.HEAVY)


def test_nothing_begins_in_the_background_while_somebody_waits():
    async def main():
        bench = Bench()
        assert bench.admission.has_room
        light = [bench.start(name, WorkClass.LIGHT) for name in "ab"]
        await asyncio.sleep(0.01)
        assert not bench.admission.has_room
        bench.gate.set()
        await asyncio.gather(*light)
        async with bench.admission.slot(WorkClass.LIGHT):
            assert bench.admission.has_room
        async with bench.admission.slot(WorkClass.HEAVY):
            assert not bench.admission.has_room

    asyncio.run(main())


def test_a_timeout_of_the_work_itself_is_not_ours():
    async def main():
        bench = Bench()
        with pytest.raises(TimeoutError, match="the network"):
            async with bench.admission.time_limit(WorkClass.LIGHT):
                raise TimeoutError("the network")
        assert counted(bench.metrics, "lazytile_refused_total") == 0

    asyncio.run(main())


def test_the_settings_decide_how_much_waits_and_the_engine_how_many_tiles_run():
    admission = Admission.of(Settings.of(queue_length=7), 3, Metrics())
    found = {each: (admission.limits(each).running, admission.limits(each).waiting) for each in WorkClass}
    assert found == {
        WorkClass.LIGHT: (6, 7),
        WorkClass.HEAVY: (1, 7),
        WorkClass.STYLE: (1, 7),
        WorkClass.PREPARATION: (1, 64),
        WorkClass.DOCUMENT: (1, 7),
        WorkClass.BACKGROUND: (1, 7),
    }


HEAVY = (
    "/wms?service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles=&crs=EPSG:3413&resampling=average"
    "&bbox=-4194304,-4194304,4194304,4194304&width=1024&height=1024&format=image/png"
)
PATHS = {
    WorkClass.LIGHT: (
        "/xyz/global_180/2/1/1.png?filter=blur",
        "/wmts/global_180/default/WebMercatorQuad/2/1/1/100/100.json",
        "/numbers/global_180/point?lon=0&lat=0",
    ),
    WorkClass.HEAVY: (HEAVY,),
    WorkClass.STYLE: ("/legends/global_180/default_H.svg",),
    WorkClass.DOCUMENT: (
        "/wmts?service=WMTS&request=GetCapabilities",
        "/wms?service=WMS&request=GetCapabilities",
        "/ogc/collections",
        "/ogc/api",
        "/wmts?service=WMTS&request=DescribeDomains&layer=global_180&TileMatrixSet=WebMercatorQuad",
    ),
}
"""Paths of what clients wait for, by the class of their work."""


@contextmanager
def occupied(server, work_class):
    """Hold every slot of a class."""
    admission, release, full = server.context.admission, asyncio.Event(), threading.Event()

    async def hold():
        async with AsyncExitStack() as stack:
            for _ in range(admission.limits(work_class).running):
                await stack.enter_async_context(admission.slot(work_class))
            full.set()
            await release.wait()

    held = asyncio.run_coroutine_threadsafe(hold(), server.loop)
    assert full.wait(10)
    try:
        yield
    finally:
        server.loop.call_soon_threadsafe(release.set)
        held.result(10)


@pytest.mark.parametrize("work_class", PATHS)
def test_only_requests_of_a_full_class_are_503(store, tmp_path, work_class):
    with running(store, tmp_path / "cache", queue_length=0) as server:
        # A tile whose style is not compiled needs a slot of that class too.
        assert server.get("/xyz/global_180/0/0/0.png").status == 200
        with occupied(server, work_class):
            statuses = {path: server.get(path).status for paths in PATHS.values() for path in paths}
            reply = server.get(PATHS[work_class][0])
        expected = {path: 503 if each is work_class else 200 for each, paths in PATHS.items() for path in paths}
        assert statuses == expected
        after_s = {WorkClass.LIGHT: 1, WorkClass.HEAVY: 5, WorkClass.STYLE: 2, WorkClass.DOCUMENT: 2}[work_class]
        assert (reply.status, int(reply.headers["Retry-After"])) == (503, after_s)
        assert f"the queue for {work_class} requests is full".encode() in reply.body
        refused = server.counter("lazytile_refused_total", reason="busy", work=str(work_class))
        assert refused == len(PATHS[work_class]) + 1
        assert server.get(PATHS[work_class][0]).status == 200


@pytest.mark.parametrize("work_class", PATHS)
def test_a_request_that_waits_too_long_is_504(store, tmp_path, work_class):
    with running(store, tmp_path / "cache", timeout_s=0.2) as server, occupied(server, work_class):
        reply = server.get(PATHS[work_class][0])
        assert reply.status == 504
        assert f"the {work_class} request took longer than 0.2 seconds".encode() in reply.body
        assert server.counter("lazytile_queue_depth") == 0


def tiles_until_one_is_rendered_at_once():
    """Different tiles, with pauses: a busy machine looks some of them up on disk first, or renders them in a thread."""
    for number in range(1, 64):
        yield f"/xyz/global_180/3/{number % 8}/{number // 8}.png"
        time.sleep(0.05)
    raise AssertionError("no tile was rendered at once")


def test_each_request_of_a_connection_is_its_visitors(store, tmp_path):
    """Else everybody were new at each request, and nobody a guest among them."""
    with running(store, tmp_path / "cache") as server:
        known = server.context.admission.visitors._known
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

        def requests_after(path):
            connection.request("GET", path)
            connection.getresponse().read()
            (requests,) = [visitor.requests for visitor in known.values()]
            return requests

        try:
            assert requests_after("/xyz/global_180/3/0/0.png") == 1
            # In memory, or rendered at once: nothing that others wait for.
            assert requests_after("/xyz/global_180/3/0/0.png") == 1
            counted = 1
            for path in tiles_until_one_is_rendered_at_once():
                before, counted = counted, requests_after(path)
                if counted == before:
                    break
                assert counted == before + 1
            for number in range(3):
                assert requests_after(f"/xyz/nowhere/3/{number}/1.png") == counted + 1 + number
        finally:
            connection.close()


def test_a_connection_is_as_old_as_its_first_tile_although_that_was_rendered_at_once(store, tmp_path):
    """Else a map that was there before a flood were taken for a part of it."""
    with running(store, tmp_path / "cache") as server:
        assert server.get("/xyz/global_180/3/0/0.png").status == 200
        known = server.context.admission.visitors._known
        for path in tiles_until_one_is_rendered_at_once():
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            try:
                connection.request("GET", path)
                connection.getresponse().read()
                at_once = [each for each in known.values() if not each.requests]
                if not at_once:
                    continue
                (visitor,) = at_once
                first = visitor.since
                connection.request("GET", "/xyz/nowhere/3/1/1.png")
                connection.getresponse().read()
                assert (visitor.requests, visitor.since) == (1, first)
                return
            finally:
                connection.close()
