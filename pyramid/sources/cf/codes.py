"""The numbers that attributes hold, and the codes that they stand for.

Attributes that should be numbers are text in many files: ``"0.01"``, ``"0.01f"`` as CDL writes it, ``"1.0D-2"``,
``"-9999, -8888"``. Such text is read as the numbers that it shows. Text that shows none is an error, never a default.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Attributes = Mapping[str, Any]

_NUMBER = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)(?:[fFdDbBsSlL]|[uU][bBsSlL]?|[uU]?[lL]{2})?", re.ASCII
)
_SPECIAL: dict[str, float] = {
    **dict.fromkeys(("nan", "nanf", "nat"), math.nan),
    **dict.fromkeys(("inf", "+inf", "inff", "infinity"), math.inf),
    **dict.fromkeys(("-inf", "-inff", "-infinity"), -math.inf),
}
_BLANKS = re.compile(r"[\s,;]+")


def scalar_of(attributes: Attributes, name: str, default: float) -> float:
    """Return the number that an attribute holds.

    Args:
        attributes: Of the variable.
        name: Of the attribute.
        default: Where it is absent or blank.

    Returns:
        The number.

    Raises:
        SourceError: It is not one number.
    """
    numbers = numbers_of(attributes, name)
    if not numbers:
        return default
    if len(numbers) > 1:
        raise SourceError(f"its {name} has {len(numbers)} numbers; one is allowed, or one for each step of a dimension")
    return float(numbers[0])


def codes_of(attributes: Attributes, name: str, dtype: np.dtype[Any]) -> list[float]:
    """Return the codes that an attribute lists.

    Args:
        attributes: Of the variable.
        name: Of the attribute.
        dtype: Type of the codes.

    Returns:
        The codes; numbers that the type cannot hold, such as NaN for integers, are skipped.

    Raises:
        SourceError: It holds text that is not a number.
    """
    return as_codes(numbers_of(attributes, name), dtype)


def as_codes(numbers: list[Any], dtype: np.dtype[Any]) -> list[float]:
    """Return numbers as codes of a type.

    Args:
        numbers: Python numbers.
        dtype: Type of the codes.

    Returns:
        The codes, without the numbers that the type cannot hold.
    """
    codes: list[float] = []
    for number in numbers:
        if dtype.kind == "f":
            if not math.isnan(number):
                with np.errstate(over="ignore"):
                    codes.append(float(dtype.type(number)))
            continue
        if not math.isfinite(number) or number != int(number):
            continue
        code = _as_code(number, dtype)
        if code is not None:
            codes.append(code)
    return codes


def _as_code(number: float, dtype: np.dtype[Any]) -> int | None:
    """Return the number as a code of an integer type, reading a negative one as its unsigned bit pattern."""
    limits = np.iinfo(dtype)
    code = int(number)
    if code == limits.max + 1 == float(number):
        return int(limits.max)  # of 64 bits, whose greatest code no float64 holds
    if limits.min <= code <= limits.max:
        return code
    span = 1 << (8 * dtype.itemsize)
    if dtype.kind == "u" and -span // 2 <= code < 0:
        return code + span
    if dtype.kind == "i" and limits.max < code < span:
        return code - span
    return None


def numbers_of(attributes: Attributes, name: str) -> list[Any]:
    """Return the numbers that an attribute lists.

    Args:
        attributes: Of the variable.
        name: Of the attribute.

    Returns:
        Python numbers; none where it is absent or blank.

    Raises:
        SourceError: It holds text that is not a number.
    """
    value = attributes.get(name)
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return [_of_text(word, name, value) for word in _BLANKS.split(value.strip("\0 \t\r\n[](){}")) if word]
    array = np.asarray(value).ravel()
    if array.dtype.kind in "iufb":
        return [item.item() for item in array]
    if array.dtype.kind in "Mm":
        return [int(item) for item in array[~np.isnat(array)].astype(np.int64)]
    if array.dtype.kind in "SUO":
        return [number for item in array.tolist() for number in numbers_of({name: item}, name)]
    raise SourceError(f"its {name} is {str(value)[:40]!r}, not a number")


def _of_text(word: str, name: str, whole: str) -> int | float:
    match = _NUMBER.fullmatch(word)
    if match is None:
        special = _SPECIAL.get(word.lower())
        if special is not None:
            return special
        raise SourceError(f"its {name} is {whole[:40]!r}, not a number")
    digits = re.sub("[dD]", "e", match[1])
    return int(digits) if re.fullmatch(r"[+-]?\d+", digits) else float(digits)


def with_nodata(attributes: Attributes, nodata: float) -> dict[str, Any]:
    """Return attributes with the no-data code that the user states, where they state none that can be read.

    Args:
        attributes: Of the variable.
        nodata: The code.

    Returns:
        The attributes; text that is no number is left out.
    """
    found = dict(attributes)
    for name in ("_FillValue", "missing_value"):
        try:
            numbers_of(found, name)
        except SourceError:
            del found[name]
    found.setdefault("_FillValue", nodata)
    return found
