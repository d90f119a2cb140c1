"""The cells along one coordinate variable: its numbers, its units, its bounds, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.sources.cf.axes import (
    TOLERANCE_CELLS,
    AxisMap,
    IrregularAxisError,
    exact_axis,
    latitude_axis,
    longitude_axis,
    projected_axis,
)
from lazytile.pyramid.sources.cf.uneven_axes import (
    Centres,
    ascending,
    axis_with_gaps,
    own_edges,
    permuted,
    resampled_axis,
    unrolled,
)
from lazytile.pyramid.sources.grids.axis_bounds import POLE, agree, edges_of, middles_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.sources.grids.axis_bounds import AxisBounds


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The numbers of a coordinate variable, and what they count."""

    label: str
    """For messages, such as ``latitude lat``."""
    values: NDArray[Any]
    """Degrees or units of the coordinate reference system, shape (cells,), NaN where missing."""
    noise: float | None
    """Rounding of the stored numbers, where ``values`` were converted from them."""
    bounds: AxisBounds | None
    """In the units of ``values``."""
    rising: bool
    """True for x and longitude, False for y and latitude."""
    angular: bool
    """Whether it is a true longitude or latitude."""
    circle: bool
    """Whether values may start anew after 360 degrees."""
    exact: tuple[float, float] | None = None
    """First edge and step, where the format states them."""

    @property
    def limit(self) -> float | None:
        """The largest absolute value of an edge; None where there is none."""
        return POLE if self.angular and not self.rising else None

    def regular(self, values: NDArray[Any]) -> AxisMap:
        """Return the axis of evenly spaced centres.

        Args:
            values: Shape (cells,).

        Returns:
            The axis.

        Raises:
            IrregularAxisError: They are not evenly spaced.
            SourceError: They cannot be those of an axis.
        """
        pair = self.bounds.pairs if self.bounds is not None and self.bounds.pairs.shape[0] == 1 else None
        if not self.angular:
            return projected_axis(values, self.label, pair, rising=self.rising, noise=self.noise)
        place = longitude_axis if self.rising else latitude_axis
        return place(values, self.label, pair, noise=self.noise)


@dataclass(frozen=True, slots=True)
class PlacedAxis:
    """Where the cells along a coordinate lie."""

    map: AxisMap
    centres: NDArray[np.float64]
    """Of the cells of the source, in its order, shape (cells,), NaN where unknown."""
    remarks: tuple[str, ...] = ()
    edges_by: str = ""
    """Name of the bounds by which the cells lie; empty where the coordinates are their centres."""


def place_axis(coordinate: Coordinate) -> PlacedAxis:
    """Return where the cells along a coordinate lie.

    Args:
        coordinate: Its numbers.

    Returns:
        A regular axis, the source cell of each of its cells, and what was done to get there.

    Raises:
        SourceError: The numbers cannot be those of an axis.
    """
    values = np.asarray(coordinate.values, np.float64)
    if coordinate.exact is not None:
        found = exact_axis(*coordinate.exact, values.size, rising=coordinate.rising)
        return PlacedAxis(found, values)
    if values.size == 1:
        found = coordinate.regular(coordinate.values)
        middle = found.axis.centres()
        return PlacedAxis(found, middle, edges_by=coordinate.bounds.name if coordinate.bounds else "")
    known = np.isfinite(values)
    if known.sum() < 2:
        coordinate.regular(values)
        raise SourceError(f"{coordinate.label} has fewer than two values that are not missing")
    if known.all():
        try:
            return _checked(coordinate, coordinate.regular(coordinate.values), values)
        except IrregularAxisError as error:
            return _uneven(coordinate, values, str(error))
    missing = int((~known).sum())
    return _uneven(coordinate, values, f"{coordinate.label} has {missing} missing values, whose cells are left out")


