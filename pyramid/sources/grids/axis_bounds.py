"""The edges of the cells along one coordinate, where a file states them (CF 7.1 ``bounds``, NUG ``edges``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.axes import TOLERANCE_CELLS
from lazytile.pyramid.sources.grids.stored_coordinate import decoded

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

USUAL_SUFFIXES = ("_bnds", "_bounds")
"""What variables with bounds are usually called, after the name of their coordinate."""
POLE = 90.0


@dataclass(frozen=True, slots=True)
class AxisBounds:
    """The bounds of a coordinate variable, as they are stored."""

    name: str
    """Of the variable that holds them."""
    pairs: NDArray[np.float64]
    """Both edges of each cell, shape (cells, 2), in units of the coordinate."""
    stated: bool
    """Whether the coordinate names them, rather than their own name suggesting it."""


def axis_bounds(group: xr.Dataset, name: str) -> AxisBounds | None:
    """Return the bounds of a one-dimensional or scalar coordinate.

    Args:
        group: Variables, not decoded.
        name: Of the coordinate.

    Returns:
        The bounds: named by ``bounds`` or ``edges``, else of the usual name; None where there are none of that shape.
    """
    coordinate = group.variables[name]
    stated = [cf.text(coordinate.attrs, key) for key in ("bounds", "edges")]
    for at, candidate in enumerate([*stated, *(f"{name}{suffix}" for suffix in USUAL_SUFFIXES)]):
        if candidate not in group.variables:
            continue
        stored = group.variables[candidate]
        if stored.dtype.kind not in "iuf":
            continue
        # Bounds have the attributes of their coordinate, except those of their own (CF 7.1).
        packing = {key: value for key, value in coordinate.attrs.items() if key in ("scale_factor", "add_offset")}
        same = stored.dtype == coordinate.dtype and coordinate.dtype.kind in "iu"
        values = decoded(stored.values, {**(packing if same else {}), **stored.attrs})
        if stored.ndim == 1 and values.size == coordinate.size + 1 and coordinate.size > 1:
            values = np.stack([values[:-1], values[1:]], axis=1)
        elif stored.ndim == 2 and stored.dims[1] in coordinate.dims:
            values = values.T
        if values.size == 2 * coordinate.size and (coordinate.size == 1 or values.shape == (coordinate.size, 2)):
            return AxisBounds(candidate, values.reshape(-1, 2), stated=at < len(stated))
    return None


def edges_of(
    centres: NDArray[np.float64], pairs: NDArray[np.float64], *, circle: bool
) -> tuple[NDArray[np.float64], str]:
    """Return the edges of cells, and what is wrong with them.

    Args:
        centres: Coordinates of the cells, shape (cells,), not missing.
        pairs: Both edges of each cell, shape (cells, 2).
        circle: Whether they are angles in degrees, which may be given 360 degrees further on.

    Returns:
        Lower and upper edges, shape (cells, 2), near their centres; and why they cannot be those of the cells, empty
        where they can.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    if circle:
        width = second - first
        width = np.where(np.abs(width) == FULL_CIRCLE, width, (width + 180.0) % FULL_CIRCLE - 180.0)
        first = first + FULL_CIRCLE * np.round((centres - (first + width / 2)) / FULL_CIRCLE)
        second = first + width
    edges = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
    widths = edges[:, 1] - edges[:, 0]
    if not np.isfinite(edges).all():
        return edges, "some are missing"
    if (widths <= 0).any():
        return edges, "some cells have no size"
    slack = TOLERANCE_CELLS * widths
    if ((centres < edges[:, 0] - slack) | (centres > edges[:, 1] + slack)).any():
        return edges, "some cells do not hold their own coordinate"
    order = np.argsort(centres)
    if (edges[order][1:, 0] < edges[order][:-1, 1] - np.minimum(slack[order][1:], slack[order][:-1])).any():
        return edges, "cells overlap"
    return edges, ""


def agree(centres: NDArray[np.float64], step: float, edges: NDArray[np.float64], limit: float | None) -> bool:
    """Return whether edges lie halfway between evenly spaced centres.

    Args:
        centres: Shape (cells,).
        step: Distance of two centres.
        edges: Lower and upper edges, shape (cells, 2).
        limit: Edges beyond -limit..limit may be cut there.

    Returns:
        Whether every edge lies within a small part of a cell.
    """
    ends = np.stack([centres - abs(step) / 2, centres + abs(step) / 2], axis=1)
    if limit is not None:
        ends, edges = np.clip(ends, -limit, limit), np.clip(edges, -limit, limit)
    return bool(np.abs(ends - edges).max() <= TOLERANCE_CELLS * abs(step))


def middles_of(edges: NDArray[np.float64], limit: float | None) -> NDArray[np.float64] | None:
    """Return the middles of cells of one size.

    Args:
        edges: Lower and upper edges, shape (cells, 2).
        limit: Cells at -limit and limit may be cut there, and then have the middle of a whole cell.

    Returns:
        Shape (cells,); None where the cells differ in size.
    """
    widths = edges[:, 1] - edges[:, 0]
    size = float(np.median(widths))
    cut = np.zeros(widths.size, bool)
    middles: NDArray[np.float64] = edges.mean(axis=1)
    if limit is not None:
        south, north = edges[:, 0] <= -limit + 1e-6, edges[:, 1] >= limit - 1e-6
        short = widths < (1 - TOLERANCE_CELLS) * size
        cut = (south | north) & short
        middles = np.where(south & short, edges[:, 1] - size / 2, middles)
        middles = np.where(north & short, edges[:, 0] + size / 2, middles)
    if (np.abs(widths[~cut] - size) > TOLERANCE_CELLS * size).any():
        return None
    return middles
