"""The engine with one worker process per GPU, by dask-cuda. Only this module imports dask-cuda.

This process creates no CUDA context: contexts, kernels and GPU memory belong to the workers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin

from lazytile.pyramid.core.array_backend import probe_device
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.dask_cluster import cluster_arguments, open_own
from lazytile.pyramid.engines.gpu_devices import EXTRAS, gpu_devices
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import EngineOptions

# With an unknown keyword dask-cuda starts no workers and raises nothing: open_own counts the workers.
CUDA_ARGUMENTS: dict[str, Any] = {
    "device_memory_limit": None,  # it spills results that Dask holds; ours are encoded tiles on the host
    "memory_limit": None,  # else the nanny kills a worker because of its chunk cache
    "pre_import": "cupy,zarr,numcodecs,PIL",
}


async def open_cuda(options: EngineOptions) -> ClusterSession:
    """Start one worker per GPU and run a kernel on each.

    Args:
        options: Number of GPUs, dashboard and timeouts.

    Returns:
        The connection to the cluster.

    Raises:
        EngineError: There is no GPU or not enough of them, a worker does not start, or a GPU does not work.
    """
    devices = gpu_devices()
    if not devices.ids:
        raise EngineError(f"the engine cuda cannot start: {devices.reason}")
    if options.workers is not None and options.workers > len(devices.ids):
        raise EngineError(
            f"the engine cuda runs one worker per GPU: {options.workers} requested, {len(devices.ids)} present"
        )
    ids = list(devices.ids[: options.workers])
    try:
        from dask_cuda import LocalCUDACluster  # noqa: PLC0415 - an optional extra
    except ImportError as error:  # dask-cuda without its own extra
        raise EngineError(f"the engine cuda cannot start, install {EXTRAS}: {one_line(error)}") from error
    # The threads decode chunks and encode tiles: all cores are for that. The GPU has a thread of its own.
    threads = max(2, processor_count() // len(ids))
    arguments = {"threads_per_worker": threads, **CUDA_ARGUMENTS, **cluster_arguments(options)}
    create = partial(LocalCUDACluster, CUDA_VISIBLE_DEVICES=ids, **arguments)
    session = await open_own(f"cuda, {len(ids)} GPU{'s' * (len(ids) != 1)}", create, len(ids), options)
    try:
        probe = partial(start_worker, options.start_gpu or probe_device)
        if options.start_gpu is not None:
            # A worker that is started again needs its GPU too.
            await session.client.register_plugin(GpuPlugin(options.start_gpu))
        session.description += f" ({await _probed(session, probe, options.start_timeout_s)})"
    except BaseException:
        await session.close()
        raise
    return session


def start_worker(start: Callable[[], str]) -> tuple[str, str]:
    """Start what computes on the GPU of the worker that calls this, or only probe the GPU.

    Args:
        start: Does it and returns the name of what works.

    Returns:
        The name and an empty text; or an empty name and the reason why the GPU does not work. The reason is text, as
        the server would have to import CuPy to unpickle CuPy's exceptions.
    """
    try:
        return start(), ""
    except Exception as error:  # noqa: BLE001 - import errors, driver errors, compiler errors: all mean no GPU
        return "", one_line(error)


class GpuPlugin(WorkerPlugin):
    """Starts what computes on the GPU of each worker, also of one that is started again."""

    name = "lazytile-gpu"

    def __init__(self, start: Callable[[], str]) -> None:
        self._start = start

    def setup(self, worker: Any) -> None:
        """Start it. Where that fails, every task of the worker fails with the reason.

        Args:
            worker: The worker.
        """
        del worker
        start_worker(self._start)


async def _probed(session: ClusterSession, probe: Callable[[], tuple[str, str]], timeout_s: float) -> str:
    """Run a kernel on every worker's GPU; return the GPUs' names. Raises ``EngineError``."""
    try:
        answers = await session.run_everywhere(probe, timeout_s=timeout_s)
    except TimeoutError as error:
        raise EngineError(f"the engine cuda cannot start: its GPUs did not respond within {timeout_s:g} s") from error
    names = set()
    for answer in answers.values():
        name, reason = ("", one_line(answer)) if isinstance(answer, Exception) else answer
        if reason:
            raise EngineError(f"the engine cuda cannot start: a GPU does not work: {reason}")
        names.add(name)
    return ", ".join(sorted(names))
