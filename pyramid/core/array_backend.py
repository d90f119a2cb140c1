"""Arrays on the host and on a GPU: moving them, and whether a GPU really works. The one module that imports CuPy.

CuPy is imported only on a worker that has a GPU of its own; elsewhere kernels take it from their arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.core.array_module import array_module

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["array_module", "import_cupy", "probe_device", "to_device_of", "to_host"]

PROBE_LENGTH = 1024


def to_device_of(values: NDArray[Any], array: Any) -> Any:
    """Return an array of the kind and on the device of another array.

    Args:
        values: A host array of any shape and dtype.
        array: The array to follow.

    Returns:
        The same shape, dtype and values; ``values`` itself where the other array is NumPy's.
    """
    xp = array_module(array)
    if xp is np:
        return values
    device = getattr(array, "device", None)
    # CuPy makes arrays on the current device and takes no ``device``; the standard's namespaces need it.
    return xp.asarray(values, device=device) if hasattr(array, "__array_namespace__") else xp.asarray(values)


def to_host(array: Any) -> NDArray[Any]:
    """Return a NumPy array of the same shape, dtype and values.

    Args:
        array: An array of NumPy, which is returned as it is, or of CuPy.

    Returns:
        The array on the host.
    """
    return array if isinstance(array, np.ndarray) else np.asarray(array.get())


def import_cupy() -> Any:
    """Return the module CuPy. For workers only."""
    import cupy  # noqa: PLC0415 - an optional extra

    return cupy


def probe_device() -> str:
    """Compile and run a kernel on this process's GPU and return the GPU's name. For workers only.

    Neither a worker's start nor ``cupy.cuda.is_available()`` proves that driver, compiler and GPU fit together;
    this does. It creates a CUDA context in the process.

    Raises:
        ArithmeticError: The GPU computes a wrong sum. CuPy's own errors pass through.
    """
    import cupy  # noqa: PLC0415 - an optional extra

    double = cupy.ElementwiseKernel("T x", "T y", "y = x * 2", "lazytile_probe")
    total = float(double(cupy.arange(PROBE_LENGTH, dtype=cupy.float32)).sum())
    if total != PROBE_LENGTH * (PROBE_LENGTH - 1):
        raise ArithmeticError(f"the GPU's sum is {total}, not {PROBE_LENGTH * (PROBE_LENGTH - 1)}")
    name: bytes = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    return name.decode()
