"""Freed memory of arrays, which the C library retains for the next ones, within bounds."""

from __future__ import annotations

import ctypes
import sys

from lazytile.pyramid.core.processors import processor_count

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""
KEPT_BYTES = 128 << 20
"""Retained at the end of a heap, and never more than the process once used."""
LARGEST_BYTES = 32 << 20
"""Larger arrays are still mapped by the kernel, and returned to it."""
THREADS_OF_HEAP = 8
"""Threads that share a heap. Each heap retains what its threads once used together."""


def keep_freed_memory() -> None:
    """Make this process retain freed memory for its next arrays.

    For processes that lazytile starts, not for a user's own.

    By default glibc returns memory to the kernel as soon as some hundred kilobytes at the end of a heap are free. The
    kernel then zeroes and maps the next array page by page, which takes longer than filling it: a tile of averages took
    3.0 ms, and 1.7 ms with this setting. Other C libraries are left unchanged.

    By default nearly every thread has a heap of its own, too, and retains its own peak: after 33,000 mixed requests a
    server held 147 MB of freed memory, which went on growing, and with one heap 28 MB.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, LARGEST_BYTES)
        mallopt(_M_ARENA_MAX, 1 + (processor_count() - 1) // THREADS_OF_HEAP)


def return_freed_memory() -> None:
    """Return freed memory to the kernel, also that between used memory (malloc_trim(3)). Takes milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