def _checked(coordinate: Coordinate, found: AxisMap, values: NDArray[np.float64]) -> PlacedAxis:
    """Return an axis of evenly spaced centres, moved to where the bounds of its cells say."""
    if coordinate.bounds is None:
        return PlacedAxis(found, values)
    name = coordinate.bounds.name
    edges, problem = edges_of(values, coordinate.bounds.pairs, circle=coordinate.circle)
    if problem:
        return PlacedAxis(found, values, _ignored(coordinate.bounds, problem))
    step = abs(found.axis.cell_size)
    if agree(values, step, edges, coordinate.limit):
        return PlacedAxis(found, values, edges_by=name)
    middles = middles_of(edges, coordinate.limit)
    if middles is not None and abs(float(np.median(np.diff(edges, axis=1))) - step) <= TOLERANCE_CELLS * step:
        try:
            moved = coordinate.regular(middles)
        except SourceError:
            moved = None
        if moved is not None:
            off = float(np.median(middles - values)) / step
            remark = f"{coordinate.label} lies {abs(off):.2g} of a cell from the middle of its cells, as {name} says"
            return PlacedAxis(moved, middles, (remark,), name)
    return _uneven(coordinate, values, f"the cells of {coordinate.label} are not even, as {name} says")


def _ignored(bounds: AxisBounds, problem: str) -> tuple[str, ...]:
    return (f"the bounds {bounds.name} are not used: {problem}",) if bounds.stated else ()


def _uneven(coordinate: Coordinate, values: NDArray[np.float64], why: str) -> PlacedAxis:
    """Return the axis of centres that are uneven, incomplete or in another order."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[ascending(values[known], coordinate.label, circle=coordinate.circle)]
    if order.size < 2:
        raise SourceError(f"{coordinate.label} neither rises nor falls")
    sorted_values = unrolled(values[order]) if coordinate.circle else values[order]
    remarks: tuple[str, ...] = ()
    edges, bounded = own_edges(sorted_values), False
    if coordinate.bounds is not None:
        stated, problem = edges_of(sorted_values, coordinate.bounds.pairs[order], circle=coordinate.circle)
        edges, bounded = (edges, False) if problem else (stated, True)
        remarks = _ignored(coordinate.bounds, problem) if problem else ()
    centres = Centres(sorted_values, order, edges, bounded)
    name = coordinate.bounds.name if bounded and coordinate.bounds is not None else ""
    whole = _even_in_another_order(coordinate, centres)
    if whole is not None:
        left_out = sum(index < 0 for index in whole.nearest or ())
        if left_out:
            remarks += (f"{coordinate.label} leaves out {left_out} of {whole.axis.length} cells, which hold no data",)
        elif order.size < values.size:
            remarks += (why,)
        return PlacedAxis(whole, values, remarks, name)
    found = resampled_axis(centres, coordinate.label, rising=coordinate.rising, limit=coordinate.limit)
    gaps = sum(index < 0 for index in found.nearest or ())
    remark = (
        f"{why}; resampled to {found.axis.length} even steps of {abs(found.axis.cell_size):.6g}, "
        f"each with the nearest source cell{f', {gaps} of them in gaps without data' if gaps else ''}"
    )
    return PlacedAxis(found, values, (*remarks, remark), name)


def _even_in_another_order(coordinate: Coordinate, centres: Centres) -> AxisMap | None:
    """Return the axis of centres that are even once they are sorted, apart from cells that are left out; else None."""
    even = centres.values
    if centres.bounded:
        middles = middles_of(centres.edges, coordinate.limit)
        width = float(np.median(np.diff(centres.edges, axis=1)))
        if middles is None or abs(width - float(np.median(np.diff(middles)))) > TOLERANCE_CELLS * width:
            return None
        even = middles
    try:
        return permuted(coordinate.regular(even), centres.indices)
    except IrregularAxisError:
        return axis_with_gaps(replace(centres, values=even), coordinate.regular)


def longitudes_near(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences of angles by the shorter way round.

    Args:
        values: Degrees, any shape.
        others: Degrees, the shape of ``values``.

    Returns:
        ``values - others``, within -180..180.
    """
    return (values - others + FULL_CIRCLE / 2) % FULL_CIRCLE - FULL_CIRCLE / 2
