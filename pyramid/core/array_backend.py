"""The one module that knows CuPy: which array module an array belongs to, and whether a GPU really works.

Kernels take their array module from their arrays, so one body serves NumPy on a processor and CuPy on a GPU.
CuPy is imported only where CuPy arrays already are, or on a worker that has a GPU of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBE_LENGTH = 1024


def array_module(array: Any) -> Any:
    """Return the module whose functions work on the array: ``numpy``, ``cupy``, or its array API namespace.

    CuPy's arrays have no ``__array_namespace__``, so they are told by the module of their type. Raises
    ``TypeError`` for anything that is not an array.
    """
    if isinstance(array, np.ndarray | np.generic):
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        import cupy  # noqa: PLC0415 - an optional extra, and imported already where such an array exists

        return cupy
    namespace = getattr(array, "__array_namespace__", None)
    if namespace is None:
        raise TypeError(f"{type(array).__name__} is not an array")
    return namespace()


def to_device_of(values: NDArray[Any], array: Any) -> Any:
    """Return a host array's values as an array of the same kind and on the same device as another array."""
    xp = array_module(array)
    if xp is np:
        return values
    device = getattr(array, "device", None)
    # CuPy makes arrays on the current device and takes no ``device``; the standard's namespaces want to be told.
    return xp.asarray(values, device=device) if hasattr(array, "__array_namespace__") else xp.asarray(values)


def to_host(array: Any) -> NDArray[Any]:
    """Return a NumPy array of the same shape, dtype and values; NumPy arrays are returned as they are."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.get())


def probe_device() -> str:
    """Compile and run a kernel on this process's GPU and return the GPU's name. For workers only.

    Neither a worker's start nor ``cupy.cuda.is_available()`` says that driver, compiler and GPU fit together;
    this does. It creates a CUDA context in the process. Raises what CuPy raises, or ``ArithmeticError``.
    """
    import cupy  # noqa: PLC0415 - an optional extra

    double = cupy.ElementwiseKernel("T x", "T y", "y = x * 2", "lazytile_probe")
    total = float(double(cupy.arange(PROBE_LENGTH, dtype=cupy.float32)).sum())
    if total != PROBE_LENGTH * (PROBE_LENGTH - 1):
        raise ArithmeticError(f"the GPU's sum is {total}, not {PROBE_LENGTH * (PROBE_LENGTH - 1)}")
    name: bytes = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    return name.decode()
