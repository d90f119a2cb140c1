"""The units of latitudes and longitudes, and what numbers without units can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.coordinate_units import CoordinateUnit, Quantity, coordinate_unit
from lazytile.pyramid.sources.grids.stored_coordinate import decoded

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.sources.grids.cell_coordinates import CellPair

_ALL_RADIANS = 0.8
"""Share of the whole Earth in radians that numbers without units must span to be radians."""
_ROUND = 1e-5
"""How far a step may lie from a round number, as a share of it."""
_SAMPLE = 64


def unit_of_angle(variable: xr.Variable, name: str) -> CoordinateUnit:
    """Return the units of a latitude or longitude.

    Args:
        variable: The coordinate.
        name: Its name, for errors.

    Returns:
        The units; those of a coordinate without units are degrees.

    Raises:
        SourceError: They are no units of an angle.
    """
    units = cf.text(variable.attrs, "units")
    found = coordinate_unit(units)
    if found.quantity in (Quantity.ANGLE, Quantity.NONE):
        return found
    raise SourceError(f"{name} is in {units!r}, and latitudes and longitudes are in degrees or radians")


def may_be_radians(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> bool:
    """Return whether numbers without units are within the range of radians.

    Args:
        lat: Latitudes, any shape, NaN where missing.
        lon: Longitudes, any shape.

    Returns:
        Whether all of them are. The numbers of a few square degrees around 0, 0 are too.
    """
    lat, lon = (np.asarray(each)[np.isfinite(each)] for each in (lat, lon))
    slack = 1e-3
    return bool(
        lat.size and lon.size and np.abs(lat).max() <= math.pi / 2 + slack and np.abs(lon).max() <= 2 * math.pi + slack
    )


def are_radians(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> bool | None:
    """Return whether coordinates without units are radians, by their range and their steps.

    Args:
        lat: Latitudes along rows, shape (rows,).
        lon: Longitudes along columns, shape (cols,).

    Returns:
        True or False where the numbers leave no doubt, else None. Numbers beyond the range of radians are degrees. So
        are even steps that are round in degrees. Numbers that span the whole Earth in radians, or whose steps are
        round only when they are converted, are radians.
    """
    if not may_be_radians(lat, lon):
        return False
    if np.ptp(lat) >= _ALL_RADIANS * math.pi and np.ptp(lon) >= _ALL_RADIANS * 2 * math.pi:
        return True
    steps = [_even_step(lat), _even_step(lon)]
    if any(step is None for step in steps):
        return None
    as_they_are, converted = (
        all(_is_round(step * factor) for step in steps if step) for factor in (1.0, 180 / math.pi)
    )
    return None if as_they_are == converted else converted


def _even_step(values: NDArray[np.float64]) -> float | None:
    steps = np.abs(np.diff(np.asarray(values, np.float64)))
    if not steps.size or not np.isfinite(steps).all() or steps.max() - steps.min() > 0.05 * steps.max():
        return None
    return float(steps.mean())


def _is_round(step: float) -> bool:
    """Return whether a step has few digits, or is a simple part of a degree."""
    if step <= 0:
        return False
    digits = float(f"{step:.3g}")
    parts = round(1 / step) if step < 1 else 0
    return abs(digits - step) <= _ROUND * step or (0 < parts <= 3600 and abs(1 / parts - step) <= _ROUND * step)


def ambiguous(names: str) -> SourceError:
    """Return the error for coordinates that may be degrees or radians.

    Args:
        names: Of the coordinates.

    Returns:
        The error.
    """
    return SourceError(
        f"{names} have no units, and their numbers may be degrees or radians; add the attribute units to them"
    )


def degrees_per_unit(group: xr.Dataset, cells: CellPair) -> tuple[float, float]:
    """Return the degrees in one unit of the latitudes and of the longitudes of every cell.

    Args:
        group: Variables, not decoded.
        cells: Names of latitude and longitude.

    Returns:
        Both factors.

    Raises:
        SourceError: The units are those of no angle, or there are none and the numbers leave doubt.
    """
    units = [unit_of_angle(group.variables[name], name) for name in (cells.latitude, cells.longitude)]
    if any(unit.quantity is not Quantity.NONE for unit in units):
        return units[0].factor, units[1].factor
    lat, lon = (_sample(group.variables[name]) for name in (cells.latitude, cells.longitude))
    if not may_be_radians(lat, lon):
        return 1.0, 1.0
    if np.nanmax(lat) - np.nanmin(lat) >= _ALL_RADIANS * math.pi and (
        np.nanmax(lon) - np.nanmin(lon) >= _ALL_RADIANS * 2 * math.pi
    ):
        return math.degrees(1.0), math.degrees(1.0)
    raise ambiguous(f"{cells.latitude} and {cells.longitude}")


def _sample(variable: xr.Variable) -> NDArray[np.float64]:
    steps = {dim: slice(None, None, max(1, size // _SAMPLE)) for dim, size in variable.sizes.items()}
    return decoded(variable.isel(steps).values, variable.attrs, defaults=True)


def numbers_fit(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> str:
    """Return why numbers cannot be latitudes and longitudes.

    Args:
        lat: Degrees along rows, shape (rows,).
        lon: Degrees along columns, shape (cols,).

    Returns:
        The reason; empty where they can.
    """
    for name, values, least, most in (("latitudes", lat, -90.0, 90.0), ("longitudes", lon, -360.0, 720.0)):
        known = values[np.isfinite(values)]
        if not known.size:
            return f"no {name} are known"
        if known.min() < least - 1e-6 or known.max() > most + 1e-6:
            return f"numbers from {known.min():g} to {known.max():g} are no {name}"
    return ""
