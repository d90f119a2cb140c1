"""The GPUs of this machine, listed without using one. Only this module imports NVML."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec

from lazytile.pyramid.engines.protocol import one_line

EXTRAS = "lazytile[gpu-cuda13] (or lazytile[gpu-cuda12] for a driver of CUDA 12)"


@dataclass(frozen=True, slots=True)
class GpuDevices:
    """The GPUs that this process may use, or the reason why there are none."""

    ids: tuple[str, ...]
    """Indices or UUIDs, as CUDA_VISIBLE_DEVICES spells them."""
    reason: str = ""
    """One line where ``ids`` is empty."""


def gpu_devices() -> GpuDevices:
    """List the GPUs. Never raises, creates no CUDA context, and does not check that a GPU works."""
    present = {"dask-cuda": find_spec("dask_cuda"), "cupy": find_spec("cupy"), "nvidia-ml-py": find_spec("pynvml")}
    missing = [name for name, spec in present.items() if spec is None]
    if missing:
        return GpuDevices((), f"{', '.join(missing)} not installed; install {EXTRAS}")
    import pynvml  # noqa: PLC0415 - an optional extra

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return GpuDevices((), f"no NVIDIA driver: {one_line(error)}")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        ids = tuple(str(index) for index in range(count))
    else:
        ids = tuple(name.strip() for name in visible.split(",") if name.strip())
    if ids and count:
        return GpuDevices(ids)
    return GpuDevices((), "no GPU" if not count else f"CUDA_VISIBLE_DEVICES is {visible!r}")
