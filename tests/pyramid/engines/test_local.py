"""Worker processes on this machine: bulk work and tiles, and workers that die."""

import asyncio
import os
import signal
import time
from pathlib import Path

import dask
import pytest

from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.errors import EngineError, InvalidParameterError, StoreError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.engines.dask_bulk import cluster_result, open_session
from lazytile.pyramid.engines.direct_calls import DirectCalls
from lazytile.pyramid.engines.factory import open_bulk_engine, open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.engines.single_flight import SingleFlight
from tests.pyramid.engines import engine_tasks
from tests.pyramid.engines.engine_tasks import Task, marks

LOCAL = EngineSpec("local")
TWO = EngineOptions(workers=2, unavailable_s=60)  # a busy machine takes long to restart a worker


@pytest.fixture(scope="module")
def bulk():
    with open_bulk_engine(LOCAL, TWO) as engine:
        yield engine


def test_bulk_yields_every_result_from_two_processes(bulk):
    assert (bulk.capacity, bulk.description) == (2, "local, 2 worker processes")
    assert sorted(bulk.map(engine_tasks.square, range(40), label="square")) == [n * n for n in range(40)]
    assert list(bulk.map(engine_tasks.square, [], label="square")) == []
    processes = set(bulk.map(engine_tasks.process_id, range(20), label="process_id"))
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_bulk_draws_items_only_as_room_comes_free(bulk):
    drawn = 0

    def items():
        nonlocal drawn
        for number in range(60):
            drawn += 1
            yield number

    for taken, _ in enumerate(bulk.map(engine_tasks.square, items(), label="square"), start=1):
        assert drawn <= taken + 8  # four tasks for each of two threads


def test_bulk_raises_the_first_exception_unchanged_and_begins_nothing_more(bulk, tmp_path):
    jobs = ((str(tmp_path), number) for number in range(1_000))
    taken = []
    with pytest.raises(InvalidParameterError, match="no such time in chunk 3") as raised:
        taken.extend(bulk.map(engine_tasks.fail_on_three, jobs, label="fail"))
    assert raised.value.field is RequestField.TIME
    count = marks(tmp_path)
    assert len(taken) < count <= len(taken) + 8  # on a busy machine others end before the one that fails
    assert list(bulk.map(engine_tasks.square, [2], label="square")) == [4]
    assert marks(tmp_path) == count


@pytest.mark.parametrize("interrupt", ["close", "keyboard"])
def test_nothing_of_an_interrupted_map_runs_any_more(bulk, tmp_path, interrupt):
    results = bulk.map(engine_tasks.slow, [(str(tmp_path), number) for number in range(100)], label="slow")
    assert next(results) == 0
    if interrupt == "close":
        results.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    count = marks(tmp_path, "begun")
    assert marks(tmp_path, "ended") == count
    assert count <= 1 + 8
    time.sleep(0.3)
    assert marks(tmp_path, "begun") == count


def test_bulk_goes_on_where_a_worker_dies(bulk, tmp_path):
    jobs = [(str(tmp_path), number) for number in range(10)]
    assert sorted(bulk.map(engine_tasks.die_once, jobs, label="die")) == list(range(10))
    assert marks(tmp_path, "death") == 2


def test_a_result_that_nobody_waits_for_any_more_spoils_no_later_one():
    """A cancelled fetch of results once made all later ones of the client fail, if it had not yet begun."""

    async def scenario():
        session = await open_session(LOCAL, TWO)
        try:
            for steps in range(12):
                futures = [session.client.submit(engine_tasks.square, n, pure=False) for n in range(3)]
                assert [await future.exception() for future in futures] == [None, None, None]  # all are computed
                waiting = [asyncio.ensure_future(cluster_result(session, future)) for future in futures]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for each in waiting:
                    each.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                last = session.client.submit(engine_tasks.square, 100 + steps, pure=False)
                assert await asyncio.wait_for(cluster_result(session, last), 60) == (100 + steps) ** 2
            del futures, waiting, last
            for _ in range(100):
                if not session.client.futures:
                    return
                await asyncio.sleep(0.1)
            raise AssertionError(f"{len(session.client.futures)} futures were not released")
        finally:
            await session.close()

    asyncio.run(scenario())


