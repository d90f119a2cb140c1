"""What a server process does again and again."""

import asyncio
import itertools

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.service.app.upkeep import clear_memory
from lazytile.service.front import front as front_module


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
