"""The forms of the attribute ``grid_mapping`` (CF 5.6): a name, or names with the coordinates to which each applies."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r"(\S+?)\s*:\s+((?:(?!\S+\s*:(?:\s|$))\S+\s*)*)")


@dataclass(frozen=True, slots=True)
class MappingUse:
    """A grid mapping variable that a variable names, and the coordinates to which it applies."""

    name: str
    """May be a path."""
    coordinates: tuple[str, ...] = ()
    """Empty in the short form."""


def mapping_uses(text: str) -> tuple[MappingUse, ...]:
    """Return the grid mappings that an attribute names.

    Args:
        text: ``crs``, or ``crsOSGB: x y crsWGS84: latitude longitude``.

    Returns:
        Each of them, in the order of the text.
    """
    if ":" not in text:
        return tuple(MappingUse(word) for word in text.split())
    parts = _PART.findall(f"{text.strip()} ")
    if not parts:
        return tuple(MappingUse(word.strip(":")) for word in text.split() if word.strip(":"))
    return tuple(MappingUse(name, tuple(words.split())) for name, words in parts)
