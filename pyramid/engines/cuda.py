"""The engine with one worker process a GPU, by dask-cuda. The one module that imports dask-cuda.

This process makes no CUDA context: contexts, kernels and GPU memory belong to the workers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.array_backend import probe_device
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.dask_session import cluster_arguments, open_own
from lazytile.pyramid.engines.gpu_devices import EXTRAS, gpu_devices
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import EngineOptions

# An unknown keyword gives a cluster with no workers and no error: open_own counts the workers.
CUDA_ARGUMENTS: dict[str, Any] = {
    "threads_per_worker": 2,  # decoding and encoding run beside the kernels
    "device_memory_limit": None,  # it spills results that Dask holds; ours are encoded tiles on the host
    "memory_limit": None,  # else the nanny kills a worker for its cache of chunks
    "pre_import": "cupy,zarr,numcodecs,PIL",
}


async def open_cuda(options: EngineOptions) -> ClusterSession:
    """Start one worker a GPU and have each of them use its GPU.

    Raises ``EngineError`` where there is no GPU, where a worker does not start, and where a GPU does not work.
    """
    devices = gpu_devices()
    if not devices.ids:
        raise EngineError(f"the engine cuda cannot start: {devices.reason}")
    if options.workers is not None and options.workers > len(devices.ids):
        raise EngineError(
            f"the engine cuda has one worker a GPU: {options.workers} asked for, {len(devices.ids)} there"
        )
    ids = list(devices.ids[: options.workers])
    try:
        from dask_cuda import LocalCUDACluster  # noqa: PLC0415 - an optional extra
    except ImportError as error:  # dask-cuda without its own extra
        raise EngineError(f"the engine cuda cannot start, install {EXTRAS}: {one_line(error)}") from error
    create = partial(LocalCUDACluster, CUDA_VISIBLE_DEVICES=ids, **CUDA_ARGUMENTS, **cluster_arguments(options))
    session = await open_own(f"cuda, {len(ids)} GPU{'s' * (len(ids) != 1)}", create, len(ids), options)
    try:
        session.description += f" ({await _probed(session, options.start_timeout_s)})"
    except BaseException:
        await session.close()
        raise
    return session


def probe_worker() -> tuple[str, str]:
    """Use the GPU of the worker that this runs on. Returns its name, or an empty name and why it does not work.

    A text, since to unpickle CuPy's exception the server would have to import CuPy.
    """
    try:
        return probe_device(), ""
    except Exception as error:  # noqa: BLE001 - import errors, driver errors, compiler errors: all mean no GPU
        return "", one_line(error)


async def _probed(session: ClusterSession, timeout_s: float) -> str:
    """Have every worker use its GPU; return the GPUs' names. Raises ``EngineError``."""
    try:
        answers = await session.run_everywhere(probe_worker, timeout_s=timeout_s)
    except TimeoutError as error:
        raise EngineError(f"the engine cuda cannot start: its GPUs do not answer within {timeout_s:g} s") from error
    names = set()
    for answer in answers.values():
        name, complaint = ("", one_line(answer)) if isinstance(answer, Exception) else answer
        if complaint:
            raise EngineError(f"the engine cuda cannot start: a GPU does not work: {complaint}")
        names.add(name)
    return ", ".join(sorted(names))
