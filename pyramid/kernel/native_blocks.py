"""What conversion does to whole blocks of codes, in C++ on the processor: coarser levels, and numbers for statistics.

``source/reduction.cpp`` holds the loops. All return what NumPy returns, bit for bit.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.kernel.code_tables import TYPES, nodata_table
from lazytile.pyramid.kernel.structs import host_address, nodata_struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.kernel.library import Library

_KINDS = {"mode": 0, "nearest": 1, "min": 2, "max": 3}
_MIRRORED = {"min": "max", "max": "min"}
"""The smallest value has the largest code where the scale is negative."""
_LEAST_NORMAL = -1022
"""Exponent of the smallest power of two with all digits."""


class NativeBlocks:
    """The functions of a library for blocks. See ``BlockKernel``."""

    def __init__(self, library: Library) -> None:
        """Take the functions.

        Args:
            library: The library.
        """
        self._library = library

    def reduce(self, codes: NDArray[Any], packing: Packing, reduction: str) -> NDArray[Any] | None:
        """Return the next coarser level."""
        nodata = nodata_table(packing)
        is_ours = packing.dtype in TYPES and codes.dtype == np.dtype(packing.dtype)
        if nodata is None or not is_ours or (reduction in _MIRRORED and codes.dtype.kind == "f"):
            return None
        cells = np.ascontiguousarray(codes)
        rows, cols = cells.shape
        out = np.empty((rows - rows // 2, cols - cols // 2), cells.dtype)
        fill = None if packing.fill_code is None else np.array(packing.fill_code, cells.dtype)
        struct = nodata_struct(nodata)
        size = (TYPES[packing.dtype], host_address(cells), rows, cols)
        ends = (ctypes.addressof(struct), None if fill is None else host_address(fill), host_address(out))
        if reduction == "mean":
            self._library.halve(*size, *ends)
        else:
            kind = _MIRRORED.get(reduction, reduction) if packing.scale_factor < 0 else reduction
            self._library.reduce(_KINDS[kind], *size, *ends)
        return out

    def count(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Count integer codes of 8 or 16 bits."""
        cells = np.ascontiguousarray(codes)
        counts = np.zeros(1 << (8 * cells.itemsize), np.int64)
        self._library.count(host_address(cells), cells.size, cells.itemsize, host_address(counts))
        return counts

    def select(self, codes: NDArray[Any], packing: Packing) -> tuple[int, NDArray[Any]] | None:
        """Return how many floats are data, and those that are finite."""
        nodata = nodata_table(packing)
        if nodata is None or codes.dtype.kind != "f" or packing.dtype not in TYPES or codes.dtype != packing.dtype:
            return None
        cells = np.ascontiguousarray(codes)
        out, found = np.empty(cells.size + 1, cells.dtype), np.zeros(2, np.int64)
        struct = nodata_struct(nodata)
        addresses = (ctypes.addressof(struct), host_address(out), host_address(found))
        self._library.select(TYPES[packing.dtype], host_address(cells), cells.size, *addresses)
        return int(found[0]), out[: found[1]]

    def bin(self, numbers: NDArray[Any], exponent: int, first: int, bins: int) -> NDArray[np.int64] | None:
        """Count finite floats in bins of a power of two."""
        is_exact = _LEAST_NORMAL <= -exponent <= -_LEAST_NORMAL
        if numbers.dtype.name not in TYPES or numbers.dtype.kind != "f" or not is_exact:
            return None
        cells = np.ascontiguousarray(numbers)
        counts = np.zeros(bins, np.int64)
        kind, per_unit = TYPES[cells.dtype.name], math.ldexp(1.0, -exponent)
        self._library.bin(kind, host_address(cells), cells.size, per_unit, first, bins, host_address(counts))
        return counts
