"""A tile is rendered once, also by two processes of one machine; a process that is killed keeps no claim."""

import asyncio
import errno
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lazytile.service.claims import claims as claims_module
from lazytile.service.claims.claims import Claims
from tests.service.harness import running

KEY, OTHER = "ab" * 32, "cd" * 32
PATH = "/xyz/global_180/2/1/1.png?filter=blur"


def fail_to_write(*arguments):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def hold(folder, shared, channel):
    """Claim a key in another process until the channel closes."""
    claims = Claims(folder, shared)
    channel.send(claims.take(KEY))
    while (told := channel.recv()) in ("release", "release on a failed disk"):
        if told == "release on a failed disk":
            os.pwrite = fail_to_write
        claims.release(KEY)
        channel.send(None)


@pytest.fixture(params=["shared memory", "locks"])
def shared(request, tmp_path):
    """A folder for shared memory, or none."""
    folder = tmp_path / "shared"
    if request.param == "shared memory":
        folder.mkdir()
    return folder


@pytest.fixture
def holder(tmp_path, shared):
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, shared, theirs))
    process.start()
    assert ours.recv()
    process.channel = ours
    yield process
    process.kill()
    process.join()


def test_a_claim_excludes_other_processes_until_it_is_released(tmp_path, shared, holder):
    claims = Claims(tmp_path, shared)
    assert not claims.take(KEY)
    assert claims.take(OTHER)
    before = time.monotonic_ns()
    assert not claims.was_released(KEY, before)
    holder.channel.send("release")
    holder.channel.recv()
    assert claims.was_released(KEY, before)
    assert not claims.was_released(KEY, time.monotonic_ns())
    assert claims.take(KEY)
    claims.close()


def test_a_claim_ends_even_where_its_time_cannot_be_written(tmp_path, shared, holder):
    claims = Claims(tmp_path, shared)
    assert not claims.take(KEY)
    holder.channel.send("release on a failed disk")
    holder.channel.recv()
    assert claims.take(KEY)
    claims.close()


def test_a_killed_process_has_no_claims(tmp_path, shared, holder):
    claims = Claims(tmp_path, shared)
    assert not claims.take(KEY)
    holder.kill()
    holder.join()
    assert claims.take(KEY)
    assert not claims.was_released(KEY, 0)


def test_who_waits_gets_what_the_holder_leaves(tmp_path, shared, holder):
    async def main():
        claims, looks = Claims(tmp_path, shared), []

        async def find():
            looks.append(None)
            return "found"

        waiting = asyncio.create_task(claims.taken(KEY, time.monotonic_ns(), find, 60))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert looks == []
        holder.channel.send("release")
        assert await waiting == "found"
        assert len(looks) == 1

    asyncio.run(main())


def test_who_waits_works_itself_once_the_holder_is_dead_or_too_slow(tmp_path, shared, holder):
    async def main():
        claims = Claims(tmp_path, shared)

        async def find():
            return "not there"

        assert await claims.taken(KEY, time.monotonic_ns(), find, 0.05) is None
        waiting = asyncio.create_task(claims.taken(KEY, time.monotonic_ns(), find, 60))
        await asyncio.sleep(0.02)
        holder.kill()
        assert await waiting is None

    asyncio.run(main())


def test_without_a_file_everything_may_be_rendered(tmp_path):
    claims = Claims(tmp_path / "missing")
    assert claims.take(KEY)
    claims.release(KEY)
    assert not claims.was_released(KEY, 0)
    claims.close()


def render_in_another_process(store, cache, begun, go, answers):
    """Serve in this process, slowly, and ask for the tile."""
    with running(store, cache) as server:
        broker = server.context.broker
        perform = broker.engine._stoppable

        def slowly(task, stop):
            begun.set()
            assert go.wait(60)
            return perform(task, stop)

        broker.engine._stoppable = slowly
        reply = server.get(PATH)
        answers.put((reply.status, reply.body, server.counter("lazytile_renders_total")))


def test_equal_requests_to_two_processes_are_rendered_once(store, tmp_path):
    context = multiprocessing.get_context("spawn")
    begun, go, answers = context.Event(), context.Event(), context.Queue()
    arguments = (store, tmp_path / "cache", begun, go, answers)
    process = context.Process(target=render_in_another_process, args=arguments)
    process.start()
    try:
        with running(store, tmp_path / "cache") as server, ThreadPoolExecutor(20) as clients:
            assert begun.wait(60)
            asked = [clients.submit(server.get, PATH) for _ in range(20)]
            time.sleep(0.3)
            assert not any(each.done() for each in asked)
            go.set()
            replies = [each.result(60) for each in asked]
            status, body, rendered = answers.get(timeout=60)
            assert (status, rendered) == (200, 1)
            assert {(each.status, each.body) for each in replies} == {(200, body)}
            assert server.counter("lazytile_renders_total") == 0
            assert server.counter("lazytile_shared_renders_total") == 1
    finally:
        process.join(30)
        process.kill()


@pytest.mark.parametrize("path", [PATH, "/xyz/global_180/2/1/2.png"], ids=["in a thread", "on the loop"])
def test_claims_end_with_the_work_whatever_becomes_of_it(store, tmp_path, monkeypatch, path):
    with running(store, tmp_path / "cache") as server:
        broker = server.context.broker
        assert server.get("/xyz/global_180/2/2/2.png").status == 200
        taken, released = [], []
        take, take_anew, release = Claims.take, Claims.take_anew, Claims.release
        monkeypatch.setattr(claims_module.Claims, "take", lambda self, key: taken.append(key) or take(self, key))
        monkeypatch.setattr(
            claims_module.Claims, "take_anew", lambda self, key, ns: taken.append(key) or take_anew(self, key, ns)
        )
        monkeypatch.setattr(
            claims_module.Claims, "release", lambda self, key: released.append(key) or release(self, key)
        )

        def fail(*arguments):
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(broker.engine, "_stoppable", fail)
            patch.setattr(broker.engine, "_function", fail)
            assert server.get(path).status == 500
            assert set(taken) == set(released) != set()
        released.clear()
        assert server.get(path).status == 200
        asyncio.run_coroutine_threadsafe(broker.flush(), server.loop).result(30)
        assert set(taken) == set(released)
