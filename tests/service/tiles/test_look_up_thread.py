"""Look-ups in a thread: every waiter gets its own result, in whatever batch it comes."""

import asyncio
import threading

import pytest

from lazytile.service.tiles.look_up_thread import LookUpThread


def test_many_waiters_get_their_own_results():
    async def main():
        thread = LookUpThread(str.upper, "test")
        keys = [f"k{number}" for number in range(200)]
        assert await asyncio.gather(*(thread.find(key) for key in keys)) == [key.upper() for key in keys]
        await thread.close(lambda: None)

    asyncio.run(main())


def test_a_failure_reaches_its_waiter_only():
    def look_up(key):
        if key == "bad":
            raise OSError("no disk")
        return key

    async def main():
        thread = LookUpThread(look_up, "test")
        found = await asyncio.gather(*(thread.find(key) for key in ("a", "bad", "b")), return_exceptions=True)
        assert (found[0], found[2]) == ("a", "b")
        with pytest.raises(OSError, match="no disk"):
            raise found[1]
        await thread.close(lambda: None)

    asyncio.run(main())


def test_a_waiter_that_leaves_disturbs_nobody():
    async def main():
        go, began = threading.Event(), threading.Event()

        def look_up(key):
            began.set()
            assert go.wait(20)
            return key

        thread = LookUpThread(look_up, "test")
        leaving, staying = asyncio.create_task(thread.find("a")), asyncio.create_task(thread.find("b"))
        await asyncio.to_thread(began.wait, 20)
        leaving.cancel()
        go.set()
        assert await staying == "b"
        last = []
        await thread.close(lambda: last.append(threading.current_thread().name))
        assert last == ["test"]

    asyncio.run(main())
