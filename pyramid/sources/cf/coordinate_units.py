"""Coordinates in the units that files give them, in degrees, and in those of their coordinate reference system."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    import pyproj
    from numpy.typing import NDArray

METRES_PER_UNIT = {
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0),
    **dict.fromkeys(("ft", "foot", "feet", "international_foot", "international_feet"), 0.3048),
    **dict.fromkeys(("us_survey_foot", "us_survey_feet", "us-ft", "ftus"), 1200.0 / 3937.0),
}
"""Length of each unit of projected coordinates, by its spelling in lower case."""
_RADIANS_PER_UNIT = {
    **dict.fromkeys(("rad", "radian", "radians"), 1.0),
    **dict.fromkeys(("milliradian", "milliradians", "mrad"), 1e-3),
    **dict.fromkeys(("microradian", "microradians", "urad"), 1e-6),
}
_DEGREES_PER_UNIT = {
    **dict.fromkeys(("decimal_degree", "decimal_degrees", "decimal_deg", "°", "arc_degree", "arc_degrees"), 1.0),
    **dict.fromkeys(("arcmin", "arcminute", "arcminutes", "arc_minute", "arc_minutes"), 1 / 60),
    **dict.fromkeys(("arcsec", "arcsecond", "arcseconds", "arc_second", "arc_seconds"), 1 / 3600),
    **dict.fromkeys(("gon", "gons", "grad", "grads", "grade", "grades"), 0.9),
}
_DEGREES = re.compile(r"(?:deg(?:ree)?s?|°)_?(n|north|latitude|lat|s|south|e|east|longitude|lon|w|west)?")
_DIRECTIONS = {
    **dict.fromkeys(("n", "north", "latitude", "lat"), ("north", 1.0)),
    **dict.fromkeys(("e", "east", "longitude", "lon"), ("east", 1.0)),
    **dict.fromkeys(("s", "south"), ("north", -1.0)),
    **dict.fromkeys(("w", "west"), ("east", -1.0)),
}
_NO_UNIT = frozenset({"", "1", "none", "unitless", "dimensionless", "-"})
_MULTIPLE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


class Quantity(enum.Enum):
    """What the units of a coordinate measure."""

    ANGLE = "an angle"
    LENGTH = "a length"
    NONE = "nothing"
    OTHER = "something else"


@dataclass(frozen=True, slots=True)
class CoordinateUnit:
    """The units of a coordinate."""

    quantity: Quantity
    factor: float = 1.0
    """Degrees or metres in one unit; negative for degrees south and west."""
    direction: str = ""
    """``north`` for units of latitudes only, ``east`` for those of longitudes; empty for all others."""
    radians: float = 0.0
    """Radians in one unit of an angle."""


def coordinate_unit(units: str) -> CoordinateUnit:
    """Return what the units of a coordinate measure.

    Args:
        units: As the source spells them: those of CF 4.1 and 4.2 (``degrees_north``, ``degree_E`` ...), plain degrees,
            minutes and seconds of arc, gons, radians, metres, kilometres, feet, or a multiple such as ``100 m``.

    Returns:
        The units.
    """
    spelling = units.strip().lower()
    if spelling in _NO_UNIT:
        return CoordinateUnit(Quantity.NONE)
    if not spelling[:1].isdigit():
        spelling = re.sub(r"[\s_]+", "_", spelling)
    plain = _DEGREES.fullmatch(spelling)
    if plain is not None:
        direction, sign = _DIRECTIONS.get(plain[1] or "", ("", 1.0))
        return CoordinateUnit(Quantity.ANGLE, sign, direction, math.radians(sign))
    multiple = _MULTIPLE.fullmatch(spelling)
    factor = float(multiple[1]) if multiple else 1.0
    spelling = multiple[2] if multiple else spelling
    if spelling in _DEGREES_PER_UNIT:
        degrees_each = factor * _DEGREES_PER_UNIT[spelling]
        return CoordinateUnit(Quantity.ANGLE, degrees_each, radians=math.radians(degrees_each))
    if spelling in _RADIANS_PER_UNIT:
        radians = factor * _RADIANS_PER_UNIT[spelling]
        return CoordinateUnit(Quantity.ANGLE, math.degrees(radians), radians=radians)
    if spelling in METRES_PER_UNIT:
        return CoordinateUnit(Quantity.LENGTH, factor * METRES_PER_UNIT[spelling])
    return CoordinateUnit(Quantity.OTHER)


def to_crs_units(crs: pyproj.CRS, values: NDArray[np.float64], units: str, name: str) -> NDArray[np.float64]:
    """Return coordinates in the units of their coordinate reference system.

    Args:
        crs: Of the coordinates.
        values: Coordinates, any shape, in ``units``.
        units: As the source spells them: metres, kilometres, feet, degrees, radians of a geostationary view (which
            are multiplied by the height of the satellite), a multiple such as ``100 m``, or empty.
        name: Of the coordinate, for errors.

    Returns:
        Coordinates, the shape of ``values``.

    Raises:
        SourceError: The units do not fit the coordinate reference system.
    """
    found = coordinate_unit(units)
    unit = crs.axis_info[0] if crs.axis_info else None
    if unit is not None and unit.unit_name == "degree":
        if found.quantity in (Quantity.ANGLE, Quantity.NONE):
            return values if found.factor == 1.0 else values * found.factor
        raise SourceError(f"{name} is in {units!r}, but its coordinate reference system is in degrees")
    if found.quantity is Quantity.ANGLE and not found.direction:
        return values * (found.radians * _satellite_height(crs, name))
    if found.quantity is Quantity.NONE:
        # No satellite view is less than a metre wide: these are angles, and the file leaves their unit out.
        angles = float(np.abs(values).max(initial=0.0)) < 1.0 and "geostationary" in _method(crs)
        return values * _satellite_height(crs, name) if angles else values
    if found.quantity is Quantity.LENGTH:
        factor = found.factor / (float(unit.unit_conversion_factor) if unit else 1.0)
        return values if factor == 1.0 else values * factor
    spelling = units.strip().lower().replace(" ", "_")
    if unit is not None and spelling == unit.unit_name.lower().replace(" ", "_"):
        return values
    raise SourceError(f"{name} is in {units!r}; use metres, kilometres, feet or, for a geostationary view, radians")


def _method(crs: pyproj.CRS) -> str:
    return crs.coordinate_operation.method_name.lower() if crs.coordinate_operation else ""


def _satellite_height(crs: pyproj.CRS, name: str) -> float:
    for parameter in crs.coordinate_operation.params if crs.coordinate_operation else ():
        if "height" in parameter.name.lower():
            return float(parameter.value)
    raise SourceError(f"{name} is in degrees or radians, which only a geostationary view allows")
