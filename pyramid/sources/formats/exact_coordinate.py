"""Coordinates of cells whose first edge and step a format or the user states exactly."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lazytile.pyramid.sources.cf.axes import EXACT_AXIS


def exact_coordinate(dim: str, axis: str, first: float, step: float, size: int, *, lonlat: bool) -> xr.Variable:
    """Return the coordinate variable of a regular axis.

    Args:
        dim: Dimension along which it runs.
        axis: ``X`` or ``Y``.
        first: Outer edge of the first cell, in stored order.
        step: From one cell to the next, negative where coordinates fall.
        size: Number of cells.
        lonlat: Whether coordinates are longitudes and latitudes.

    Returns:
        Cell centres with their CF attributes.
    """
    kind = {"Y": "latitude", "X": "longitude"}[axis] if lonlat else f"projection_{axis.lower()}_coordinate"
    centres = first + (np.arange(size) + 0.5) * step
    return xr.Variable((dim,), centres, {"standard_name": kind, "axis": axis, EXACT_AXIS: (first, step)})
