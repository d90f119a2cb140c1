"""Which module's functions work on an array: kernels take it from their arrays, so that one body serves CPU and GPU."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def array_module(array: Any) -> Any:
    """Return the module whose functions work on an array.

    Args:
        array: An array or a scalar of NumPy, CuPy or a library of the array API standard.

    Returns:
        ``numpy``, ``cupy``, or the array's API namespace.

    Raises:
        TypeError: It is no array.
    """
    if isinstance(array, np.ndarray | np.generic):
        return np
    # CuPy's arrays have no ``__array_namespace__``. Where one exists, CuPy is imported already.
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    namespace = getattr(array, "__array_namespace__", None)
    if namespace is None:
        raise TypeError(f"{type(array).__name__} is not an array")
    return namespace()
