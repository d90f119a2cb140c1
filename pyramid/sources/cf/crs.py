"""The coordinate reference system that a source states, and the units of its coordinates in it.

CF grid mappings (CF conventions, 5.6 and appendix F), ``crs_wkt`` and ``spatial_ref`` texts, PROJ strings as many
models write beside them, and the global attributes of WRF. Longitudes and latitudes on any ellipsoid are taken for
EPSG:4326, as everybody does: what that moves a place by is far less than a cell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Attributes = Mapping[str, Any]

GEOGRAPHIC = "EPSG:4326"
_TEXTS = ("crs_wkt", "spatial_ref")
_PROJ_TEXTS = ("proj4", "proj4_string", "proj4text", "proj4_params", "proj_string", "proj4string")
_FIGURE = frozenset({"earth_radius", "semi_major_axis", "semi_minor_axis", "inverse_flattening"}) | {
    "reference_ellipsoid_name",
    "horizontal_datum_name",
}
_RADIANS = {"rad": 1.0, "radian": 1.0, "radians": 1.0, "microradian": 1e-6, "microradians": 1e-6, "urad": 1e-6}
_METRES = {
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0),
    **dict.fromkeys(("ft", "foot", "feet", "international_foot", "international_feet"), 0.3048),
    **dict.fromkeys(("us_survey_foot", "us_survey_feet", "us-ft", "ftus"), 1200.0 / 3937.0),
}
_CONES = frozenset({"lambert_conformal_conic", "albers_conical_equal_area"})
_CODES = ("epsg_code", "spatial_epsg", "EPSG", "epsg")
_NUMBERS = re.compile(r"\s*[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?:[\s,]+[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)*\s*")
_COUNTED = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_WRF_MERCATOR, _WRF_LATLON = 3, 6


def parse(text: str) -> pyproj.CRS:
    """Return the CRS that a text names (``EPSG:n``, WKT, PROJ). Raises ``SourceError`` for anything else."""
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise SourceError(
            f"{shown!r} is no coordinate reference system; EPSG:n, WKT and PROJ texts are read"
        ) from error


def text_of(crs: pyproj.CRS) -> str:
    """Return what a ``Grid`` calls a CRS: EPSG:4326 for longitudes and latitudes, an exact ``EPSG:n``, else WKT."""
    if is_lonlat(crs):
        return GEOGRAPHIC
    code = crs.to_epsg(min_confidence=100)
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def is_lonlat(crs: pyproj.CRS) -> bool:
    """Tell whether x is a longitude east of Greenwich and y a latitude, in degrees; a rotated pole is not."""
    if not crs.is_geographic or crs.is_derived:
        return False
    meridian = crs.prime_meridian
    return (meridian is None or meridian.longitude == 0) and crs.axis_info[0].unit_name == "degree"


def stated(attributes: Attributes) -> Iterator[pyproj.CRS]:
    """Yield the CRSs that the attributes of a grid mapping variable state, the most trusted first.

    Files contradict themselves: a reader that knows a few true places tries one after the other.
    """
    for name in _TEXTS:
        if cf.text(attributes, name):
            yield parse(cf.text(attributes, name))
    proj = [cf.text(attributes, name) for name in _PROJ_TEXTS if cf.text(attributes, name)]
    named = _from_cf(attributes) if cf.text(attributes, "grid_mapping_name") else None
    # A mapping that does not say how the Earth is shaped means the sphere of the model, and its PROJ text names that.
    if named is not None and (not proj or _FIGURE & set(attributes)):
        yield named
    for text in proj:
        yield parse(text)
    if named is not None and proj:
        yield named
    for name in _CODES:
        if name in attributes:
            yield parse(f"EPSG:{str(_plain(attributes[name])).upper().removeprefix('EPSG:').removesuffix('.0')}")


def _from_cf(attributes: Attributes) -> pyproj.CRS | None:
    clean = {key: _plain(value) for key, value in attributes.items() if key not in _TEXTS}
    parallels = np.atleast_1d(clean.get("standard_parallel", np.empty(0))).tolist()
    if parallels and clean["grid_mapping_name"] in _CONES:
        # pyproj takes a single parallel for the latitude of the origin, which CF gives apart (appendix F).
        clean["standard_parallel"] = [parallels[0], parallels[-1]]
    elif parallels:
        clean["standard_parallel"] = parallels[0]
    try:
        return pyproj.CRS.from_cf(clean)
    except (pyproj.exceptions.CRSError, KeyError, TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    """Return an attribute as pyproj takes it: Python numbers, also for numbers that a file has as text."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, str) and _NUMBERS.fullmatch(value):
        numbers = [float(part) for part in re.split(r"[\s,]+", value.strip())]
        return numbers if len(numbers) > 1 else numbers[0]
    return value


