"""A double of the part of CuPy that the CUDA kernel uses, on a machine without a GPU.

Kernels are the real ones: ``pixels.cu``, built for the processor, run thread after thread. Memory of the "GPU" is
memory of the process that refuses to become an array, as CuPy's does. Everything is counted. With this folder's parent
on ``PYTHONPATH`` a worker process imports it as ``cupy``.

The double is stricter than a GPU in one thing: what a stream was given is done only when the stream is waited for, by
the host or through an event. A batch that forgets to wait reads rubbish.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

WORDS = Path(__file__).resolve().parent.parent / "source" / "cuda_words.h"
FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-DLT_AS_GPU", "-DLT_CHECKS")
TOTAL_BYTES = 1 << 30
"""Memory of the GPU."""

counts: Counter[str] = Counter()
gate = threading.Event()
"""The GPU computes while it is set."""
gate.set()
_owners: set[int] = set()


def _check_thread() -> None:
    """Fail in a thread that has not made the GPU its own."""
    if threading.get_ident() not in _owners:
        raise RuntimeError("the GPU is used by a thread that does not own it")


class OutOfMemoryError(MemoryError):
    """As CuPy raises it."""


class MemoryPointer:
    """Memory of the GPU."""

    def __init__(self, pool: MemoryPool, nbytes: int) -> None:
        self._pool, self._nbytes = pool, nbytes
        self._bytes = np.full(nbytes + 256, 0xA5, np.uint8)
        start = self._bytes.ctypes.data
        self.ptr = -(-start // 256) * 256

    def __del__(self) -> None:
        self._bytes[:] = 0x5A  # who still reads it gets rubbish
        self._pool.used -= self._nbytes

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def copy_from_host_async(self, mem: int, size: int, stream: Stream) -> None:
        counts["copies in"] += 1
        counts["bytes in"] += size
        _pinned_only(mem, size)
        stream.give(lambda: ctypes.memmove(self.ptr, mem, size), self)

    def copy_to_host_async(self, mem: int, size: int, stream: Stream) -> None:
        counts["copies out"] += 1
        counts["bytes out"] += size
        _pinned_only(mem, size)
        stream.give(lambda: ctypes.memmove(mem, self.ptr, size), self)


class MemoryPool:
    def __init__(self) -> None:
        self.used = 0
        self.limit = TOTAL_BYTES

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self.limit = int(TOTAL_BYTES * fraction) if size is None else size

    def get_limit(self) -> int:
        return self.limit

    def malloc(self, nbytes: int) -> MemoryPointer:
        _check_thread()
        counts["allocations"] += 1
        if self.used + nbytes > self.limit:
            raise OutOfMemoryError(f"out of memory allocating {nbytes} bytes")
        self.used += nbytes
        return MemoryPointer(self, nbytes)

    def free_all_blocks(self) -> None:
        _check_thread()


_pinned: list[tuple[int, int]] = []


def alloc_pinned_memory(nbytes: int) -> Any:
    _check_thread()
    memory = bytearray(nbytes)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    _pinned.append((start, nbytes))
    return memory


def _pinned_only(address: int, size: int) -> None:
    if not any(start <= address and address + size <= start + nbytes for start, nbytes in _pinned):
        raise ValueError("an asynchronous copy from or to memory that is not page-locked")


class Event:
    def __init__(self, *, disable_timing: bool) -> None:
        self.is_timed = not disable_timing
        self.work: list[Any] = []

    def synchronize(self) -> None:
        counts["synchronisations"] += 1
        counts["waiting"] += 1
        gate.wait()
        counts["waiting"] -= 1
        _do(self.work)


def get_elapsed_time(start: Event, end: Event) -> float:
    """Return the milliseconds between two events; the double has no clock."""
    assert start.is_timed
    assert end.is_timed
    return 1.0


class Stream:
    def __init__(self, *, non_blocking: bool) -> None:
        assert non_blocking
        self.work: list[Any] = []

    def give(self, step: Any, *alive: Any) -> None:
        _check_thread()
        self.work.append([step, alive])

    def record(self, event: Event) -> Event:
        event.work = list(self.work)
        return event

    def wait_event(self, event: Event) -> None:
        work = event.work
        self.give(lambda: _do(work))


def _do(work: list[Any]) -> None:
    for entry in work:
        step, entry[0] = entry[0], None
        entry[1:] = []
        if step is not None:
            step()


class RawModule:
    def __init__(self, *, code: str, options: tuple[str, ...], backend: str) -> None:
        assert backend == "nvrtc"
        assert "--fmad=false" in options
        defines = tuple(option for option in options if option.startswith("-D"))
        self._library = ctypes.CDLL(str(_built(code, defines)))

    def get_function(self, name: str) -> Any:
        kernel = getattr(self._library, name)

        def launch(grid: Any, block: Any, arguments: Any, *, stream: Stream) -> None:
            counts["launches"] += 1
            (argument,) = arguments
            assert type(argument) is np.uint64, "a plain int would be passed as 32 or 64 bits by its value"
            assert block[1:] == (1, 1)
            assert all(1 <= size <= 65535 for size in grid[1:])
            numbers = [ctypes.c_uint(number) for number in (*grid, block[0])]
            stream.give(lambda: self._library.launch(kernel, ctypes.c_void_p(int(argument)), *numbers))

        return launch


def _built(code: str, defines: tuple[str, ...]) -> Path:
    """Build a program for the processor, once for each source."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or "g++"
    name = hashlib.sha256(f"{code}{WORDS.read_text()}{FLAGS}{defines}".encode()).hexdigest()[:24]
    target = Path(tempfile.gettempdir()) / f"lazytile-double-{os.getuid()}" / f"{name}.so"
    if not target.exists():
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            source, made = Path(folder) / "pixels.cpp", Path(folder) / "made.so"
            source.write_text(code)
            command = [compiler, *FLAGS, *defines, "-include", str(WORDS), str(source), "-o", str(made)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            made.replace(target)
    return target


class Device:
    compute_capability = "90"

    def __init__(self, number: int) -> None:
        assert number == 0, "a worker sees its own GPU as the first"

    def use(self) -> None:
        _owners.add(threading.get_ident())


cuda = SimpleNamespace(
    Device=Device,
    Event=Event,
    MemoryPool=MemoryPool,
    Stream=Stream,
    alloc_pinned_memory=alloc_pinned_memory,
    get_elapsed_time=get_elapsed_time,
    memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
)
