"""How stored codes represent physical values (CF conventions, sections 8.1 and 2.5.1).

``value = code * scale_factor + add_offset`` in float64; some codes mean that there is no data. Codes stay packed until
they are coloured; only the oracle, statistics and number requests decode them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module
from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TABLE_ITEM_BYTES = 2
"""Integer codes up to this size are coloured by a table of all codes (65,536 entries at most)."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How numbers are stored as codes."""

    dtype: str
    """NumPy name of the codes in native byte order, such as ``int16`` or ``float32``."""
    scale_factor: float = 1.0
    add_offset: float = 0.0
    missing: tuple[float, ...] = ()
    """Codes that mean no data, as NaN always does. New cells without data are filled with the first."""
    valid_min: float | None = None
    """Smallest code that is data (packed units), or None."""
    valid_max: float | None = None
    """Largest code that is data (packed units), or None."""

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in "iuf":
            raise StoreError(f"codes must be integers or floats, got {self.dtype}")
        if self.scale_factor == 0 or not np.isfinite([self.scale_factor, self.add_offset]).all():
            raise StoreError(f"scale_factor must be finite and not 0, got {self.scale_factor} + {self.add_offset}")
        for code in self.missing:
            if not _holds(np.dtype(self.dtype), code):
                raise StoreError(f"{code} is no {self.dtype}, so it cannot be the code of missing data")

    @property
    def has_table(self) -> bool:
        """Whether the codes are few enough for one table entry each."""
        dtype = np.dtype(self.dtype)
        return dtype.kind in "iu" and dtype.itemsize <= MAX_TABLE_ITEM_BYTES

    @property
    def fill_code(self) -> float | None:
        """The code written where there is no data; None where every code is data (then nothing can be missing)."""
        if np.dtype(self.dtype).kind == "f":
            return self.missing[0] if self.missing else float("nan")
        return self.missing[0] if self.missing else None

    def all_codes(self) -> NDArray[Any]:
        """Return every code of an 8- or 16-bit type by its unsigned bit pattern: shape (256 or 65536,)."""
        dtype = np.dtype(self.dtype)
        unsigned = np.dtype(f"u{dtype.itemsize}")
        return np.arange(1 << (8 * dtype.itemsize), dtype=unsigned).view(dtype)

    def is_missing(self, codes: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which codes mean no data.

        Args:
            codes: Any shape; an array of NumPy, CuPy or any library of the array API standard.

        Returns:
            Same shape, bool.
        """
        missing: NDArray[np.bool_] = codes != codes  # noqa: PLR0124 - NaN; False everywhere for integers
        for code in self.missing:
            missing = missing | (codes == np.dtype(self.dtype).type(code).item())
        low, high = self.limits()
        if low is not None:
            missing = missing | (codes < low)
        if high is not None:
            missing = missing | (codes > high)
        return missing

    def limits(self) -> tuple[float | None, float | None]:
        """Return the ends of the valid range as numbers that codes compare with exactly, None where all pass.

        A 64-bit integer is not compared as float64, and a limit past the end of a type would not fit it.

        Raises:
            StoreError: No number of the type is in the range.
        """
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return self.valid_min, self.valid_max
        ends = np.iinfo(dtype)
        low = None if self.valid_min is None or self.valid_min <= ends.min else math.ceil(self.valid_min)
        high = None if self.valid_max is None or self.valid_max >= ends.max else math.floor(self.valid_max)
        if (low is not None and low > ends.max) or (high is not None and high < ends.min):
            raise StoreError(f"the valid range {self.valid_min} to {self.valid_max} holds no {self.dtype}")
        return low, high

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return physical values.

        Args:
            codes: Any shape, of the packing's dtype.

        Returns:
            Same shape and array library, float64; NaN where there is no data.
        """
        xp = array_module(codes)
        values = xp.astype(codes, xp.float64)
        if self.scale_factor != 1.0:
            values = values * self.scale_factor
        if self.add_offset != 0.0:
            values = values + self.add_offset
        decoded: NDArray[np.float64] = xp.where(self.is_missing(codes), float("nan"), values)
        return decoded


def _holds(dtype: np.dtype[Any], code: float) -> bool:
    """Return whether a type can represent this number; for a float type, a number close to it."""
    if dtype.kind == "f":
        return not np.isfinite(code) or abs(code) <= float(np.finfo(dtype).max)
    return bool(np.isfinite(code)) and code == int(code) and np.iinfo(dtype).min <= code <= np.iinfo(dtype).max
