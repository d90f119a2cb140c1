"""The engine ``auto`` where there is a GPU: whichever serves sample tiles faster, threads or the GPU."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.engines.protocol import TileEngine

ROUNDS = 3
"""The first one fills caches and compiles; the fastest counts."""


async def tiles_per_second(engine: TileEngine, samples: Sequence[Any]) -> float:
    """Measure an engine.

    Args:
        engine: The engine.
        samples: Tasks, rendered all at once, several times.

    Returns:
        Tasks a second in the fastest round.
    """
    fastest = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await asyncio.gather(*(engine.render(task) for task in samples))
        fastest = min(fastest, time.perf_counter() - began)
    return len(samples) / fastest


async def faster_engine(threads: TileEngine, gpu: TileEngine, samples: Sequence[Any]) -> tuple[TileEngine, str]:
    """Choose between two engines, and close the other one.

    Args:
        threads: Threads of this process.
        gpu: The GPU's.
        samples: Default tiles of layers.

    Returns:
        The engine, and what was measured, for people.
    """
    by_threads = await tiles_per_second(threads, samples)
    by_gpu = await tiles_per_second(gpu, samples)
    chosen, other = (gpu, threads) if by_gpu > by_threads else (threads, gpu)
    await other.close()
    return chosen, f"{len(samples)} sample tiles: threads {by_threads:,.0f} tiles/s, GPU {by_gpu:,.0f} tiles/s"
