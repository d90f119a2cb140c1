"""Work whose clients have left or whose time is up: counted until its thread has ended, and asked to stop."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.render import renderer
from lazytile.service.admission.admission import Admission
from lazytile.service.admission.work_class import ClassLimits, WorkClass
from lazytile.service.featureinfo import pixel_value
from lazytile.service.http.errors import BusyError, OverdueError
from lazytile.service.http.metrics import Metrics
from lazytile.service.legends import responses
from tests.service.harness import running

POLAR = (
    "/wms?service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles=&crs=EPSG:3413&resampling=average"
    "&bbox=-4194304,-4194304,4194304,4194304&width=2048&height=2048&format=image/png"
)
PATHS = {
    "tile": "/xyz/global_180/2/1/1.png?filter=blur",
    "pixel": "/wmts/global_180/default/WebMercatorQuad/2/1/1/100/{}.json",
    "style": "/legends/global_180/default_H.svg",
    "numbers": "/numbers/global_180/point?lon=0&lat=0",
}
"""The path of a kind of work; the tile, the numbers and the legend are the same each time."""


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


class Held:
    """A function that its threads cannot leave until the gate opens, whatever they are told."""

    def __init__(self, function):
        self.function = function
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = self.begun = 0
        self.flags = []

    def __call__(self, *arguments):
        with self.lock:
            self.now, self.begun = self.now + 1, self.begun + 1
            self.most = max(self.most, self.now)
            self.flags.append(arguments[-1])
        try:
            assert self.gate.wait(60)
            return self.function(*arguments)
        finally:
            with self.lock:
                self.now -= 1


@contextmanager
def held(server, kind, monkeypatch):
    """Hold the threads of a kind of work."""
    if kind == "pixel":
        work = Held(pixel_value.render_values)
        monkeypatch.setattr(pixel_value, "render_values", work)
    elif kind == "style":
        work = Held(responses.plan_legend)
        monkeypatch.setattr(responses, "plan_legend", work)
    else:
        work = Held(server.context.broker.engine._stoppable)
        monkeypatch.setattr(server.context.broker.engine, "_stoppable", work)
    try:
        yield work
    finally:
        work.gate.set()


def warm(server):
    """Compile the style and read what each path needs."""
    # On a busy machine the style may not be compiled within the first limit.
    until(lambda: server.get("/xyz/global_180/0/0/0.png").status == 200)


@pytest.mark.parametrize("kind", PATHS)
def test_overdue_work_is_counted_until_its_thread_has_ended(store, tmp_path, monkeypatch, kind):
    with running(store, tmp_path / "cache", timeout_s=0.3) as server:
        warm(server)
        path = PATHS[kind].format(100)
        with held(server, kind, monkeypatch) as work:
            assert server.get(path).status == 504
            assert work.now == 1
            assert server.counter("lazytile_running") == 1
            work.gate.set()
            until(lambda: server.counter("lazytile_running") == 0)
        assert work.now == 0
        until(lambda: server.get(path).status == 200)


@pytest.mark.parametrize("kind", PATHS)
def test_work_of_a_client_that_left_is_counted_until_its_thread_has_ended(store, tmp_path, monkeypatch, kind):
    with running(store, tmp_path / "cache") as server:
        warm(server)
        with held(server, kind, monkeypatch) as work:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(f"GET {PATHS[kind].format(100)} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                until(lambda: work.now == 1)
            until(lambda: server.counter("lazytile_cancelled_total") == 1)
            assert server.counter("lazytile_running") == 1
            if kind != "style":
                until(lambda: work.flags[0].is_set)
            work.gate.set()
            until(lambda: server.counter("lazytile_running") == 0)


def test_no_more_pixels_than_the_limit_are_read_after_timeouts_too(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "cache", timeout_s=0.3) as server:
        warm(server)
        with held(server, "pixel", monkeypatch) as work:
            statuses = []
            for wave in range(3):
                threads = [
                    threading.Thread(target=lambda at=at: statuses.append(server.get(PATHS["pixel"].format(at)).status))
                    for at in range(10 * wave, 10 * wave + 5)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(30)
            assert statuses == [504] * 15
            assert (work.most, work.begun) == (4, 4)
            assert server.counter("lazytile_running") == 4
            assert server.counter("lazytile_queue_depth") == 0


def test_a_full_class_is_full_of_abandoned_work_too():
    gate, begun = threading.Event(), threading.Event()

    def work(stop):
        begun.set()
        assert gate.wait(30)
        stop.check()
        return "done"

    async def main():
        metrics = Metrics()
        admission = Admission(dict.fromkeys(WorkClass, ClassLimits(1, 0)), 0.1, metrics)
        try:
            with pytest.raises(OverdueError):
                await admission.in_thread(WorkClass.LIGHT, work)
            assert begun.is_set()
            with pytest.raises(BusyError):
                await admission.in_thread(WorkClass.LIGHT, work)
        finally:
            gate.set()
        await admission.close()
        assert await admission.in_thread(WorkClass.LIGHT, lambda stop: "next") == "next"

    asyncio.run(main())


def test_who_joins_keeps_shared_work_alive():
    begun, gate, flags = threading.Event(), threading.Event(), []

    def work(stop):
        flags.append(stop)
        begun.set()
        assert gate.wait(30)
        stop.check()
        return "done"

    async def main():
        admission = Admission(dict.fromkeys(WorkClass, ClassLimits(1, 0)), 30.0, Metrics())
        first = asyncio.create_task(admission.in_thread(WorkClass.STYLE, work, key="k"))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(admission.in_thread(WorkClass.STYLE, work, key="k"))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
        gate.set()
        assert await second == "done"
        assert [flag.is_set for flag in flags] == [False]

    asyncio.run(main())


def test_an_abandoned_polar_average_is_stopped(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "cache", timeout_s=0.2) as server:
        warm(server)  # the time limit is that of style and map together
        engine, outcomes = server.context.broker.engine, []
        perform, locating = engine._stoppable, renderer._locate

        def recorded(task, stop):
            try:
                found = perform(task, stop)
            except BaseException as error:
                outcomes.append(type(error))
                raise
            outcomes.append("rendered")
            return found

        def slowly(*arguments):
            location = locating(*arguments)
            time.sleep(0.5)  # the time is up by now on the fastest machine, too
            return location

        monkeypatch.setattr(engine, "_stoppable", recorded)
        monkeypatch.setattr(renderer, "_locate", slowly)
        assert server.get(POLAR).status == 504
        until(lambda: outcomes)
        assert outcomes == [StoppedError]
        until(lambda: server.counter("lazytile_running") == 0)


@pytest.mark.parametrize("kind", ["tile", "numbers", "pixel"])
def test_stopped_work_is_no_fault_of_the_server(store, tmp_path, monkeypatch, kind):
    def stopped(*arguments):
        raise StoppedError

    with running(store, tmp_path / "cache") as server:
        warm(server)
        monkeypatch.setattr(server.context.broker.engine, "_stoppable", stopped)
        monkeypatch.setattr(pixel_value, "render_values", stopped)
        assert server.get(PATHS[kind].format(100)).status == 504
