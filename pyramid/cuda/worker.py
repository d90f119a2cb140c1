"""Starting the CUDA kernel in a worker process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.array_backend import import_cupy
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.memory_size import parse_memory
from lazytile.pyramid.cuda.cuda_kernel import CudaKernel
from lazytile.pyramid.cuda.gpu_thread import GpuLimits, GpuThread
from lazytile.pyramid.kernel.selection import choose_kernel, install_kernel, kernel_of_environment

if TYPE_CHECKING:
    from lazytile.pyramid.kernel.job import Job

GPU_MEMORY_VARIABLE = "LAZYTILE_GPU_MEMORY"
LEAST_BYTES = 512 << 20
"""What three batches and some chunks need."""
_RESOURCE = "cuda kernel"


class _FailedKernel:
    """Stands for a GPU that does not work: the engine ``cuda`` computes there or fails."""

    name = "cuda, failed"
    reuses_values = False
    holds_chunks = False

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def handles(self, job: Job) -> bool:
        """Fail."""
        del job
        raise EngineError(f"the GPU of this worker does not work: {self._reason}")


def start_kernel(limit_bytes: int | None = None, choice: str | None = None, level: int | None = None) -> str:
    """Make the CUDA kernel that of this process, once.

    Args:
        limit_bytes: Most memory of the GPU that it takes; None: what the variable ``LAZYTILE_GPU_MEMORY`` says, such
            as ``8GiB``, else four fifths.
        choice: Kernel of the processor, which encodes, as for ``choose_kernel``; None: that of the environment.
        level: Its level.

    Returns:
        Its name, such as ``cuda sm_90``.

    Raises:
        Exception: What CuPy raises where the GPU does not work; from then on tiles fail with this reason.
    """
    try:
        kernel = process.current().resource(_RESOURCE, lambda: _make(limit_bytes, choice, level))
    except Exception as error:
        failed: Any = _FailedKernel(f"{type(error).__name__}: {error}")
        install_kernel(failed)
        raise
    install_kernel(kernel)
    return kernel.name


def _make(limit_bytes: int | None, choice: str | None, level: int | None) -> CudaKernel:
    cores = kernel_of_environment() if choice is None else choose_kernel(choice, level)
    text = os.environ.get(GPU_MEMORY_VARIABLE)
    limits = _limits(text) if limit_bytes is None else GpuLimits(memory_bytes=limit_bytes)
    return CudaKernel(GpuThread(import_cupy(), limits), cores)


def _limits(text: str | None) -> GpuLimits:
    if text is None:
        return GpuLimits()
    try:
        size = parse_memory(text, 0)
    except ValueError as error:
        raise EngineError(f"{GPU_MEMORY_VARIABLE} {error}") from error
    if size < LEAST_BYTES:
        raise EngineError(f"{GPU_MEMORY_VARIABLE} must be at least {LEAST_BYTES >> 20} MiB, got {text!r}")
    return GpuLimits(memory_bytes=size)
