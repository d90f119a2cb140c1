"""The vertical dimension of a layer, by its standard name, units and direction (CF 4.3), as elevations.

An elevation grows upwards: a depth of 10 m is the elevation -10 (as in ncWMS). Pressures and numbers of levels are
what the source has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.store.dataset import Dimension

_PRESSURES = frozenset({
    "pa", "hpa", "kpa", "pascal", "pascals", "mb", "mbar", "millibar", "millibars", "bar", "bars", "dbar", "decibar",
    "decibars", "atm", "atmosphere",
})  # fmt: skip
_LENGTHS = frozenset({
    "m", "meter", "meters", "metre", "metres", "km", "kilometer", "kilometers", "kilometre", "kilometres", "cm",
    "ft", "foot", "feet", "gpm",
})  # fmt: skip
_LEVELS = frozenset({"level", "layer", "sigma_level"})
"""Units of axes without a dimension, which CF still allows."""
_STANDARD_NAME = re.compile(
    r"(altitude|height|depth|air_pressure|sea_water_pressure|model_level_number|geopotential_height"
    r"|(height|altitude|depth)_(above|below)_\w+|\w+_(height|depth)_coordinate"
    r"|(atmosphere|ocean)_\w*(sigma|hybrid|level|s|z|ln_pressure|double)\w*_coordinate)"
)
_NAME = re.compile(r"(?i)(depth|height|altitude|elevation|lev|level|levels|z|zlev|isobaric)[a-z]?[0-9]?")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Elevation:
    """The vertical dimension of a layer."""

    dimension: Dimension
    is_depth: bool
    """Whether the source counts downwards, so that elevations have the other sign."""

    def labels(self) -> tuple[str, ...]:
        """Return the elevation of each step, in order."""
        return tuple(self.turned(label) for label in self.dimension.labels)

    def turned(self, text: str) -> str:
        """Return the elevation of a label, or the label of an elevation.

        Args:
            text: A number; other texts are left as they are.

        Returns:
            The number with the other sign for a depth.
        """
        if not self.is_depth or _NUMBER.fullmatch(text) is None or float(text) == 0:
            return text.removeprefix("-") if self.is_depth and _NUMBER.fullmatch(text) else text
        return text[1:] if text.startswith("-") else f"-{text.removeprefix('+')}"


def elevation_of(dimensions: Sequence[Dimension]) -> Elevation | None:
    """Return the vertical dimension among those of a layer.

    Args:
        dimensions: Of the layer.

    Returns:
        The first that is vertical, None without one.
    """
    for dimension in dimensions:
        if dimension.kind == "other" and _is_vertical(dimension.name, dimension.units, dimension.standard_name,
                                                      dimension.positive):  # fmt: skip
            return Elevation(dimension, _is_depth(dimension))
    return None


@process.memo
def _is_vertical(name: str, units: str, standard_name: str, positive: str) -> bool:
    """Return whether an axis is vertical: by what it states, else by a usual name with a unit of length."""
    unit = units.strip().lower()
    if standard_name:
        return _STANDARD_NAME.fullmatch(standard_name) is not None or positive.lower() in ("up", "down")
    if positive.lower() in ("up", "down") or unit in _PRESSURES or unit in _LEVELS:
        return True
    return _NAME.fullmatch(name) is not None and unit in _LENGTHS


def _is_depth(dimension: Dimension) -> bool:
    """Return whether an axis of lengths counts downwards: as it states, else by its name."""
    if dimension.units.strip().lower() not in _LENGTHS:
        return False
    if dimension.positive:
        return dimension.positive.lower() == "down"
    named = dimension.standard_name or dimension.name
    return "depth" in named.lower() or "_below_" in named
