"""Units of data and units of a colormap: the few conversions that are exact enough for binning.

A value is converted once, in float64, before it is binned. The steps of a conversion are applied in order, each rounded
once as IEEE 754 does. So kelvin data on a map in degrees Celsius is binned on exactly ``value - 273.15``, and anybody
who computes that gets the same bin, edges included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEMPERATURES = {
    "K": ("k", "kelvin", "kelvins", "degk", "deg_k", "degree_k", "degrees_k", "degree_kelvin", "degrees_kelvin", "°k"),
    "C": ("c", "°c", "degc", "deg_c", "degree_c", "degrees_c", "celsius", "degree_celsius", "degrees_celsius", "℃"),
    "F": ("f", "°f", "degf", "deg_f", "degree_f", "degrees_f", "fahrenheit", "degree_fahrenheit", "degrees_fahrenheit"),
}
_TEMPERATURE = {spelling: key for key, spellings in _TEMPERATURES.items() for spelling in spellings}

_STEPS: dict[tuple[str, str], tuple[tuple[str, float], ...]] = {
    ("K", "C"): (("subtract", 273.15),),
    ("C", "K"): (("add", 273.15),),
    ("F", "C"): (("subtract", 32.0), ("multiply", 5.0), ("divide", 9.0)),
    ("C", "F"): (("multiply", 9.0), ("divide", 5.0), ("add", 32.0)),
    ("F", "K"): (("subtract", 32.0), ("multiply", 5.0), ("divide", 9.0), ("add", 273.15)),
    ("K", "F"): (("subtract", 273.15), ("multiply", 9.0), ("divide", 5.0), ("add", 32.0)),
}

_DIFFERENCE = re.compile(r"anomal|departure|difference|tendency|(?:^|[ _])bias(?:[ _]|$)", re.IGNORECASE)

# Family, and how many of the family's base unit one of this unit is.
_SCALED: dict[str, tuple[str, Fraction]] = {
    **dict.fromkeys(("1", "fraction", "none", "dimensionless", "unitless", "0-1"), ("ratio", Fraction(1))),
    **dict.fromkeys(("%", "percent", "per cent", "pct"), ("ratio", Fraction(1, 100))),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), ("length", Fraction(1000))),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("length", Fraction(1))),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), ("length", Fraction(1, 100))),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), ("length", Fraction(1, 1000))),
    **dict.fromkeys(("pa", "pascal", "pascals"), ("pressure", Fraction(1))),
    **dict.fromkeys(("hpa", "hectopascal", "mb", "mbar", "millibar", "millibars"), ("pressure", Fraction(100))),
    "kpa": ("pressure", Fraction(1000)),
    **dict.fromkeys(("m s-1", "m/s", "m s^-1", "m s**-1", "m.s-1"), ("speed", Fraction(1))),
    **dict.fromkeys(("cm s-1", "cm/s"), ("speed", Fraction(1, 100))),
    **dict.fromkeys(("km h-1", "km/h", "km hr-1", "km/hr"), ("speed", Fraction(5, 18))),
    # One kilogram of water on a square metre stands one millimetre high (1000 kg m-3).
    **dict.fromkeys(("kg m-2 s-1", "kg/m2/s", "kg m^-2 s^-1", "mm s-1", "mm/s"), ("rain", Fraction(1))),
    **dict.fromkeys(("mm h-1", "mm/h", "mm hr-1", "mm/hr", "mm hour-1", "mm/hour"), ("rain", Fraction(1, 3600))),
    **dict.fromkeys(("mm d-1", "mm/d", "mm day-1", "mm/day"), ("rain", Fraction(1, 86400))),
    **dict.fromkeys(("kg m-2", "kg/m2", "kg m^-2", "kg/m²", "kg m**-2"), ("column", Fraction(1))),
    **dict.fromkeys(("g m-2", "g/m2", "g m^-2", "g/m²", "g m**-2"), ("column", Fraction(1, 1000))),
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a value in the data's units becomes one in the colormap's."""

    steps: tuple[tuple[str, float], ...] = ()
    """Operations (add, subtract, multiply, divide) with their operand, in order; none means no conversion."""

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values in the units of the colormap.

        Args:
            values: float64 of any shape, NumPy or CuPy, in the units of the data.

        Returns:
            The same shape and kind of array.
        """
        for operation, operand in self.steps:
            if operation == "add":
                values = values + operand
            elif operation == "subtract":
                values = values - operand
            elif operation == "multiply":
                values = values * operand
            else:
                values = values / operand
        return values


IDENTITY = Conversion()


def is_difference(title: str) -> bool:
    """Return whether a title describes a difference of values, of which 1 K is 1 degree Celsius, not -272.15.

    Args:
        title: Of a colormap.

    Returns:
        True for an anomaly, tendency, bias and the like.
    """
    return _DIFFERENCE.search(title) is not None


def conversion(data_units: str, map_units: str, *, difference: bool = False) -> Conversion:
    """Return the conversion from the data's units to the colormap's.

    Args:
        data_units: Of the data.
        map_units: Of the colormap.
        difference: Whether the values are differences, to which origins do not apply.

    Returns:
        No conversion for empty, unknown or equal units, and for units of different kinds, which ``are_comparable``
        distinguishes.
    """
    data, target = _normal(data_units), _normal(map_units)
    if data in _TEMPERATURE and target in _TEMPERATURE:
        known = _STEPS.get((_TEMPERATURE[data], _TEMPERATURE[target]), ())
        return Conversion(tuple(step for step in known if not difference or step[0] in {"multiply", "divide"}))
    if data in _SCALED and target in _SCALED and _SCALED[data][0] == _SCALED[target][0]:
        ratio = _SCALED[data][1] / _SCALED[target][1]
        steps = [("multiply", float(ratio.numerator)), ("divide", float(ratio.denominator))]
        return Conversion(tuple(step for step in steps if step[1] != 1.0))
    return IDENTITY


def are_comparable(data_units: str, map_units: str) -> bool:
    """Return whether values in one unit can be read on a map in another.

    Args:
        data_units: Of the data; may be empty.
        map_units: Of the colormap; may be empty.

    Returns:
        False only where both are known and of different kinds.
    """
    data, target = _normal(data_units), _normal(map_units)
    if not data or not target or data == target:
        return True
    if data in _TEMPERATURE or target in _TEMPERATURE:
        return data in _TEMPERATURE and target in _TEMPERATURE
    if data in _SCALED and target in _SCALED:
        return _SCALED[data][0] == _SCALED[target][0]
    # Unknown spellings may be the same unit: m/s and metres per second.
    return True


def _normal(units: str) -> str:
    return " ".join(
        units.replace("º", "°").replace("degrees ", "degrees_").replace("degree ", "degree_").split()
    ).lower()
