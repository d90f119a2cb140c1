"""The engine in this process: bulk work and tiles."""

import asyncio
import os
import sys
import threading
from dataclasses import dataclass

import pytest

from lazytile.pyramid.core.errors import EngineError, StoreError
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.engines import inline_render
from lazytile.pyramid.engines.factory import open_bulk_engine, open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec, TileWork
from lazytile.pyramid.engines.threads import ThreadsTileEngine

THREADS = EngineSpec("threads")
TWO = EngineOptions(workers=2)


@dataclass(frozen=True)
class Task:
    key: str


def square(number):
    return number * number


def test_bulk_yields_every_result():
    with open_bulk_engine(THREADS, TWO) as engine:
        assert (engine.capacity, engine.description) == (2, "threads, 2 threads")
        assert sorted(engine.map(square, range(100), label="square")) == [n * n for n in range(100)]
        assert list(engine.map(square, [], label="square")) == []


def test_bulk_yields_in_the_order_of_finishing():
    gate = threading.Event()

    def waits_for_the_other(name):
        if name == "first":
            assert gate.wait(10)
        return name

    with open_bulk_engine(THREADS, TWO) as engine:
        results = engine.map(waits_for_the_other, ["first", "second"], label="order")
        assert next(results) == "second"
        gate.set()
        assert list(results) == ["first"]


def test_bulk_draws_items_only_as_room_comes_free():
    drawn = 0

    def items():
        nonlocal drawn
        for number in range(1_000):
            drawn += 1
            yield number

    with open_bulk_engine(THREADS, TWO) as engine:
        for taken, _ in enumerate(engine.map(square, items(), label="square"), start=1):
            assert drawn <= taken + 4  # two tasks for each of two threads


def test_bulk_raises_the_first_exception_unchanged_and_cancels_the_rest():
    error = StoreError("chunk 3 of x.zarr is damaged")
    begun = []

    def fails_on_three(number):
        begun.append(number)
        if number == 3:
            raise error
        return number

    with open_bulk_engine(THREADS, TWO) as engine:
        with pytest.raises(StoreError) as raised:
            list(engine.map(fails_on_three, range(1_000), label="fail"))
        assert raised.value is error
        count = len(begun)
        assert count < 20
        assert list(engine.map(square, [2], label="after")) == [4]
    assert len(begun) == count


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, GeneratorExit])
def test_bulk_waits_for_running_tasks_when_interrupted(interrupt):
    release = threading.Event()
    running = threading.Event()
    finished = []

    def slow(number):
        if number:
            running.set()
            assert release.wait(10)
        finished.append(number)
        return number

    with open_bulk_engine(THREADS, TWO) as engine:
        results = engine.map(slow, range(3), label="slow")
        assert next(results) == 0
        assert running.wait(10)
        threading.Timer(0.05, release.set).start()
        if interrupt is GeneratorExit:
            results.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                results.throw(KeyboardInterrupt)
        assert 1 in finished
        count = len(finished)
    assert len(finished) == count


def test_a_closed_bulk_engine_says_so():
    engine = open_bulk_engine(THREADS, TWO)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(engine.map(square, [1], label="square"))


def test_tiles_are_rendered_and_equal_keys_are_left_to_the_caller():
    calls = []

    def render(task):
        calls.append(task.key)
        return (task.key.encode(),)

    async def main():
        async with await open_tile_engine(THREADS, render, TWO) as engine:
            assert (engine.capacity, engine.description) == (2, "threads, 2 threads")
            return await asyncio.gather(*(engine.render(Task(key)) for key in ("a", "a", "b", "a")))

    assert asyncio.run(main()) == [(b"a",), (b"a",), (b"b",), (b"a",)]
    assert sorted(calls) == ["a", "a", "a", "b"]


def test_a_tile_engine_raises_what_the_function_raises():
    def render(task):
        raise StoreError(f"{task.key} is damaged")

    async def main():
        async with await open_tile_engine(THREADS, render, TWO) as engine:
            results = await asyncio.gather(engine.render(Task("a")), engine.render(Task("a")), return_exceptions=True)
            assert [str(result) for result in results] == ["a is damaged"] * 2
            with pytest.raises(StoreError, match="b is damaged"):
                await engine.render(Task("b"))

    asyncio.run(main())


