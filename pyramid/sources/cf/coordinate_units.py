"""Coordinates in the units that files give them, and in those of their coordinate reference system."""

from __future__ import annotations

import re
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
    **dict.fromkeys(("microradian", "microradians", "urad"), 1e-6),
}
_MULTIPLE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


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
    spelling = units.strip().lower()
    if spelling[:1].isalpha():
        spelling = spelling.replace(" ", "_")
    unit = crs.axis_info[0] if crs.axis_info else None
    if unit is not None and unit.unit_name == "degree":
        if spelling.startswith("degree") or spelling in ("", "1"):
            return values
        raise SourceError(f"{name} is in {units!r}, but its coordinate reference system is in degrees")
    multiple = _MULTIPLE.fullmatch(spelling)
    factor = float(multiple[1]) if multiple else 1.0
    spelling = multiple[2] if multiple else spelling
    if spelling in _RADIANS_PER_UNIT:
        return values * (factor * _RADIANS_PER_UNIT[spelling] * _satellite_height(crs, name))
    metres = METRES_PER_UNIT.get(spelling)
    if metres is None and spelling in ("", "1"):
        # No satellite view is less than a metre wide: these are angles, and the file leaves their unit out.
        angles = float(np.abs(values).max(initial=0.0)) < 1.0 and "geostationary" in _method(crs)
        return values * _satellite_height(crs, name) if angles else values
    if metres is None:
        if unit is not None and spelling == unit.unit_name.lower().replace(" ", "_"):
            return values
        raise SourceError(f"{name} is in {units!r}; use metres, kilometres, feet or, for a geostationary view, radians")
    factor *= metres / (float(unit.unit_conversion_factor) if unit else 1.0)
    return values if factor == 1.0 else values * factor


def _method(crs: pyproj.CRS) -> str:
    return crs.coordinate_operation.method_name.lower() if crs.coordinate_operation else ""


def _satellite_height(crs: pyproj.CRS, name: str) -> float:
    for parameter in crs.coordinate_operation.params if crs.coordinate_operation else ():
        if "height" in parameter.name.lower():
            return float(parameter.value)
    raise SourceError(f"{name} is in radians, which only a geostationary view allows")
