"""The numbers that attributes hold, and the codes that they stand for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    Attributes = Mapping[str, Any]


def number_of(value: Any, default: float) -> float:
    """Return the number that an attribute holds.

    Args:
        value: Of the attribute; None where it is absent.
        default: For an attribute that is not one number.

    Returns:
        The number or the default.
    """
    try:
        array = np.asarray(value, dtype=np.float64).ravel() if value is not None else np.empty(0)
    except (TypeError, ValueError):
        return default
    return float(array[0]) if array.size == 1 else default


def codes_of(value: Any, dtype: np.dtype[Any]) -> list[float]:
    """Return the codes that an attribute lists.

    Args:
        value: Of the attribute; None where it is absent.
        dtype: Type of the codes.

    Returns:
        The codes; numbers that the type cannot hold, such as NaN for integers, are skipped.
    """
    codes: list[float] = []
    for number in numbers_of(value):
        if dtype.kind == "f":
            if not math.isnan(number):
                with np.errstate(over="ignore"):
                    codes.append(float(dtype.type(number)))
            continue
        if not math.isfinite(number) or number != int(number):
            continue
        code = _as_code(int(number), dtype)
        if code is not None:
            codes.append(code)
    return codes


def _as_code(number: int, dtype: np.dtype[Any]) -> int | None:
    """Return the number as a code of an integer type, reading a negative one as its unsigned bit pattern."""
    limits = np.iinfo(dtype)
    if limits.min <= number <= limits.max:
        return number
    span = 1 << (8 * dtype.itemsize)
    if dtype.kind == "u" and -span // 2 <= number < 0:
        return number + span
    if dtype.kind == "i" and limits.max < number < span:
        return number - span
    return None


def numbers_of(value: Any) -> list[Any]:
    """Return the numbers that an attribute lists.

    Args:
        value: Of the attribute; None where it is absent.

    Returns:
        Python numbers; none for text that is not a number.
    """
    if value is None or isinstance(value, (str, bytes)):
        try:
            return [float(value)] if value else []
        except ValueError:
            return []
    array = np.asarray(value).ravel()
    return [item.item() for item in array] if array.dtype.kind in "iufb" else []
