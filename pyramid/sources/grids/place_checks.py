"""Whether places are those of every step, and whether cells lie in the middle of their corners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.grids.places import Places, corners_of, plane_steps, unit_vectors

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_COMPARED_CELLS = 1 << 26
"""Places that are compared from step to step in full; of more, only some rows."""
_SAME_CELLS = 0.1
"""How far a place may move from step to step, in cells."""
_OFF_MIDDLE, _FARTHEST_CORNER = 0.35, 1.3
"""How far from the middle of its corners a place lies, in halves of the diagonal, where it is none of the middle."""
_SAMPLE_ROWS = 16


def steady(group: xr.Dataset, places: Places) -> Places:
    """Return places that hold at every step.

    Args:
        group: Of the file, not decoded.
        places: Where they lie; some steps may lack places that others have.

    Returns:
        The places, merged where the first step lacks some.

    Raises:
        SourceError: The places differ from step to step.
    """
    planes = (places.latitude, places.longitude)
    counts = [_steps(group.variables[plane.name], plane.axes) for plane in planes]
    if max(counts) == 1:
        return places
    merged = False
    if counts[0] != counts[1]:
        raise SourceError(f"{planes[0].name} has {counts[0]} steps of places, {planes[1].name} {counts[1]}")
    rows = _compared_rows(group.variables[planes[0].name], planes[0].axes)
    both = zip(*(plane_steps(group, plane, rows) for plane in planes), strict=True)
    lat, lon = next(both)
    lat, lon = np.broadcast_arrays(lat, lon)
    size = _spacing(lat, lon)
    for number, (lats, lons) in enumerate(both, start=1):
        known = np.isfinite(lat) & np.isfinite(lon)
        here = np.isfinite(lats) & np.isfinite(lons)
        with np.errstate(invalid="ignore"):
            moved = np.linalg.norm(unit_vectors(lat, lon) - unit_vectors(*np.broadcast_arrays(lats, lons)), axis=-1)
        farthest = float(np.max(moved, where=known & here, initial=0.0))
        if farthest > _SAME_CELLS * size:
            others = [
                str(dim) for axis, dim in enumerate(group.variables[planes[0].name].dims) if axis not in planes[0].axes
            ]
            raise SourceError(
                f"the places {planes[0].name} and {planes[1].name} differ from step to step of {', '.join(others)} (by "
                f"up to {np.degrees(farthest):.3g} degrees at step {number}); convert one step at a time"
            )
        if (here & ~known).any():
            merged = True
            lat, lon = np.where(known, lat, lats), np.where(known, lon, lons)
    return replace(places, merged=merged)


def _steps(variable: xr.Variable, axes: tuple[int | None, int | None]) -> int:
    return int(np.prod([size for axis, size in enumerate(variable.shape) if axis not in axes], dtype=np.int64))


def _compared_rows(variable: xr.Variable, axes: tuple[int | None, int | None]) -> slice:
    if variable.size <= _COMPARED_CELLS or axes[0] is None:
        return slice(None)
    return slice(None, None, max(1, variable.shape[axes[0]] // _SAMPLE_ROWS))


def _spacing(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> float:
    """Return the typical distance of neighbours along rows, chord of the unit sphere."""
    gaps = np.linalg.norm(np.diff(unit_vectors(lat, lon), axis=1), axis=-1)
    gaps = gaps[np.isfinite(gaps) & (gaps > 0)]
    return float(np.median(gaps)) if gaps.size else 0.0


def by_corners(group: xr.Dataset, places: Places) -> tuple[Places, tuple[str, ...]]:
    """Return places in the middle of cells, where the corners of the cells are stated and the coordinates are not it.

    Args:
        group: Of the file, not decoded.
        places: The coordinates.

    Returns:
        The places, and what was found, one line at most.
    """
    named = [_corners(group, plane.name) for plane in (places.latitude, places.longitude)]
    if not all(named) or None in (*places.latitude.axes, *places.longitude.axes):
        return places, ()
    latitude, longitude = (
        replace(plane, corners=name) for plane, name in zip((places.latitude, places.longitude), named, strict=True)
    )
    cornered = replace(places, latitude=latitude, longitude=longitude)
    row_axis = places.latitude.axes[0] or 0
    count = group.variables[places.latitude.name].shape[row_axis]
    rows = slice(None, None, max(1, count // _SAMPLE_ROWS))
    lat, lon = (next(plane_steps(group, plane, rows)) for plane in (places.latitude, places.longitude))
    corners = unit_vectors(corners_of(group, latitude, rows), corners_of(group, longitude, rows))
    middles = corners.mean(axis=2)
    half = np.linalg.norm(corners - middles[:, :, None], axis=-1).max(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.linalg.norm(unit_vectors(lat, lon) - middles, axis=-1) / half
    off = off[np.isfinite(off)]
    typical = float(np.median(off)) if off.size else 0.0
    if typical <= _OFF_MIDDLE:
        return places, ()
    if typical > _FARTHEST_CORNER:
        return places, (f"the bounds {named[0]} and {named[1]} are not used: cells do not hold their own places",)
    remark = (
        f"{places.latitude.name} and {places.longitude.name} are no middles of cells: cells lie as {named[0]} and "
        f"{named[1]} say"
    )
    return cornered, (remark,)


def _corners(group: xr.Dataset, name: str) -> str:
    """Return the variable with the corners of a coordinate's cells; empty where there is none of a fitting shape."""
    variable = group.variables[name]
    bounds = cf.text(variable.attrs, "bounds")
    if bounds not in group.variables:
        return ""
    stored = group.variables[bounds]
    fits = variable.ndim == 2 and stored.ndim == 3 and set(variable.dims) < set(stored.dims)
    return bounds if fits and stored.dtype.kind in "iuf" else ""