def test_work_that_nobody_waits_for_is_not_begun():
    begun = []
    running_now = threading.Event()
    gate = threading.Event()

    def render(task):
        begun.append(task.key)
        running_now.set()
        assert gate.wait(10)
        return ()

    async def main():
        async with await open_tile_engine(THREADS, render, EngineOptions(workers=1)) as engine:
            running = asyncio.create_task(engine.render(Task("runs")))
            left = asyncio.create_task(engine.render(Task("left")))
            waits = asyncio.create_task(engine.render(Task("waits")))
            await asyncio.to_thread(running_now.wait, 10)
            left.cancel()
            await asyncio.wait([left])
            gate.set()
            assert await running == ()
            assert await waits == ()
            assert left.cancelled()

    asyncio.run(main())
    assert begun == ["runs", "waits"]


def test_closing_a_tile_engine_ends_what_waits():
    gate = threading.Event()

    def render(task):
        assert gate.wait(10)
        return ()

    async def main():
        engine = await open_tile_engine(THREADS, render, EngineOptions(workers=1))
        waiting = [asyncio.create_task(engine.render(Task(key))) for key in "ab"]
        await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, gate.set)
        await engine.close()
        await engine.close()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, EngineError)
        with pytest.raises(EngineError, match="closed"):
            await engine.render(Task("c"))

    asyncio.run(main())


def test_light_tasks_run_in_the_thread_of_the_caller_until_two_in_a_row_are_slow(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(inline_render.time, "monotonic", lambda: clock[0])

    def render(task):
        clock[0] += float(task.key)
        return (threading.current_thread().name.encode(),)

    async def main():
        async with await open_tile_engine(THREADS, render, TWO) as engine:
            here = (threading.current_thread().name.encode(),)
            quick, slow = Task("0.001"), Task("0.02")
            for _ in range(3):
                assert engine.render_inline(quick) == here
                assert engine.render_inline(slow) == here, "a single slow one may be chance"
            for pause_s in (0.25, 0.5, 1.0):
                assert engine.render_inline(slow) == here
                clock[0] += 0.9 * pause_s
                assert engine.render_inline(quick) is None
                assert await engine.render(quick) != here
                clock[0] += 0.2 * pause_s
            assert engine.render_inline(quick) == here
            assert engine.render_inline(slow) == here
            assert engine.render_inline(slow) == here
            clock[0] += 1.1 * 0.25
            assert engine.render_inline(quick) == here, "a quick one made the pause short again"
        assert engine.render_inline(quick) is None, "it is closed"

    asyncio.run(main())


def test_a_light_task_that_fails_raises_where_it_was_asked_for():
    def fail(task):
        raise StoreError("damaged")

    async def main():
        async with await open_tile_engine(THREADS, fail, TWO) as engine:
            with pytest.raises(StoreError, match="damaged"):
                engine.render_inline(Task("a"))

    asyncio.run(main())


def test_a_cancelled_caller_stops_the_work_and_gets_control_back_when_its_thread_has_ended():
    begun, ended = threading.Event(), []

    def render(task, stop):
        begun.set()
        try:
            while not over.wait(0.002):
                stop.check()
        except StoppedError:
            ended.append(task.key)
            raise
        return ()

    over = threading.Event()

    async def main():
        async with await open_tile_engine(THREADS, lambda task: (), TWO, stoppable=render) as engine:
            work = asyncio.create_task(engine.render(Task("a")))
            await asyncio.to_thread(begun.wait, 10)
            work.cancel()
            await asyncio.wait([work], timeout=20)
            assert ended == ["a"]
            assert work.cancelled()

    try:
        asyncio.run(main())
    finally:
        over.set()


def test_work_that_cannot_be_stopped_keeps_its_cancelled_caller_until_it_ends():
    begun, gate, ended = threading.Event(), threading.Event(), []

    def render(task):
        begun.set()
        assert gate.wait(10)
        ended.append(task.key)
        return ()

    async def main():
        async with await open_tile_engine(THREADS, render, TWO) as engine:
            work = asyncio.create_task(engine.render(Task("a")))
            await asyncio.to_thread(begun.wait, 10)
            for _ in range(3):  # however often
                work.cancel()
                await asyncio.sleep(0.01)
            assert not work.done()
            gate.set()
            await asyncio.wait([work], timeout=10)
            assert work.cancelled()
            assert ended == ["a"]

    asyncio.run(main())


def niceness(_=None):
    return (os.getpriority(os.PRIO_PROCESS, threading.get_native_id()),)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_heavy_tasks_come_after_light_ones_and_these_after_the_loop():
    async def main():
        async with ThreadsTileEngine(TileWork(niceness), 1) as engine:
            return await engine.render(None), await engine.render(None, is_heavy=True)

    before = niceness()[0]
    (light,), (heavy,) = asyncio.run(main())
    assert before < light < heavy or light == heavy == 19
    assert niceness()[0] == before
