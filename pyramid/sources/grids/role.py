"""What a variable says that it is: a latitude, a longitude, or a coordinate of rows or columns, and by which evidence.

The order of evidence is that of ``Evidence``: what the user states, CF attributes, the true places of cells,
conventions of models and tools, and names last. A name counts only where the numbers can be what it claims, and only
for coordinates of an angle or without units. ``docs/sources.md`` has the whole table.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.coordinate_units import Quantity, coordinate_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

_NUMERIC_KINDS = "iuf"


class Evidence(enum.IntEnum):
    """What speaks for a meaning; the smallest number is the strongest."""

    USER = 0
    CF = 1
    PLACES = 2
    CONVENTION = 3
    NAME = 4


class Kind(enum.Enum):
    """What a coordinate counts."""

    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    Y = "y"
    """A projected or rotated coordinate of rows, or one whose quantity is unknown."""
    X = "x"


@dataclass(frozen=True, slots=True)
class Role:
    """What a variable says that it is."""

    kind: Kind
    evidence: Evidence
    by: str
    """What says so, such as ``standard_name``."""
    quantity: Quantity
    problem: str = ""
    """Why its attributes contradict each other; empty where they agree."""

    @property
    def is_flat(self) -> bool:
        """Whether it is a coordinate of x or y in a projection."""
        return self.kind in (Kind.X, Kind.Y)


_STANDARD = {
    "latitude": Kind.LATITUDE,
    "longitude": Kind.LONGITUDE,
    **dict.fromkeys(("projection_x_coordinate", "grid_longitude", "projection_x_angular_coordinate"), Kind.X),
    **dict.fromkeys(("projection_y_coordinate", "grid_latitude", "projection_y_angular_coordinate"), Kind.Y),
}
_AT_LOCATION = re.compile(r"(latitude|longitude)_at_\w+")
"""Standard names of staggered grids (ROMS), such as ``latitude_at_u_location``."""
_INDEX = re.compile(r"[xyijk]_(?:grid_)?index\w*|.*_index(?:_at_\w+)?")
_TYPES = {"lat": Kind.LATITUDE, "lon": Kind.LONGITUDE, "geox": Kind.X, "geoy": Kind.Y}
_AXES = {"X": Kind.X, "Y": Kind.Y}
_PREFIX = r"(?:x|nav_|geo|cell_?|pixel_?|center_?|[tuvqpc])?"
_NAMES = {
    Kind.LATITUDE: re.compile(rf"{_PREFIX}lat(?:itude)?s?(?:_.*)?|gphi.|latixy", re.IGNORECASE),
    Kind.LONGITUDE: re.compile(rf"{_PREFIX}lon(?:g|gitude)?s?(?:_.*)?|glam.|longxy", re.IGNORECASE),
    Kind.Y: re.compile(r"y|yc|rlat|grid_lat(?:itude)?|northing|south_north|y_?coord(?:inate)?", re.IGNORECASE),
    Kind.X: re.compile(r"x|xc|rlon|grid_lon(?:gitude)?|easting|west_east|x_?coord(?:inate)?", re.IGNORECASE),
}
_LONG_NAMES = {
    Kind.LATITUDE: re.compile(r"(?:\w+ )?latitudes?\b.*", re.IGNORECASE),
    Kind.LONGITUDE: re.compile(r"(?:\w+ )?longitudes?\b.*", re.IGNORECASE),
}
_NO_PLACE = re.compile(r"bnds|bounds|vert(?:ex|ices)|corner|edges|error|uncert|stdev", re.IGNORECASE)
_ROTATED = re.compile(r"rlat|rlon|grid_.*", re.IGNORECASE)
_ANGULAR = {Kind.X: Kind.LONGITUDE, Kind.Y: Kind.LATITUDE}


_PLAIN = re.compile(rf"{_PREFIX}lat(?:itude)?s?(?:_(?:rho|[tuvqpfc]|psi|m))?|gphi.|latixy", re.IGNORECASE)


def is_plain_latitude(name: str) -> bool:
    """Return whether a name is that of the latitudes of cells rather than of a quantity that is a latitude too.

    Args:
        name: Of a variable.

    Returns:
        True for ``lat``, ``nav_lat`` or ``lat_rho``, False for ``lat_centroid`` or ``storm_lat``.
    """
    return _PLAIN.fullmatch(name) is not None


def roles_of(group: xr.Dataset) -> dict[str, Role]:
    """Return what the variables of a group say that they are.

    Args:
        group: Variables, not decoded.

    Returns:
        Roles by name; other variables are left out.
    """
    bounds = {cf.text(variable.attrs, key) for variable in group.variables.values() for key in ("bounds", "edges")}
    found = {
        str(name): _role(str(name), variable) for name, variable in group.variables.items() if str(name) not in bounds
    }
    return {name: role for name, role in found.items() if role is not None}


@dataclass(frozen=True, slots=True)
class _Variable:
    """The attributes of a variable that say what it is."""

    name: str
    stored: xr.Variable
    standard: str
    axis: str
    units: str
    quantity: Quantity
    direction: str


def _role(name: str, stored: xr.Variable) -> Role | None:
    """Return what a variable says that it is; None for all that is no horizontal coordinate."""
    if stored.ndim < 1 or stored.dtype.kind not in _NUMERIC_KINDS:
        return None
    standard = cf.text(stored.attrs, "standard_name").lower()
    units = cf.text(stored.attrs, "units")
    unit = coordinate_unit(units)
    # The axis of a variable along two dimensions says nothing of its own.
    axis = cf.text(stored.attrs, "axis").upper() if stored.ndim == 1 else ""
    variable = _Variable(name, stored, standard, axis, units, unit.quantity, unit.direction)
    found = _by_standard_name(variable)
    if found is not None or _INDEX.fullmatch(standard) or unit.quantity is Quantity.OTHER:
        return found
    return next((role for rule in _RULES if (role := rule(variable)) is not None), None)


def _by_standard_name(variable: _Variable) -> Role | None:
    at_location = _AT_LOCATION.fullmatch(variable.standard)
    kind = _STANDARD.get(at_location[1] if at_location else variable.standard)
    if kind is None:
        return None
    fits = kind in _ANGULAR or variable.quantity in (Quantity.ANGLE, Quantity.NONE)
    problem = "" if fits else f"{variable.name} has the standard_name {variable.standard} but is in {variable.units!r}"
    return Role(kind, Evidence.CF, "standard_name", variable.quantity, problem)


def _by_direction(variable: _Variable) -> Role | None:
    if not variable.direction:
        return None
    kind = Kind.LATITUDE if variable.direction == "north" else Kind.LONGITUDE
    if "nominal" in cf.text(variable.stored.attrs, "long_name").lower():
        # Axes of a grid with two poles in the north (MOM) have the degrees that they have elsewhere.
        return Role(kind, Evidence.NAME, "its long_name, which calls it nominal", variable.quantity)
    return Role(kind, Evidence.CF, "units", variable.quantity)


def _by_axis(variable: _Variable) -> Role | None:
    """Return the role of a variable that says along which axis it runs: its units say what it counts."""
    if variable.axis not in _AXES:
        return None
    flat = _AXES[variable.axis]
    angular = _ANGULAR[flat]
    if variable.quantity is Quantity.ANGLE:
        kind = flat if _ROTATED.fullmatch(variable.name) else angular
        return Role(kind, Evidence.CF, f"axis {variable.axis} and units", variable.quantity)
    if variable.quantity is Quantity.NONE and _named(variable.name, variable.stored) is angular:
        return Role(angular, Evidence.NAME, f"its name and axis {variable.axis}", variable.quantity)
    return Role(flat, Evidence.CF, f"axis {variable.axis}", variable.quantity)


def _by_type(variable: _Variable) -> Role | None:
    kind = _TYPES.get(cf.text(variable.stored.attrs, "_CoordinateAxisType").lower())
    return None if kind is None else Role(kind, Evidence.CONVENTION, "_CoordinateAxisType", variable.quantity)


def _by_name(variable: _Variable) -> Role | None:
    """Return the role of a variable that only its name or its description suggests."""
    name, quantity = variable.name, variable.quantity
    kind = None if _NO_PLACE.search(name) else _named(name, variable.stored)
    if kind is None or variable.standard or variable.axis:
        return None
    if quantity is Quantity.LENGTH:
        # A latitude in metres is none, whatever its name. What x and y count, their units say.
        flat = kind if kind in _ANGULAR else Kind.Y if kind is Kind.LATITUDE else Kind.X
        return Role(flat, Evidence.CF, "units and name", quantity) if variable.stored.ndim == 1 else None
    if quantity is Quantity.ANGLE and kind in _ANGULAR and not _ROTATED.fullmatch(name):
        return Role(_ANGULAR[kind], Evidence.NAME, "its units and name", quantity)
    described = _NAMES[kind].fullmatch(name) is None
    return Role(kind, Evidence.NAME, "its long_name" if described else "its name", quantity)


_RULES: tuple[Callable[[_Variable], Role | None], ...] = (_by_direction, _by_axis, _by_type, _by_name)


def _named(name: str, variable: xr.Variable) -> Kind | None:
    for kind in (Kind.LATITUDE, Kind.LONGITUDE):
        if _NAMES[kind].fullmatch(name):
            return kind
    description = cf.text(variable.attrs, "long_name")
    for kind, pattern in _LONG_NAMES.items():
        # Data may be described by the place where it was taken; a coordinate is named like its dimension.
        if pattern.fullmatch(description) and (variable.dims == (name,) or _NAMES[_FLAT[kind]].fullmatch(name)):
            return kind
    return next((kind for kind in (Kind.Y, Kind.X) if _NAMES[kind].fullmatch(name) and variable.ndim == 1), None)


_FLAT = {Kind.LONGITUDE: Kind.X, Kind.LATITUDE: Kind.Y}
