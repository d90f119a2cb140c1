"""Numbers of a layer for programs: statistics of a region, the value at a point, its series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import FULL_CIRCLE, Bounds
from lazytile.pyramid.numbers.geojson import region_of
from lazytile.pyramid.numbers.region import Region
from lazytile.pyramid.numbers.statistics import StatisticsOptions, cell_at, statistics, values_at
from lazytile.pyramid.reading.arguments import Argument
from lazytile.pyramid.reading.level import level_dataset
from lazytile.pyramid.reading.steps import StepSelection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from lazytile.pyramid.numbers.statistics import RegionStatistics
    from lazytile.pyramid.reading.view import LayerView

PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
MAX_CELLS = 4_000_000
"""Most cells that statistics read by default; above it they are those of a coarser level."""
MAX_BINS = 1000


def region_statistics(
    view: LayerView,
    bounds: Sequence[float] | None,
    geometry: Any,
    options: StatisticsOptions,
) -> RegionStatistics:
    """Compute the statistics of a region.

    Args:
        view: The layer and its steps, one along each dimension.
        bounds: West, south, east and north in degrees; a west above the east crosses 180 degrees. None and no
            geometry: all of the layer.
        geometry: A GeoJSON Polygon, MultiPolygon or Feature of one, or an object with ``__geo_interface__``.
        options: What to compute.

    Returns:
        The statistics.

    Raises:
        InvalidParameterError: The region or an option is invalid.
        StoreError: A chunk cannot be read.
    """
    if bounds is not None and geometry is not None:
        raise InvalidParameterError(Argument.GEOMETRY, "geometry and bounds exclude each other")
    if any(not 0 <= each <= 100 for each in options.percentiles):
        raise InvalidParameterError(Argument.PERCENTILES, "percentiles are numbers from 0 to 100")
    if not 0 <= options.bins <= MAX_BINS or options.budget_cells < 1:
        raise InvalidParameterError(Argument.BINS, f"bins may be 0 to {MAX_BINS}, and max_cells is at least 1")
    stored, layer = view.stored(), view.layer()
    if geometry is not None:
        region = region_of(getattr(geometry, "__geo_interface__", geometry), "geometry")
    else:
        region = Region.of_bounds(layer.geographic_bounds() if bounds is None else _box(bounds))
    return statistics(stored, layer.variable, view.steps.one(layer.variable), region, options)


def _box(bounds: Sequence[float]) -> Bounds:
    numbers = tuple(float(each) for each in bounds)
    if len(numbers) == 4:
        west, south, east, north = numbers
        if east < west:
            east += FULL_CIRCLE
        if -90 <= south < north <= 90 and 0 < east - west <= FULL_CIRCLE:
            return Bounds(west, south, east, north)
    raise InvalidParameterError(
        Argument.BOUNDS, "bounds are west, south, east and north in degrees, at most 360 degrees wide"
    )


def value_at(view: LayerView, longitude: float, latitude: float) -> float:
    """Read the value of the cell under a point.

    Args:
        view: The layer and its steps, one along each dimension.
        longitude: Degrees.
        latitude: Degrees.

    Returns:
        The value in physical units; NaN for no data and outside the layer.

    Raises:
        InvalidParameterError: The point is not on the Earth.
        StoreError: The chunk cannot be read.
    """
    stored, layer = view.stored(), view.layer()
    cell = cell_at(layer.dataset, *_point(longitude, latitude))
    if cell is None:
        return math.nan
    (value,) = values_at(stored, layer.variable, [view.steps.one(layer.variable)], cell)
    return math.nan if value is None else value


def series_at(view: LayerView, longitude: float, latitude: float) -> xr.DataArray:
    """Read the values of the cell under a point at all selected times.

    Args:
        view: The layer; the steps of dimensions other than time must be one each.
        longitude: Degrees.
        latitude: Degrees.

    Returns:
        One dimension, the layer's time; float64, physical units, NaN for no data and outside the layer.

    Raises:
        InvalidParameterError: The layer has no times, or the point is not on the Earth.
        StoreError: A chunk cannot be read.
    """
    import xarray as xr  # noqa: PLC0415 - takes half a second to import

    stored, layer = view.stored(), view.layer()
    variable = layer.variable
    time, axis = variable.time, variable.time_axis
    if time is None or axis is None:
        raise InvalidParameterError(
            Argument.TIME, f"layer {layer.name} has no time, so it has no series: .point() reads it"
        )
    cell = cell_at(layer.dataset, *_point(longitude, latitude))
    picks = view.steps.indices(variable)[axis]
    others = StepSelection({name: each for name, each in view.steps.labels.items() if name != time.name})
    base = others.one(variable)
    indices = [(*base[:axis], at, *base[axis + 1 :]) for at in picks]
    found: list[float | None] = [None] * len(picks) if cell is None else values_at(stored, variable, indices, cell)
    values = np.array([np.nan if each is None else each for each in found], np.float64)
    level = level_dataset(view.store, view.dataset, (view.variable,), StepSelection(), 0)
    coordinates = {time.name: level[time.name].isel({time.name: list(picks)})}
    attributes = {"units": variable.units} if variable.units else {}
    if cell is not None:
        attributes |= {"longitude": cell.longitude, "latitude": cell.latitude}  # type: ignore[dict-item]
    return xr.DataArray(values, coordinates, (time.name,), variable.name, attributes)


def _point(longitude: float, latitude: float) -> tuple[float, float]:
    if not (abs(longitude) <= FULL_CIRCLE and abs(latitude) <= 90):
        raise InvalidParameterError(
            Argument.LONGITUDE, f"longitude is -360 to 360 and latitude -90 to 90 degrees; not {longitude}, {latitude}"
        )
    return float(longitude), float(latitude)