def test_bulk_gives_a_task_up_that_kills_its_workers():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        open_bulk_engine(LOCAL, EngineOptions(workers=1)) as engine,
        pytest.raises(EngineError, match=r"a task of local, 1 worker process lost its worker repeatedly"),
    ):
        list(engine.map(engine_tasks.die_always, [1], label="die"))


def test_a_closed_bulk_engine_says_so():
    engine = open_bulk_engine(LOCAL, EngineOptions(workers=1))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(engine.map(engine_tasks.square, [1], label="square"))


class TileBench:
    """A tile engine that several tests share, on its own event loop."""

    def __init__(self, runner, engine):
        self.runner = runner
        self.engine = engine

    def run(self, work):
        return self.runner.run(asyncio.wait_for(work, 60))

    def render(self, *tasks):
        async def main():
            return await asyncio.gather(*(self.engine.render(task) for task in tasks), return_exceptions=True)

        return self.run(main())


@pytest.fixture(scope="module", params=["direct calls", "through the scheduler"])
def tiles(request):
    async def no_route(self):
        return "no route to the workers"

    with asyncio.Runner() as runner:
        with pytest.MonkeyPatch.context() as patch:
            if request.param != "direct calls":
                patch.setattr(DirectCalls, "start", no_route)
            engine = runner.run(open_direct(locality=engine_tasks.locality))
        assert engine.description == f"local, 2 worker processes, {request.param}"
        assert engine.capacity == 2
        yield TileBench(runner, engine)
        runner.run(engine.close())


def test_tiles_come_from_the_workers(tiles):
    results = tiles.render(*(Task(f"tile-{number}") for number in range(20)))
    assert [name for name, _ in results] == [f"tile-{number}".encode() for number in range(20)]
    assert len({process for _, process in results}) == 2
    assert all(isinstance(result, tuple) for result in results)


def test_what_workers_read_is_counted_here_once(tiles, tmp_path):
    counts = ReadCounts.current()
    tiles.render(*(Task(f"before-{number}") for number in range(8)))
    counts.take()
    tiles.render(*(Task(f"reading-{number}", str(tmp_path), "read") for number in range(10)))
    tiles.render(*(Task(f"after-{number}") for number in range(8)))
    assert counts.take() == (20, 12340)


def test_equal_keys_that_the_caller_shares_are_computed_once(tiles, tmp_path):
    async def main():
        flights, task = SingleFlight(), Task("same", str(tmp_path), "wait")
        waiting = [asyncio.create_task(flights.run("same", lambda: tiles.engine.render(task))) for _ in range(5)]
        await asyncio.to_thread(wait_for_marks, tmp_path, "same")
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
        open_gate(tmp_path)
        return await asyncio.gather(*waiting[1:])

    assert len(set(tiles.run(main()))) == 1
    assert marks(tmp_path, "same") == 1
    tiles.render(Task("same", str(tmp_path)))
    assert marks(tmp_path, "same") == 2


def test_exceptions_of_tiles_come_back_unchanged(tiles, tmp_path):
    (result,) = tiles.render(Task("x", str(tmp_path), "fail"))
    assert type(result) is StoreError
    assert str(result) == "chunk of x is damaged"


def test_work_that_nobody_waits_for_is_not_begun(tiles, tmp_path):
    async def main():
        engine = tiles.engine
        # One locality: both go to one worker of one thread, so that the second waits there for the first.
        first = asyncio.create_task(engine.render(Task("first", str(tmp_path), "wait", place="here")))
        other = asyncio.create_task(engine.render(Task("other", str(tmp_path), "wait", place="there")))
        third = asyncio.create_task(engine.render(Task("third", str(tmp_path), "wait", place="elsewhere")))
        await asyncio.to_thread(wait_for_marks, tmp_path, "*")
        lonely = asyncio.create_task(engine.render(Task("lonely", str(tmp_path), place="here")))
        await asyncio.sleep(0.1)
        lonely.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lonely
        await asyncio.sleep(0.1)
        open_gate(tmp_path)
        await asyncio.gather(first, other, third)

    tiles.run(main())
    tiles.render(*(Task(f"after-{number}") for number in range(6)))
    assert marks(tmp_path, "lonely") == 0


def test_a_tile_goes_on_where_its_worker_dies(tiles, tmp_path):
    results = tiles.render(Task("unlucky", str(tmp_path), "die once"), Task("lucky"))
    assert [result[0] for result in results] == [b"unlucky", b"lucky"]
    assert marks(tmp_path, "unlucky") == 2
    # The dead worker comes back, and its tiles with it.
    assert len({process for _, process in tiles.render(*(Task(f"after-{number}") for number in range(20)))}) >= 1


