"""Writes to the disk cache after the reply: bounded, ordered, drained, and counted where they are lost."""

import asyncio
import threading
import time

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.tiles.write_behind import WriteBehind, WriteLimits
from tests.service.harness import running


class Disk:
    """A disk that writes nothing until it is let go."""

    def __init__(self):
        self.go, self.began, self.written = threading.Event(), threading.Event(), []

    def write(self, tiles, tag):
        self.began.set()
        assert self.go.wait(20)
        self.written.append((dict(tiles), tag))


def bench(count=8, nbytes=1000):
    disk, lost = Disk(), []
    return disk, WriteBehind(disk.write, WriteLimits(count, nbytes), lost.append), lost


def is_reported():
    return [each.key for each in Conditions.current().all() if each.key == "tile cache writes"] != []


def test_nothing_waits_for_the_disk_and_a_tile_is_found_before_it_is_written():
    async def main():
        disk, writes, lost = bench()
        assert writes.add({"a": b"1"}, "t")
        assert writes.add({"b": b"2", "c": b"3"}, "t")
        assert (writes.find("a"), writes.find("c"), writes.find("d")) == (b"1", b"3", None)
        disk.go.set()
        order = []
        await writes.after(lambda: order.append(len(disk.written)))
        assert order == [2]
        assert disk.written == [({"a": b"1"}, "t"), ({"b": b"2", "c": b"3"}, "t")]
        assert writes.find("a") is None
        assert lost == []
        await writes.close(lambda: None, 20)

    asyncio.run(main())


def test_too_many_writes_are_lost_and_counted():
    async def main():
        disk, writes, lost = bench(count=2)
        assert [writes.add({name: b"1", f"{name}2": b"2"}, "t") for name in "abcd"] == [True, True, False, False]
        assert lost == [2, 2]
        assert is_reported()
        disk.go.set()
        await writes.after(lambda: None)
        assert not is_reported()
        assert writes.add({"e": b"1"}, "t")
        await writes.close(lambda: None, 20)
        assert [list(tiles) for tiles, _ in disk.written] == [["a", "a2"], ["b", "b2"], ["e"]]

    asyncio.run(main())


def test_too_many_bytes_are_lost_and_counted():
    async def main():
        disk, writes, lost = bench(nbytes=10)
        assert [writes.add({name: bytes(size)}, "t") for name, size in (("a", 6), ("b", 5), ("c", 4))] == [
            True,
            False,
            True,
        ]
        assert lost == [1]
        disk.go.set()
        await writes.close(lambda: None, 20)

    asyncio.run(main())


def test_a_failing_write_frees_its_room():
    async def main():
        def fail(tiles, tag):
            raise RuntimeError

        writes = WriteBehind(fail, WriteLimits(1, 10), lambda _: None)
        for name in "abc":
            assert writes.add({name: b"1234567890"}, "t")
            await writes.after(lambda: None)
        await writes.close(lambda: None, 20)

    asyncio.run(main())


def test_the_end_waits_for_the_disk_but_not_for_ever():
    async def main():
        disk, writes, lost = bench()
        for name in "abc":
            writes.add({name: b"1"}, "t")
        await asyncio.to_thread(disk.began.wait, 20)
        await writes.close(lambda: None, 0.05)
        assert lost == [3]
        disk.go.set()

    asyncio.run(main())


def test_a_slow_disk_delays_no_reply_and_the_tile_is_kept_at_shutdown(store, tmp_path, monkeypatch):
    path = "/xyz/global_180/3/3/4.png"
    with running(store, tmp_path / "cache", timeout_s=0.5, shutdown_s=20) as server:
        disk = server.context.broker._cache._disk
        write, began, go = disk.put, threading.Event(), threading.Event()

        def slow(tiles, tag):
            began.set()
            assert go.wait(20)
            write(tiles, tag)

        monkeypatch.setattr(server.context.broker._cache._writes, "_write", slow)
        replies = [server.get(path), server.get("/xyz/global_180/3/3/5.png?filter=blur")]
        assert [reply.status for reply in replies] == [200, 200]
        assert began.wait(20)
        time.sleep(0.6)  # longer than a request may take
        assert server.counter("lazytile_refused_total", reason="overdue", work="tile") == 0
        go.set()
    with running(store, tmp_path / "cache") as server:
        reply = server.get(path)
        assert "cache;desc=disk" in reply.headers["Server-Timing"]
        assert reply.body == replies[0].body


def test_a_full_queue_loses_tiles_but_no_reply(store, tmp_path):
    with running(store, tmp_path / "cache", cache_queue_length=0) as server:
        replies = [server.get(f"/xyz/global_180/3/3/{row}.png") for row in range(3)]
        assert [reply.status for reply in replies] == [200] * 3
        assert server.counter("lazytile_cache_lost_total") == 3
