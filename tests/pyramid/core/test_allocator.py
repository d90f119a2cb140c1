"""Freed memory stays with the process if the C library is glibc."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import numpy as np
from lazytile.pyramid.core.allocator import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "keep":
    keep_freed_memory()
arrays = [np.ones(1 << 16) for _ in range(int(sys.argv[2]) >> 19)]  # half a mebibyte each
full = resident()
del arrays
print(full - resident())
"""


def returned_bytes(way: str, size: int) -> int:
    """How much of ``size`` bytes of arrays a process gives back when it frees them."""
    command = [sys.executable, "-c", PROGRAM, way, str(size)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept():
    size = 64 << 20
    assert returned_bytes("plain", size) > size * 0.9
    assert returned_bytes("keep", size) < size * 0.1


def test_other_platforms_are_left_alone(monkeypatch):
    from lazytile.pyramid.core import allocator

    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    allocator.keep_freed_memory()