def wait_for_marks(folder, name):
    deadline = time.monotonic() + engine_tasks.DEADLINE_S
    while not marks(folder, name):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def open_gate(folder):
    Path(folder, "gate").touch()


def open_direct(options=TWO, **more):
    return open_tile_engine(LOCAL, engine_tasks.render, options, **more)


def test_work_on_a_worker_stops_when_its_caller_leaves(tmp_path):
    async def main():
        async with await open_direct(stoppable=engine_tasks.render_until_stopped) as engine:
            work = asyncio.create_task(engine.render(Task("a", str(tmp_path))))
            await asyncio.to_thread(wait_for_marks, tmp_path, "begun")
            work.cancel()
            await asyncio.wait([work])
            await asyncio.to_thread(wait_for_marks, tmp_path, "stopped")

    asyncio.run(main())
    assert marks(tmp_path, "begun") == marks(tmp_path, "stopped") == 1


def test_tiles_of_one_locality_go_to_one_worker():
    async def main():
        async with await open_direct(locality=engine_tasks.locality) as engine:
            owners = {}
            for number in range(40):
                place = f"place {number % 8}"
                _, process = await engine.render(Task(f"tile-{number}", place=place))
                owners.setdefault(place, set()).add(process)
            return owners

    owners = asyncio.run(main())
    assert all(len(processes) == 1 for processes in owners.values())
    assert len(set.union(*owners.values())) == 2


def test_a_busy_owner_sheds_tiles_to_the_second_choice(tmp_path):
    async def main():
        async with await open_direct(locality=engine_tasks.locality) as engine:
            tasks = [Task(f"tile-{number}", str(tmp_path), "wait", place="one") for number in range(6)]
            waiting = [asyncio.create_task(engine.render(task)) for task in tasks]
            await asyncio.to_thread(wait_for_marks, tmp_path, "*")
            open_gate(tmp_path)
            return {process for _, process in await asyncio.gather(*waiting)}

    assert len(asyncio.run(main())) == 2


def test_an_only_worker_that_dies_is_waited_for(tmp_path):
    async def main():
        async with await open_direct(EngineOptions(workers=1)) as engine:
            _, before = await engine.render(Task("before"))
            name, after = await engine.render(Task("unlucky", str(tmp_path), "die once"))
            assert name == b"unlucky"
            assert after != before

    asyncio.run(main())


def test_a_tile_that_kills_two_workers_is_given_up(tmp_path):
    async def main():
        async with await open_direct() as engine:
            with pytest.raises(EngineError, match="lost its worker twice"):
                await engine.render(Task("deadly", str(tmp_path), "die"))
            assert (await engine.render(Task("after")))[0] == b"after"

    asyncio.run(main())
    assert marks(tmp_path, "deadly") == 2


def test_an_exception_that_does_not_travel_becomes_one_that_does(tmp_path):
    async def main():
        async with await open_direct(EngineOptions(workers=1)) as engine:
            with pytest.raises(EngineError, match="a tile failed on a worker: ObstinateError: this and that"):
                await engine.render(Task("x", str(tmp_path), "fail obstinately"))

    asyncio.run(main())


def test_closing_a_tile_engine_ends_what_waits(tmp_path):
    async def main():
        engine = await open_direct(EngineOptions(workers=1))
        waiting = asyncio.create_task(engine.render(Task("x", str(tmp_path), "wait")))
        await asyncio.to_thread(wait_for_marks, tmp_path, "x")
        await engine.close()
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await waiting
        with pytest.raises(EngineError, match="closed"):
            await engine.render(Task("y"))

    asyncio.run(main())


def test_workers_leave_interrupts_to_the_process_in_charge(bulk):
    before = set(bulk.map(engine_tasks.process_id, range(20), label="process_id"))
    for process in before:
        os.kill(process, signal.SIGINT)
    assert set(bulk.map(engine_tasks.process_id, range(20), label="process_id")) == before


def test_workers_that_do_not_start_in_time_are_an_error():
    with pytest.raises(EngineError, match=r"the workers of engine local, 1 worker process did not start within 0.2 s"):
        open_bulk_engine(LOCAL, EngineOptions(workers=1, start_timeout_s=0.2))
