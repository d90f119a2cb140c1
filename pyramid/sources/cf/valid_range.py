"""The range of valid codes, from attributes in packed or in physical units (CF conventions, 2.5.1)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.codes import as_codes, numbers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Attributes = Mapping[str, Any]

_END = r"([+-]?[\d.]*\d(?:[eE][+-]?\d+)?)"
_ENDS = re.compile(rf"\s*[\[({{]?\s*{_END}\s*(?:\.\.+|to|-|:)\s*{_END}\s*[\])}}]?\s*")
"""A range in words: ``0 to 100``, ``0..100``."""


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

    Raises:
        SourceError: An attribute is text that holds no range.
    """
    ends, has_floats = _ends(attributes)
    if dtype.kind == "f":
        lows, highs = ([end for end in side if math.isfinite(end)] for side in ends)
        return (float(lows[0]) if lows else None), (float(highs[0]) if highs else None)
    if has_floats and (scale != 1.0 or offset != 0.0):
        physical = _unpacked_range(ends, dtype, scale, offset)
        if physical is not None:
            return physical
    codes = [as_codes(side, dtype) for side in ends]
    limits = np.iinfo(dtype)
    first, last = (side[0] if side else None for side in codes)
    return _within(first, last, limits)


def _ends(attributes: Attributes) -> tuple[list[list[Any]], bool]:
    """Return the numbers of both ends, and whether they are floats."""
    both = attributes.get("valid_range")
    words = _ENDS.fullmatch(both) if isinstance(both, str) else None
    if words is not None:
        return [[float(end)] for end in words.groups()], "." in "".join(words.groups())
    pair = numbers_of(attributes, "valid_range")
    if len(pair) not in (0, 2):
        raise SourceError(f"its valid_range has {len(pair)} numbers instead of two")
    ends = [pair[:1], pair[1:]] if pair else [numbers_of(attributes, f"valid_{end}")[:1] for end in ("min", "max")]
    return ends, any(isinstance(number, float) for side in ends for number in side)


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
