"""A GPU as the CUDA kernel uses it: memory, streams, copies, launches. CuPy is handed in.

Everything here is called by the one thread that owns the GPU.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.cuda.program import program_options, program_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

THREADS = 128
"""Threads of a block, as ``__launch_bounds__`` in ``pixels.cu`` states."""
TYPE_NAMES = ("i16", "u16", "i8", "u8", "f32", "f64")
"""Types of codes as ``pixels.h`` names them."""
POOL_SHARE = 0.8
"""Of the GPU's memory: what the pool may take where no limit is set."""


class GpuMemoryError(EngineError):
    """The GPU has no room for a batch."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceArray:
    """Bytes on the GPU, freed when nothing refers to them."""

    memory: Any
    nbytes: int

    @property
    def address(self) -> int:
        """Address on the GPU."""
        return int(self.memory.ptr)


class Device:
    """The first GPU that the process sees."""

    def __init__(self, cupy: Any, limit_bytes: int | None = None, *, is_timed: bool = False) -> None:
        """Use the GPU from the calling thread, and compile the kernels.

        Args:
            cupy: The module.
            limit_bytes: Most memory that the pool may take; None: a share of what the GPU has.
            is_timed: Whether events record when they were reached, for benchmarks.
        """
        self._is_timed = is_timed
        self._cuda = cupy.cuda
        self._out_of_memory = cupy.cuda.memory.OutOfMemoryError
        cupy.cuda.Device(0).use()
        self._pool = cupy.cuda.MemoryPool()
        if limit_bytes is None:
            self._pool.set_limit(fraction=POOL_SHARE)
        else:
            self._pool.set_limit(size=limit_bytes)
        self._compile = partial(cupy.RawModule, code=program_source(), backend="nvrtc")
        self._modules: dict[str, Any] = {}
        self._functions: dict[str, Callable[..., None]] = {}
        self._check_products()
        self.name = f"cuda sm_{cupy.cuda.Device(0).compute_capability}"

    def _check_products(self) -> None:
        """Fail where the compiler contracts products and sums, or the GPU computes nonsense."""
        count = 64
        host = self.pinned(4 * count * 8 + 256)
        numbers = host[256:].view(np.float64).reshape(4, count)
        numbers[:] = [[1.0 + 2.0**-30], [1.0 - 2.0**-30], [-1.0], [1.0]]
        array, stream = self.allocate(host.size), self.stream()
        host[:40].view(np.uint64)[:] = [*(array.address + 256 + row * count * 8 for row in range(4)), count]
        self.copy_in(array, host, host.size, stream)
        self.launch("lt_check", (1, 1, 1), array.address, stream)
        self.copy_out(host, array, host.size, stream)
        self.event(stream).synchronize()
        if numbers[3].any():  # 1 - 2**-60 rounds to 1; a fused sum would be -2**-60
            raise EngineError("the GPU's kernels were compiled with contracted products: their results differ")

    @property
    def limit_bytes(self) -> int:
        """Most memory that the pool takes."""
        return int(self._pool.get_limit())

    def allocate(self, nbytes: int) -> DeviceArray:
        """Allocate memory from the pool.

        Args:
            nbytes: How much.

        Returns:
            The memory; its content is arbitrary.

        Raises:
            GpuMemoryError: There is no room.
        """
        try:
            return DeviceArray(self._pool.malloc(nbytes), nbytes)
        except self._out_of_memory as error:
            # The exception's frames would keep the memory of the failed batch alive.
            raise GpuMemoryError(f"the GPU has no room for {nbytes} more bytes") from error.with_traceback(None)

    def free_unused(self) -> None:
        """Return what nothing refers to to the GPU."""
        self._pool.free_all_blocks()

    def pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Allocate page-locked memory of the host, which the GPU copies from and to by itself.

        Args:
            nbytes: How much.

        Returns:
            Shape (nbytes,), uint8.
        """
        return np.frombuffer(self._cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes)

    def stream(self) -> Any:
        """Return a new stream, which does not wait for others."""
        return self._cuda.Stream(non_blocking=True)

    def event(self, stream: Any) -> Any:
        """Return an event that is reached once the stream has done what it was given so far.

        Args:
            stream: The stream.

        Returns:
            The event.
        """
        return stream.record(self._cuda.Event(disable_timing=not self._is_timed))

    def mark(self, marks: list[Any], stream: Any) -> None:
        """Append an event to a list, where events record times.

        Args:
            marks: The list.
            stream: The stream.
        """
        if self._is_timed:
            marks.append(self.event(stream))

    def seconds_between(self, marks: list[Any]) -> list[float]:
        """Return the time from each mark to the next one.

        Args:
            marks: Events that have been reached.

        Returns:
            Seconds, one fewer than there are marks.
        """
        elapsed_ms = self._cuda.get_elapsed_time
        return [elapsed_ms(before, after) / 1e3 for before, after in itertools.pairwise(marks)]

    def copy_in(self, to: DeviceArray, host: NDArray[np.uint8], nbytes: int, stream: Any) -> None:
        """Copy page-locked memory to the GPU; returns at once.

        Args:
            to: Where to.
            host: Where from.
            nbytes: How much, from the start of both.
            stream: The stream.
        """
        to.memory.copy_from_host_async(host.ctypes.data, nbytes, stream)

    def copy_out(self, host: NDArray[np.uint8], source: DeviceArray, nbytes: int, stream: Any) -> None:
        """Copy from the GPU to page-locked memory; returns at once.

        Args:
            host: Where to.
            source: Where from.
            nbytes: How much, from the start of both.
            stream: The stream.
        """
        source.memory.copy_to_host_async(host.ctypes.data, nbytes, stream)

    def launch(self, name: str, grid: tuple[int, int, int], argument: int, stream: Any) -> None:
        """Run a kernel of ``pixels.cu``; returns at once.

        Args:
            name: Its name.
            grid: Blocks of threads along x, y and z.
            argument: Address, on the GPU, of what its pointer points to.
            stream: The stream.
        """
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._function(name)
        function(grid, (THREADS, 1, 1), (np.uint64(argument),), stream=stream)

    def _function(self, name: str) -> Callable[..., None]:
        """Return a kernel; those of another type of codes are compiled when they are first needed."""
        suffix = name.rpartition("_")[2]
        type_name = suffix if suffix in TYPE_NAMES else TYPE_NAMES[0]
        module = self._modules.get(type_name)
        if module is None:
            module = self._modules[type_name] = self._compile(options=program_options(type_name))
        function: Callable[..., None] = module.get_function(name)
        return function
