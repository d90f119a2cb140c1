"""Threads for reads that wait for a network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lazytile.pyramid.core import process

READ_AHEAD = 8
"""Chunks that are read at the same time where reading means waiting."""


def read_pool() -> ThreadPoolExecutor:
    """Return this process's threads for reads that wait. Nothing that runs in them reads through them.

    Returns:
        The threads, ``READ_AHEAD`` of them.
    """
    return process.current().resource(
        "read pool", lambda: ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="lazytile-read")
    )
