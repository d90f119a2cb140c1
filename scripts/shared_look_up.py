"""The processor time of a look-up in a shared tile cache: a real Redis on this machine, one tile, again and again."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time

from lazytile.service.http.metrics import Metrics
from lazytile.service.http.settings import Settings
from lazytile.service.shared_cache.opening import open_backend
from lazytile.service.shared_cache.shared_tier import SharedLimits, SharedTier

SHARED_OPERATIONS = 3000
"""Look-ups that are timed."""


def shared_operation_s(body_bytes: int) -> float | None:
    """Measure what a look-up in the shared tier costs a host.

    Args:
        body_bytes: Of a tile.

    Returns:
        Seconds of processor time; None without Redis.
    """
    program = shutil.which("redis-server")
    if program is None:
        return None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tempfile.gettempdir()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as redis:
        try:
            return asyncio.run(_look_up_s(f"redis://127.0.0.1:{port}", body_bytes))
        finally:
            redis.kill()


async def _look_up_s(address: str, body_bytes: int) -> float:
    settings = Settings.of(shared_cache=address)
    tier = SharedTier(open_backend(settings), address, SharedLimits.of(settings), Metrics())
    key = "0" * 64
    while await tier.find([key]) is None:  # until Redis listens, and has the tile
        tier.put({key: os.urandom(body_bytes)})
        await asyncio.sleep(0.2)
    began = time.process_time()
    for _ in range(SHARED_OPERATIONS):
        await tier.find([key])
    took = (time.process_time() - began) / SHARED_OPERATIONS
    await tier.close(1.0)
    return took
