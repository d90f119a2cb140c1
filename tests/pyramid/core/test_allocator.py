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


THREADS = """
import os, sys, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # more processors get more heaps
import numpy as np
from lazytile.pyramid.core import allocator

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] != "plain":
    allocator.keep_freed_memory()
begun = resident()
kept, turn, both = [], threading.Lock(), threading.Barrier(8)

def work():
    np.ones(1 << 13)
    both.wait()
    with turn:  # one after another: with one heap, each finds what the last one left
        arrays = [np.ones(1 << 13) for _ in range(400)]  # 25 MiB
        kept.append(arrays.pop())  # at the end of the heap, so that nothing before it can be cut off
        del arrays
    both.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if sys.argv[1] == "return":
    allocator.return_freed_memory()
print(resident() - begun)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_shared_by_threads_and_returned():
    def grown(way: str) -> int:
        command = [sys.executable, "-c", THREADS, way]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert grown("plain") > 150 << 20
    assert 20 << 20 < grown("keep") < 60 << 20
    assert grown("return") < 10 << 20


def test_other_platforms_are_left_alone(monkeypatch):
    from lazytile.pyramid.core import allocator

    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    allocator.keep_freed_memory()
    allocator.return_freed_memory()
