"""Dimensions, variables and extents of a dataset as the extension datacube has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.store.geozarr import axis_names
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.tiling.crs_spellings import proj_attributes
from lazytile.pyramid.times.lookup import instants_of, parse_instant
from lazytile.pyramid.times.time_axis import is_standard, time_axis
from lazytile.service.stac.models import CubeDimension, CubeVariable, Extent, Space, Time

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.store.dataset import Dataset, Dimension, Variable
    from lazytile.service.stac.source_attributes import SourceAttributes

LISTED_VALUES = 1000
"""Most values of a dimension that are listed; of a longer one the first and the last."""


def cube_dimensions(dataset: Dataset) -> dict[str, CubeDimension]:
    """Return the dimensions of a dataset's variables by name.

    Args:
        dataset: Its description.

    Returns:
        The dimensions, rows and columns first.
    """
    grid = dataset.grid
    system = reference_system(grid)
    y_name, x_name = axis_names(grid)
    bounds = grid.bounds
    found = {
        x_name: CubeDimension(
            type="spatial", axis="x", extent=(bounds.west, bounds.east), step=grid.x.cell_size, reference_system=system
        ),
        y_name: CubeDimension(
            type="spatial",
            axis="y",
            extent=(bounds.south, bounds.north),
            step=-grid.y.cell_size,
            reference_system=system,
        ),
    }
    for variable in dataset.variables:
        elevation = elevation_of(variable.dimensions)
        for dimension in variable.dimensions:
            is_vertical = elevation is not None and dimension is elevation.dimension
            found.setdefault(dimension.name, _dimension(dimension, is_vertical=is_vertical))
    return found


def reference_system(grid: Grid) -> int | str | dict[str, Any]:
    """Return the CRS of a grid as the extension names it.

    Args:
        grid: The grid.

    Returns:
        The number of an EPSG code, else WKT 2.
    """
    authority, _, code = grid.crs.partition(":")
    if authority == "EPSG" and code.isdigit():
        return int(code)
    wkt: str = proj_attributes(grid.crs)["proj:wkt2"]
    return wkt


def _dimension(dimension: Dimension, *, is_vertical: bool) -> CubeDimension:
    labels = dimension.labels
    instants = instants_of(labels) if dimension.kind == "time" else None
    if instants is not None:
        axis = time_axis(labels)
        run = axis.runs[0] if axis is not None and is_standard(axis) and len(axis.runs) == 1 else None
        return CubeDimension(
            type="temporal",
            extent=(_text(instants[0]), _text(instants[-1])),
            values=[_text(each) for each in instants] if len(instants) <= LISTED_VALUES else None,
            step=run.step.text if run is not None and run.step is not None else None,
        )
    numbers = _numbers(labels)
    values: list[float | str] = list(labels) if numbers is None else list(numbers)
    return CubeDimension(
        # Times of another calendar than the standard one are no instants to clients.
        type="spatial" if is_vertical else "other",
        axis="z" if is_vertical else None,
        extent=None if numbers is None else (min(numbers), max(numbers)),
        values=values if len(values) <= LISTED_VALUES or numbers is None else None,
        unit=dimension.units or None,
        description=dimension.standard_name or None,
    )


def _numbers(labels: tuple[str, ...]) -> list[float] | None:
    try:
        found = [float(label) for label in labels]
    except ValueError:
        return None
    return found if all(abs(each) < float("inf") for each in found) else None


def cube_variables(dataset: Dataset) -> dict[str, CubeVariable]:
    """Return the variables of a dataset by name.

    Args:
        dataset: Its description.

    Returns:
        The variables.
    """
    return {variable.name: _variable(dataset, variable) for variable in dataset.variables}


def _variable(dataset: Dataset, variable: Variable) -> CubeVariable:
    statistics = variable.statistics
    ends = None
    if statistics is not None and statistics.minimum is not None and statistics.maximum is not None:
        ends = statistics.minimum, statistics.maximum
    return CubeVariable(
        dimensions=[*(dimension.name for dimension in variable.dimensions), *axis_names(dataset.grid)],
        type="data",
        description=str(variable.attributes.get("long_name") or variable.title or "") or None,
        extent=ends,
        unit=variable.units or None,
    )


def extent_of(dataset: Dataset, attributes: SourceAttributes) -> Extent:
    """Return where and when a dataset has data.

    Args:
        dataset: Its description.
        attributes: Of its source, which may name a period where there is no time axis.

    Returns:
        The extent.
    """
    bounds = Layer(dataset, dataset.variables[0]).geographic_bounds()
    east = bounds.east - 360.0 if bounds.east > 180.0 and bounds.east - bounds.west < 360.0 else bounds.east
    times = [variable.time for variable in dataset.variables if variable.time is not None]
    instants = [found for time in times if (found := instants_of(time.labels)) is not None]
    if instants:
        first, last = min(each[0] for each in instants), max(each[-1] for each in instants)
        interval: tuple[str | None, str | None] = _text(first), _text(last)
    else:
        interval = _stated(attributes, "time_coverage_start"), _stated(attributes, "time_coverage_end")
    return Extent(
        spatial=Space(bbox=[(bounds.west, bounds.south, east, bounds.north)]), temporal=Time(interval=[interval])
    )


def _stated(attributes: SourceAttributes, name: str) -> str | None:
    found = parse_instant(attributes.texts.get(name, ""))
    return None if found is None else _text(found.start)


def _text(instant: datetime) -> str:
    """Return an instant as RFC 3339 has it, in UTC."""
    return instant.replace(tzinfo=None).isoformat(timespec="auto") + "Z"
