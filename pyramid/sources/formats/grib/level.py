"""The level of a GRIB message: a surface, or the layer between two, with exact values and units.

ecCodes gives levels as whole numbers, which merges soil layers of parts of a metre. The scaled values of edition 2 and
the octets of edition 1 are exact (WMO Manual on Codes, edition 1 table 3, edition 2 code table 4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.sources.formats.grib.handle import key_of, number_of, scaled_of

if TYPE_CHECKING:
    from lazytile.pyramid.sources.formats.grib.identity import Identity

_PASCALS = frozenset({100, 108})
"""Surfaces of edition 2 whose pascals are written in hectopascals, as everybody does."""
_NOTHING = frozenset({"unknown", "-", "", "~", "Numeric", "1", "None"})
_SURFACES = {
    20: ("0.01", "K"),
    100: ("1", "hPa"),
    103: ("1", "m"),
    105: ("1", "m"),
    107: ("0.0001", ""),
    109: ("1", ""),
    111: ("0.01", "m"),
    113: ("1", "K"),
    115: ("1", "hPa"),
    117: ("0.000000001", "K m2 kg-1 s-1"),
    119: ("0.0001", ""),
    125: ("0.01", "m"),
    126: ("1", "Pa"),
    160: ("1", "m"),
    210: ("1", "Pa"),
}
"""Edition 1: unit of the two octets of a level, by its type."""
_LAYERS: dict[int, tuple[str, str, str]] = {
    101: ("0", "10", "hPa"),
    104: ("0", "100", "m"),
    106: ("0", "100", "m"),
    108: ("0", "0.01", ""),
    110: ("0", "1", ""),
    112: ("0", "0.01", "m"),
    114: ("475", "-1", "K"),
    116: ("0", "1", "hPa"),
    120: ("0", "0.01", ""),
    121: ("1100", "-1", "hPa"),
    128: ("1.1", "-0.001", ""),
}
"""Edition 1: first value and step of each of the two octets of a layer, by its type."""


@dataclass(frozen=True, slots=True, order=True)
class Level:
    """A level of a message."""

    first: float
    second: float | None = None
    """Of a layer."""

    @property
    def text(self) -> str:
        """The level as a label."""
        return f"{self.first:.10g}" if self.second is None else f"{self.first:.10g}-{self.second:.10g}"

    @property
    def order(self) -> tuple[float, float]:
        """The key by which levels sort."""
        return self.first, self.first if self.second is None else self.second


def level_of(handle: Any, identity: Identity) -> tuple[Level, str]:
    """Return the level of a message.

    Args:
        handle: Of the message.
        identity: Of the message.

    Returns:
        The level and its units, empty where it has none.
    """
    kind = identity.levels[0]
    if identity.parameter[0] == 1:
        return _of_octets(handle, kind)
    first = scaled_of(handle, "First")
    units = str(key_of(handle, "unitsOfFirstFixedSurface", ""))
    pascals = kind in _PASCALS
    units = "hPa" if pascals else "" if units in _NOTHING else units
    if first is None:
        return Level(0.0), ""
    second = scaled_of(handle, "Second") if identity.levels[1] == kind else None
    return Level(_value(first, pascals=pascals), None if second is None else _value(second, pascals=pascals)), units


def _value(scaled: tuple[int, int], *, pascals: bool) -> float:
    number, factor = scaled
    return float(Decimal(number).scaleb(-factor - (2 if pascals else 0)))


def _of_octets(handle: Any, kind: int) -> tuple[Level, str]:
    if kind in _LAYERS:
        first, step, units = _LAYERS[kind]
        ends = (number_of(handle, "topLevel", 0), number_of(handle, "bottomLevel", 0))
        top, bottom = (float(Decimal(first) + Decimal(step) * end) for end in ends)
        return Level(top, bottom), units
    step, units = _SURFACES.get(kind, ("1", ""))
    return Level(float(Decimal(step) * number_of(handle, "level", 0))), units
