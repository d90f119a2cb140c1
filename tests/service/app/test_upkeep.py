"""What a server process does again and again."""

import asyncio
import itertools

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.service.app.upkeep import clear_memory, follow_links
from lazytile.service.front import front as front_module
from lazytile.service.http.errors import failure_of


def test_a_cleared_cache_is_empty_at_once_and_freed_in_parts(monkeypatch):
    monkeypatch.setattr(front_module, "FREED", 2)
    process.install(CacheBudget.server(64 << 20))
    left = []

    class Tile(bytes):
        def __del__(self):
            left[-1] -= 1

    async def clear():
        for name, at in itertools.product(("tiles", "values", "requests"), range(5)):
            process.cache(name).put(at, Tile(100))
        left.extend((15, 15))
        clearing = asyncio.create_task(clear_memory())
        await asyncio.sleep(0)
        entries = [process.cache(name).statistics.entries for name in ("tiles", "values", "requests")]
        while not clearing.done():
            left.append(left[-1])
            await asyncio.sleep(0)
        return entries

    assert asyncio.run(clear()) == [0, 0, 0]
    assert left[-1] == 0
    assert all(0 <= before - after <= 2 for before, after in itertools.pairwise(left))


def test_links_are_looked_for_until_object_storage_answers(monkeypatch):
    process.install(CacheBudget.server(64 << 20))
    root = location("memory://upkeep/store")
    asked = []

    def lost(key, limit=None):
        asked.append(key)
        raise StorageError("it does not answer")

    monkeypatch.setattr(root.storage, "get", lost)

    async def follow():
        following = asyncio.create_task(follow_links(root, 0.01))
        ended, _ = await asyncio.wait([following], timeout=0.5)
        following.cancel()
        assert not ended

    asyncio.run(follow())
    assert asked


def test_storage_that_does_not_answer_is_503_wherever_it_is_met():
    failure = failure_of(StorageError("s3://maps/datasets.json cannot be read: access is denied"), in_path=True)
    assert (failure.status, failure.headers) == (503, {"Retry-After": "1"})
    assert "s3:" not in failure.text
