"""One computation per key at a time: shared, cancelled with its last waiter, cancelled from outside."""

import asyncio

import pytest

from lazytile.pyramid.core.errors import EngineError, StoreError
from lazytile.pyramid.engines.factory import open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.engines.single_flight import SingleFlight


class Work:
    """Counts what begins and what is cancelled; ends when the gate opens."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.begun = 0
        self.cancelled = 0

    async def __call__(self):
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


def waiting(flights, work, *keys):
    return [asyncio.create_task(flights.run(key, work)) for key in keys]


def test_equal_keys_share_and_later_ones_begin_anew():
    async def main():
        flights, work = SingleFlight(), Work()
        tasks = waiting(flights, work, "a", "a", "b", "a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "a" in flights
        assert "c" not in flights
        work.gate.set()
        await asyncio.gather(*tasks)
        assert work.begun == 2
        assert "a" not in flights
        await flights.run("a", work)
        assert work.begun == 3

    asyncio.run(main())


def test_an_exception_goes_to_all_who_wait_and_to_nobody_later():
    failures = [StoreError("damaged")]

    async def fail_once():
        await asyncio.sleep(0)
        if failures:
            raise failures.pop()
        return "well"

    async def main():
        flights = SingleFlight()
        results = await asyncio.gather(*waiting(flights, fail_once, "a", "a"), return_exceptions=True)
        assert [str(result) for result in results] == ["damaged"] * 2
        assert await flights.run("a", fail_once) == "well"

    asyncio.run(main())


def test_the_last_waiter_to_leave_cancels_the_work():
    async def main():
        flights, work = SingleFlight(), Work()
        first, second = waiting(flights, work, "a", "a")
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert (work.cancelled, "a" in flights) == (0, True)
        second.cancel()
        await asyncio.wait([second])
        await asyncio.sleep(0)
        assert (work.begun, work.cancelled, "a" in flights) == (1, 1, False)
        third = waiting(flights, work, "a")
        work.gate.set()
        assert await asyncio.gather(*third) == [2]

    asyncio.run(main())


def test_ending_all_work_is_an_error_for_its_waiters():
    async def main():
        flights, work = SingleFlight(), Work()
        tasks = waiting(flights, work, "a", "a", "b")
        await asyncio.sleep(0.01)
        await flights.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, EngineError)
        assert work.cancelled == 2

    asyncio.run(main())


def test_work_queued_in_an_engine_is_not_begun_when_all_waiters_leave():
    import threading

    begun, gate, running = [], threading.Event(), threading.Event()

    def render(task):
        begun.append(task)
        running.set()
        assert gate.wait(10)
        return (task.encode(),)

    async def main():
        flights = SingleFlight()
        async with await open_tile_engine(EngineSpec("threads"), render, EngineOptions(workers=1)) as engine:

            def ask(key):
                return asyncio.create_task(flights.run(key, lambda: engine.render(key)))

            first = ask("first")
            await asyncio.to_thread(running.wait, 10)
            left = [ask("left"), ask("left")]
            shared = [ask("shared"), ask("shared")]
            await asyncio.sleep(0.01)
            for task in (*left, shared[0]):
                task.cancel()
            await asyncio.wait([*left, shared[0]])
            gate.set()
            assert await asyncio.gather(first, shared[1]) == [(b"first",), (b"shared",)]

    asyncio.run(main())
    assert begun == ["first", "shared"]


def test_a_cancelled_waiter_is_cancelled_even_while_all_work_ends():
    async def main():
        flights, work = SingleFlight(), Work()
        (task,) = waiting(flights, work, "a")
        await asyncio.sleep(0.01)
        task.cancel()
        await flights.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
