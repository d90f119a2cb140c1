"""Whether a variable is a quantity or names classes: one answer for packing, overviews, styles, legends and documents.

Conversion stores the answer as the reduction of the variable, ``mode`` for classes; ``Variable.is_classes`` is all that
anything else asks. A quantity may reserve codes for flags (land, ice, no observation): they are no data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
_NAME = "its name"
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


@dataclass(frozen=True, slots=True)
class VariableKind:
    """Whether a variable is a quantity or names classes, and what says so."""

    is_classes: bool
    evidence: str
    guessed: bool = False

    @property
    def reduction(self) -> str:
        """How overviews are made: ``mode`` of classes, else ``mean``."""
        return "mode" if self.is_classes else "mean"

    @property
    def text(self) -> str:
        """The kind in a word."""
        return "classes" if self.is_classes else "quantity"


def kind_of(name: str, stored: np.dtype[Any], attributes: Attributes) -> VariableKind:
    """Return whether a variable is a quantity or names classes.

    Args:
        name: Of the variable.
        stored: Type in the file.
        attributes: Of the variable.

    Returns:
        The kind.

    Raises:
        SourceError: An attribute is text that is not a number.
    """
    packed = is_packed(attributes)
    flagged = "flag_values" if "flag_values" in attributes else "flag_meanings" if "flag_meanings" in attributes else ""
    reserved = _has_reserved_flags(stored, stored, attributes)
    for applies, is_classes, evidence in (
        (stored.kind == "b", True, "its truth values"),
        ("flag_masks" in attributes, True, "flag_masks"),
        (packed, False, "scale_factor and add_offset"),
        (reserved, False, "flag_values apart from its values"),
        (bool(flagged), True, flagged),
    ):
        if applies:
            return VariableKind(is_classes, evidence)
    whole = stored.kind in "iu"
    named = _evidence_of_name(name, attributes) if whole else ""
    if named:
        return VariableKind(is_classes=True, evidence=named, guessed=named == _NAME)
    return VariableKind(is_classes=False, evidence="no sign of classes", guessed=whole)


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


def _evidence_of_name(name: str, attributes: Attributes) -> str:
    """Return which name of a variable says that its numbers are classes; empty where none does."""
    if _CLASS_STANDARD_NAMES.search(_text(attributes, "standard_name")):
        return "standard_name"
    if _text(attributes, "units").lower() in _CLASS_UNITS:
        return "units"
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return _NAME if _CLASS_WORDS.search(f"{snake} {_text(attributes, 'long_name').lower()}") is not None else ""


def _text(attributes: Attributes, name: str) -> str:
    value = attributes.get(name, "")
    return value.strip() if isinstance(value, str) else ""
