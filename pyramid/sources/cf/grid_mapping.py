"""The coordinate reference systems that attributes state: CF grid mappings first, then what models write instead.

``pyproj.CRS.from_cf`` reads CF grid mappings (CF conventions, 5.6 and appendix F). ``_QUIRKS`` lists what real files
hold that it refuses or misreads; each step changes the attributes that it is given.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core import process
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.codes import numbers_of
from lazytile.pyramid.sources.cf.coordinate_units import METRES_PER_UNIT
from lazytile.pyramid.sources.cf.crs import parse_crs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Attributes = Mapping[str, Any]

_WKT_NAMES = ("crs_wkt", "spatial_ref")
_PROJ_NAMES = ("proj4", "proj4_string", "proj4text", "proj4_params", "proj_string", "proj4string")
_EPSG_NAMES = ("epsg_code", "spatial_epsg", "EPSG", "epsg")
_FIGURE_NAMES = frozenset(
    {"earth_radius", "semi_major_axis", "semi_minor_axis", "inverse_flattening"}
    | {"reference_ellipsoid_name", "horizontal_datum_name"}
)
_CONES = frozenset({"lambert_conformal_conic", "albers_conical_equal_area"})
_FALSE_ORIGIN = ("false_easting", "false_northing")
_FARTHEST_M = 4.1e7
"""No false origin lies farther away than the circumference of the Earth."""
_NUMBER = r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"\s*{_NUMBER}(?:[\s,]+{_NUMBER})*\s*")
_PRIME_MERIDIAN = re.compile(rf"PRIMEM\[[^,]*,\s*({_NUMBER})")
_WRF_LAMBERT, _WRF_POLAR, _WRF_MERCATOR = 1, 2, 3


def stated_crs(attributes: Attributes, x_units: str = "") -> Iterator[pyproj.CRS]:
    """Yield the coordinate reference systems that attributes state, the most trusted first.

    Files contradict themselves: a caller that knows the true position of a few cells can try one after the other.

    Args:
        attributes: Of a grid mapping variable or of a file.
        x_units: Units of the projected coordinates, as the file spells them.

    Yields:
        Each coordinate reference system.

    Raises:
        SourceError: A WKT text, PROJ string or EPSG code is invalid.
    """
    for name in _WKT_NAMES:
        if cf.text(attributes, name):
            yield parse_crs(cf.text(attributes, name))
    proj = [cf.text(attributes, name) for name in _PROJ_NAMES if cf.text(attributes, name)]
    mapping = _from_cf(attributes, x_units) if cf.text(attributes, "grid_mapping_name") else None
    # A grid mapping without the figure of the Earth means the sphere of the model, which from_cf takes for WGS 84. The
    # PROJ string names the sphere (Arctic20_1to5Feb_2016.nc of ROMS).
    if mapping is not None and (not proj or _FIGURE_NAMES & set(attributes)):
        yield mapping
    for text in proj:
        yield parse_crs(text)
    if mapping is not None and proj:
        yield mapping
    for name in _EPSG_NAMES:
        if name in attributes:
            yield parse_crs(f"EPSG:{str(_plain(attributes[name])).upper().removeprefix('EPSG:').removesuffix('.0')}")


def states_crs(attributes: Attributes) -> bool:
    """Return whether attributes state a coordinate reference system at all, without parsing it.

    Args:
        attributes: Of a grid mapping variable.

    Returns:
        Whether there is anything for ``stated_crs`` to parse.
    """
    names = ("grid_mapping_name", *_WKT_NAMES, *_PROJ_NAMES)
    return any(cf.text(attributes, name) for name in names) or any(name in attributes for name in _EPSG_NAMES)


def has_other_meridian(attributes: Attributes) -> bool:
    """Return whether longitudes are counted from another meridian than that of Greenwich.

    Args:
        attributes: Of a grid mapping variable.

    Returns:
        What its numbers or its WKT say.
    """
    for name in _WKT_NAMES:
        meridian = _PRIME_MERIDIAN.search(cf.text(attributes, name))
        if meridian is not None:
            return float(meridian[1]) != 0.0
    return any(number != 0 for number in numbers_of(attributes, "longitude_of_prime_meridian"))


def _from_cf(attributes: Attributes, x_units: str) -> pyproj.CRS | None:
    mapping = dict(attributes)
    for quirk in _QUIRKS:
        mapping = quirk(mapping, x_units)
    try:
        return _of_json(json.dumps(mapping, sort_keys=True, default=str))
    except (pyproj.exceptions.CRSError, KeyError, TypeError, ValueError):
        return None


@process.memo
def _of_json(text: str) -> pyproj.CRS:
    # A figure of the Earth without a name costs PROJ a quarter of a second.
    return pyproj.CRS.from_cf(json.loads(text))


def _without_wkt(mapping: dict[str, Any], _x_units: str) -> dict[str, Any]:
    """Leave out WKT texts: from_cf then reads nothing else, and where they contradict the rest both are wanted."""
    return {name: value for name, value in mapping.items() if name not in _WKT_NAMES}


def _plain_numbers(mapping: dict[str, Any], _x_units: str) -> dict[str, Any]:
    """Turn NumPy scalars, arrays and numbers as text into Python numbers.

    from_cf refuses text (``"263"``, ``"33 45"``) and arrays: netCDF3 tools without typed attributes write the former,
    netCDF4-python returns the latter.
    """
    return {name: _plain(value) for name, value in mapping.items()}


def _single_parallel(mapping: dict[str, Any], _x_units: str) -> dict[str, Any]:
    """Return a cone with two parallels and any other projection with one number.

    CF (appendix F) lets a cone have one standard parallel beside ``latitude_of_projection_origin``. from_cf takes it
    for the latitude of the origin of a Lambert cone, and 0 for the second parallel of an Albers one. Elsewhere it
    refuses a list of one number, which is how netCDF4-python and Zarr return an attribute of one element.
    """
    parallels = np.atleast_1d(mapping.get("standard_parallel", np.empty(0))).tolist()
    if not parallels:
        return mapping
    if mapping["grid_mapping_name"] in _CONES:
        return mapping | {"standard_parallel": [parallels[0], parallels[-1]]}
    return mapping | {"standard_parallel": parallels[0]}


def _false_origin_in_metres(mapping: dict[str, Any], x_units: str) -> dict[str, Any]:
    """Turn a false easting and northing into metres.

    CF (appendix F) has them in the units of the coordinates, for instance kilometres; from_cf takes them for metres.
    Some files do too: a distance beyond the circumference of the Earth is left as it is.
    """
    metres = METRES_PER_UNIT.get(x_units.strip().lower(), 1.0)
    offsets = {name: mapping[name] for name in _FALSE_ORIGIN if isinstance(mapping.get(name), int | float)}
    if any(abs(offset) * metres > _FARTHEST_M for offset in offsets.values()):
        return mapping
    return mapping | {name: offset * metres for name, offset in offsets.items()}


_QUIRKS: tuple[Callable[[dict[str, Any], str], dict[str, Any]], ...] = (
    _without_wkt,
    _plain_numbers,
    _single_parallel,
    _false_origin_in_metres,
)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, str) and _NUMBERS.fullmatch(value):
        numbers = [float(part) for part in re.split(r"[\s,]+", value.strip())]
        return numbers if len(numbers) > 1 else numbers[0]
    return value


def wrf_crs(attributes: Attributes) -> pyproj.CRS | None:
    """Return the coordinate reference system of a WRF file.

    Args:
        attributes: Global attributes of any file: ``MAP_PROJ``, ``TRUELAT1`` and others (WRF Users' Guide, chapter 3).

    Returns:
        The coordinate reference system on the sphere of WRF; None for a file of another model.
    """
    try:
        kind = int(attributes["MAP_PROJ"])
        first, second, lon = (float(attributes[key]) for key in ("TRUELAT1", "TRUELAT2", "STAND_LON"))
        centre = float(attributes.get("MOAD_CEN_LAT", attributes["CEN_LAT"]))
    except (KeyError, TypeError, ValueError):
        return None
    pole = 90 if first >= 0 else -90
    texts = {
        _WRF_LAMBERT: f"+proj=lcc +lat_1={first} +lat_2={second} +lat_0={centre} +lon_0={lon}",
        _WRF_POLAR: f"+proj=stere +lat_0={pole} +lat_ts={first} +lon_0={lon}",
        _WRF_MERCATOR: f"+proj=merc +lat_ts={first} +lon_0={lon}",
    }
    return parse_crs(f"{texts[kind]} +R=6370000 +units=m +no_defs") if kind in texts else None
