"""Whether a variable is a quantity or names classes: one answer for packing, overviews, styles, legends and documents.

Conversion stores the answer as the reduction of the variable, ``mode`` for classes; ``Variable.is_classes`` is all that
anything else asks. A quantity may reserve codes for flags (land, ice, no observation): they are no data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.sources.cf.codes import codes_of, numbers_of, scalar_of
from lazytile.pyramid.sources.cf.valid_range import valid_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    Attributes = Mapping[str, Any]

_CLASS_WORDS = re.compile(
    r"(?:^|[^a-z])(?:[a-z]*mask|flags?|class(?:es|ification)?|categor(?:y|ies)|types?|basins?|biomes?|regions?|"
    r"land_?cover|land_?use|lulc|ids?)(?:$|[^a-z])"
)
_CLASS_STANDARD_NAMES = re.compile(r"status_flag|area_type|region|binary_mask|quality_flag")
_CLASS_UNITS = frozenset({"id", "ids", "class", "code", "flag"})
_NO_UNITS = frozenset({"", "1", "none", "dimensionless", "unitless", "n/a", "-"}) | _CLASS_UNITS


def is_packed(attributes: Attributes) -> bool:
    """Return whether values differ from the stored numbers.

    Args:
        attributes: Of the variable.

    Returns:
        True where there is a scale or an offset, also one for each step.

    Raises:
        SourceError: They are text that is not a number.
    """
    scales, offsets = numbers_of(attributes, "scale_factor"), numbers_of(attributes, "add_offset")
    return any(scale != 1.0 for scale in scales) or any(offset != 0.0 for offset in offsets)


def reduction_of(name: str, stored: np.dtype[Any], attributes: Attributes) -> str:
    """Return how overviews of a variable are made, which also tells classes from quantities.

    Args:
        name: Of the variable.
        stored: Type in the file.
        attributes: Of the variable.

    Returns:
        ``mode`` for classes, bit fields and truth values, else ``mean``.

    Raises:
        SourceError: An attribute is text that is not a number.
    """
    return "mode" if _is_classes(name, stored, attributes) else "mean"


def _is_classes(name: str, stored: np.dtype[Any], attributes: Attributes) -> bool:
    if stored.kind == "b":
        return True
    if "flag_masks" in attributes:
        return True
    if is_packed(attributes):
        return False
    if "flag_values" in attributes or "flag_meanings" in attributes:
        return not _has_reserved_flags(stored, stored, attributes)
    return stored.kind in "iu" and _is_named_for_classes(name, attributes)


def reserved_flags(stored: np.dtype[Any], dtype: np.dtype[Any], attributes: Attributes) -> list[float]:
    """Return the codes that a quantity reserves for flags: they are no data.

    Args:
        stored: Type in the file.
        dtype: Type of the codes.
        attributes: Of the variable.

    Returns:
        The codes; none for classes.

    Raises:
        SourceError: An attribute is text that is not a number.
    """
    if "flag_values" not in attributes or not _has_reserved_flags(stored, dtype, attributes):
        return []
    return codes_of(attributes, "flag_values", dtype)


def _has_reserved_flags(stored: np.dtype[Any], dtype: np.dtype[Any], attributes: Attributes) -> bool:
    """Return whether flag values are codes among those of a quantity.

    They are on a packed variable, where all of them lie outside the valid range, and among floats with units.
    """
    if stored.kind == "b" or "flag_masks" in attributes or "flag_values" not in attributes:
        return False
    if is_packed(attributes):
        return True
    if stored.kind == "f" and _text(attributes, "units").lower() not in _NO_UNITS:
        return True
    flags = codes_of(attributes, "flag_values", dtype)
    low, high = valid_range(
        attributes, dtype, scalar_of(attributes, "scale_factor", 1.0), scalar_of(attributes, "add_offset", 0.0)
    )
    if not flags or (low is None and high is None):
        return False
    return all((low is not None and flag < low) or (high is not None and flag > high) for flag in flags)


def _is_named_for_classes(name: str, attributes: Attributes) -> bool:
    if _CLASS_STANDARD_NAMES.search(_text(attributes, "standard_name")):
        return True
    if _text(attributes, "units").lower() in _CLASS_UNITS:
        return True
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return _CLASS_WORDS.search(f"{snake} {_text(attributes, 'long_name').lower()}") is not None


def _text(attributes: Attributes, name: str) -> str:
    value = attributes.get(name, "")
    return value.strip() if isinstance(value, str) else ""