def of_wrf(attributes: Attributes) -> pyproj.CRS | None:
    """Return the CRS of a WRF file by its global attributes ``MAP_PROJ``, ``TRUELAT1`` ...; None for any other file."""
    try:
        kind = int(attributes["MAP_PROJ"])
        first, second, lon = (float(attributes[key]) for key in ("TRUELAT1", "TRUELAT2", "STAND_LON"))
        centre = float(attributes.get("MOAD_CEN_LAT", attributes["CEN_LAT"]))
    except (KeyError, TypeError, ValueError):
        return None
    pole = 90 if first >= 0 else -90
    texts = {
        1: f"+proj=lcc +lat_1={first} +lat_2={second} +lat_0={centre} +lon_0={lon}",
        2: f"+proj=stere +lat_0={pole} +lat_ts={first} +lon_0={lon}",
        _WRF_MERCATOR: f"+proj=merc +lat_ts={first} +lon_0={lon}",
    }
    return parse(f"{texts[kind]} +R=6370000 +units=m +no_defs") if kind in texts else None


def coordinates_in(crs: pyproj.CRS, values: NDArray[np.float64], units: str, name: str) -> NDArray[np.float64]:
    """Return coordinates in the units of the CRS.

    units: as the source spells them: metres, kilometres, radians of a geostationary view (times the height of the
    satellite), degrees, or none. Raises ``SourceError`` for units that do not fit.
    """
    spelt = units.strip().lower().replace(" ", "_") if units.strip()[:1].isalpha() else units.strip().lower()
    unit = crs.axis_info[0] if crs.axis_info else None
    in_degrees = unit is not None and unit.unit_name == "degree"
    if in_degrees:
        if spelt.startswith("degree") or spelt in ("", "1"):
            return values
        raise SourceError(f"{name} is in {units}, its coordinate reference system in degrees")
    counted = _COUNTED.fullmatch(spelt)
    times = float(counted[1]) if counted else 1.0
    spelt = counted[2] if counted else spelt
    if spelt in _RADIANS:
        return values * (times * _RADIANS[spelt] * _height(crs, name))
    metres = _METRES.get(spelt)
    if metres is None and spelt in ("", "1"):
        # No satellite sees metres of less than one: an angle whose unit the file has left out.
        angles = float(np.abs(values).max(initial=0.0)) < 1.0 and "geostationary" in _method(crs)
        return values * _height(crs, name) if angles else values
    if metres is None:
        if unit is not None and spelt == unit.unit_name.lower().replace(" ", "_"):
            return values
        raise SourceError(f"{name} is in {units!r}; metres, kilometres and, seen from a satellite, radians are read")
    factor = times * metres / (float(unit.unit_conversion_factor) if unit else 1.0)
    return values if factor == 1.0 else values * factor


def _method(crs: pyproj.CRS) -> str:
    return crs.coordinate_operation.method_name.lower() if crs.coordinate_operation else ""


def _height(crs: pyproj.CRS, name: str) -> float:
    """Return the height of the satellite that an angle is multiplied by."""
    for parameter in crs.coordinate_operation.params if crs.coordinate_operation else ():
        if "height" in parameter.name.lower():
            return float(parameter.value)
    raise SourceError(f"{name} is in radians, which only a geostationary view has")
