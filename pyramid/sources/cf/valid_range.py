"""The range of valid codes, from attributes in packed or in physical units (CF conventions, 2.5.1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.sources.cf.codes import codes_of, numbers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Attributes = Mapping[str, Any]


def valid_range(
    attributes: Attributes, dtype: np.dtype[Any], scale: float, offset: float
) -> tuple[float | None, float | None]:
    """Return the range of codes that hold data.

    Args:
        attributes: Of the variable: ``valid_range``, or ``valid_min`` and ``valid_max``.
        dtype: Type of the codes.
        scale: Scale factor of the packing.
        offset: Offset of the packing.

    Returns:
        Lowest and highest valid code; None for an end that no code lies beyond.
    """
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    both = attributes.get("valid_range")
    if both is not None and np.asarray(both).size == 2:
        low, high = np.asarray(both).ravel()
    ends = [numbers_of(low)[:1], numbers_of(high)[:1]]
    if dtype.kind == "f":
        lows, highs = ([end for end in side if math.isfinite(end)] for side in ends)
        return (float(lows[0]) if lows else None), (float(highs[0]) if highs else None)
    has_floats = any(np.asarray(end).dtype.kind == "f" for end in (low, high) if end is not None)
    if has_floats and (scale != 1.0 or offset != 0.0):
        physical = _unpacked_range(ends, dtype, scale, offset)
        if physical is not None:
            return physical
    codes = [codes_of(side, dtype) for side in ends]
    limits = np.iinfo(dtype)
    first, last = (side[0] if side else None for side in codes)
    return _within(first, last, limits)


def _unpacked_range(
    ends: list[list[Any]], dtype: np.dtype[Any], scale: float, offset: float
) -> tuple[float | None, float | None] | None:
    """Return the packed range for one in physical units, or None where it cannot be that.

    CF wants packed units, but a range of floats on packed integers is usually meant physically. It is taken so where
    the codes of both ends exist.
    """
    limits = np.iinfo(dtype)
    codes: list[float | None] = []
    for side in ends:
        code = (side[0] - offset) / scale if side and math.isfinite(side[0]) else None
        if code is not None and not limits.min - 0.5 <= code <= limits.max + 0.5:
            return None
        codes.append(code)
    low, high = codes if scale > 0 else reversed(codes)
    # A thousandth of a code is rounding of the attributes, which are often float32.
    first = None if low is None else math.ceil(low - 1e-3)
    last = None if high is None else math.floor(high + 1e-3)
    return _within(first, last, limits)


def _within(low: float | None, high: float | None, limits: np.iinfo[Any]) -> tuple[float | None, float | None]:
    """Return a range without the ends that no code of the type lies beyond."""
    return (None if low is None or low <= limits.min else low), (None if high is None or high >= limits.max else high)
