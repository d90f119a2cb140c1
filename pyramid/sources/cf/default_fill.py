"""What the netCDF library writes where nothing was written (NUG, appendix "fill values"), which is no data."""

from __future__ import annotations

from typing import Any

import numpy as np

_DEFAULT_FILL: dict[str, float] = {
    "int16": -32767,
    "uint16": 65535,
    "int32": -2147483647,
    "uint32": 4294967295,
    "int64": -9223372036854775806,
    "uint64": 18446744073709551614,
    "float32": float(np.float32(9.969209968386869e36)),
    "float64": 9.969209968386869e36,
}
"""By type. Bytes are left out, as the library's guide demands: each of them may be a value."""


def default_fill(stored: np.dtype[Any], dtype: np.dtype[Any]) -> float | None:
    """Return the code of cells that were never written.

    Args:
        stored: Type in the file, which selects the fill value.
        dtype: Type of the codes: the stored type, or its signed or unsigned twin by ``_Unsigned``. The code then has
            the bits of the fill value.

    Returns:
        The code; None for types without one.
    """
    fill = _DEFAULT_FILL.get(stored.newbyteorder("=").name)
    if fill is None or dtype.kind not in "iu" or dtype.kind == stored.kind:
        return fill
    return int(np.array([fill], stored.newbyteorder("=")).view(dtype)[0])
