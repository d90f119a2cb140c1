"""Checking that a source fits a dataset, and mapping its time steps to stored ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.recoding import common_packing
from lazytile.pyramid.sources.cf.labels import time_labels
from lazytile.pyramid.sources.cf.time_units import calendars_agree
from lazytile.pyramid.sources.series_packing import with_packing
from lazytile.pyramid.store.geozarr import coordinate_problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid, RegularAxis
    from lazytile.pyramid.sources.source import Source
    from lazytile.pyramid.store.dataset import Dataset, Dimension, Variable

AXIS_TOLERANCE = 1e-3
"""Fraction of a cell by which two grids may differ: coordinates in float32 are no more precise."""


@dataclass(frozen=True, slots=True)
class StepMapping:
    """The stored steps of a source, and the whole time axis afterwards."""

    name: str
    """Of the time dimension."""
    labels: tuple[str, ...]
    """Of all steps afterwards."""
    values: NDArray[Any]
    """Stored times of all steps afterwards, shape (steps,)."""
    attributes: dict[str, Any]
    """Of the stored times."""
    stored_steps: tuple[int, ...]
    """Stored index of each of the source's steps."""
    replaced: frozenset[int]
    """Stored indices that the dataset already had."""


def check_fits(source: Source, dataset: Dataset) -> None:
    """Check that a source has the grid and the other dimensions of a dataset, and a packing that its own can hold.

    Args:
        source: The source.
        dataset: Its description.

    Raises:
        SourceError: They differ.
    """
    what = f"{source.path} cannot be appended to dataset {dataset.name}"
    grid = source.found.grid
    if not _same_grid(grid, dataset.grid):
        raise SourceError(f"{what}: its grid is {_grid_text(grid)}, the dataset's {_grid_text(dataset.grid)}")
    for each in source.variables:
        here, there = each.variable, _stored(dataset, each.variable, what)
        if common_packing((there.packing, here.packing)) != there.packing:
            raise SourceError(
                f"{what}: variable {here.name} is packed as {_packing_text(here)}, "
                f"the dataset's as {_packing_text(there)}"
            )
        if here.reduction != there.reduction:
            raise SourceError(
                f"{what}: variable {here.name} would be reduced by {here.reduction}, the dataset's by {there.reduction}"
            )
        mine, its = (tuple(map(_outline, variable.dimensions)) for variable in (here, there))
        if mine != its:
            raise SourceError(
                f"{what}: variable {here.name} has dimensions {_listed(here)}, the dataset's {_listed(there)}"
            )


def in_packing_of(dataset: Dataset, source: Source) -> Source:
    """Return a source whose codes are stored in the packing of a dataset that they fit.

    Args:
        dataset: Its description.
        source: A source that ``check_fits`` accepts.

    Returns:
        The source.
    """
    variables = (with_packing(each, dataset.variable(each.variable.name).packing) for each in source.variables)
    return replace(source, variables=tuple(variables))


def _stored(dataset: Dataset, variable: Variable, what: str) -> Variable:
    for each in dataset.variables:
        if each.name == variable.name:
            return each
    raise SourceError(f"{what}: the dataset has no variable {variable.name}")


def _outline(dimension: Dimension) -> tuple[object, ...]:
    labels = None if dimension.kind == "time" else dimension.labels
    return (dimension.name, dimension.kind, labels)


def _listed(variable: Variable) -> str:
    return ", ".join(f"{each.name} ({len(each.labels)})" for each in variable.dimensions) or "none"


def _packing_text(variable: Variable) -> str:
    packing = variable.packing
    missing = ", ".join(f"{code:g}" for code in packing.missing) or "none"
    ends = "" if packing.valid_min is packing.valid_max is None else f", valid {packing.valid_min}..{packing.valid_max}"
    return f"{packing.dtype} x {packing.scale_factor:g} + {packing.add_offset:g}, no data {missing}{ends}"


def _grid_text(grid: Grid) -> str:
    shape, bounds = grid.shape, grid.bounds
    ends = f"{bounds.west:g}, {bounds.south:g}, {bounds.east:g}, {bounds.north:g}"
    return f"{shape.cols} x {shape.rows} cells over {ends}"


def _same_grid(one: Grid, other: Grid) -> bool:
    return one.crs == other.crs and _same_axis(one.x, other.x) and _same_axis(one.y, other.y)


def _same_axis(one: RegularAxis, other: RegularAxis) -> bool:
    if len(one.centres()) != len(other.centres()):
        return False
    off = np.abs(one.centres()[[0, -1]] - other.centres()[[0, -1]]).max()
    return bool(off <= AXIS_TOLERANCE * abs(other.cell_size))


def map_steps(source: Source, dataset: Dataset, folder: Path, *, replace_steps: bool) -> StepMapping:
    """Map the time steps of a source to stored ones.

    Args:
        source: The source.
        dataset: Its description.
        folder: Of the dataset.
        replace_steps: Whether a time that the dataset has replaces the old step.

    Returns:
        The mapping.

    Raises:
        SourceError: A time cannot be appended, or its units or calendar do not fit.
    """
    what = f"{source.path} cannot be appended to dataset {dataset.name}"
    stored = next(variable.time for variable in dataset.variables if variable.time is not None)
    given = next(each.variable.time for each in source.variables if each.variable.time is not None)
    for variable in dataset.variables:
        if variable.time is not None and variable.time != stored:
            raise SourceError(f"{what}: the dataset's variables have different times")
    values, attributes = _stored_times(folder, stored, what)
    new = _in_units_of(attributes, source, given.name, what)
    known = {label: step for step, label in enumerate(stored.labels)}
    stored_steps: list[int] = []
    labels, numbers = list(stored.labels), list(values.tolist())
    for label, number in zip(given.labels, new.tolist(), strict=True):
        if label in known:
            if not replace_steps:
                raise SourceError(f"{what}: the dataset already has {label}; --replace-steps replaces it")
            stored_steps.append(known[label])
            continue
        if number <= values[-1]:
            raise SourceError(f"{what}: {label} is not after the dataset's last time, {stored.labels[-1]}")
        stored_steps.append(len(labels))
        labels.append(label)
        numbers.append(number)
    times, exact = np.asarray(numbers, values.dtype), np.asarray(numbers, np.float64)
    if not np.array_equal(times, exact):
        times = exact
    replaced = frozenset(stored_steps) & frozenset(known.values())
    return StepMapping(stored.name, tuple(labels), times, attributes, tuple(stored_steps), replaced)


def _stored_times(folder: Path, stored: Dimension, what: str) -> tuple[NDArray[Any], dict[str, Any]]:
    problem = coordinate_problem(folder / "0", stored.name)
    if problem is not None:
        raise SourceError(f"{what}: the dataset's coordinate {stored.name} in level 0 is damaged: {problem}")
    try:
        array = zarr.open_array(folder / "0" / stored.name, mode="r")
    except (OSError, ValueError) as error:
        raise SourceError(f"{what}: the dataset has no coordinate {stored.name}") from error
    values, attributes = np.atleast_1d(np.asarray(array[...])), dict(array.attrs.asdict())
    # Older versions recorded no checksum, and a lost chunk reads as zeros: the description knows the times too.
    fits = values.size == len(stored.labels) and bool((np.diff(values) > 0).all())
    if not fits or (values.size == 1 and time_labels(values, attributes, stored.name) != stored.labels):
        raise SourceError(f"{what}: the dataset's coordinate {stored.name} in level 0 is damaged")
    return values, attributes


def _in_units_of(attributes: dict[str, Any], source: Source, name: str, what: str) -> NDArray[Any]:
    """Return the times of a source as numbers in the units of a dataset's times."""
    coordinate = next((each for each in source.coordinates if each.name == name), None)
    if coordinate is None:
        raise SourceError(f"{what}: it has no numeric times along {name}")
    units, calendar = (str(attributes.get(key, usual)) for key, usual in (("units", ""), ("calendar", "standard")))
    its_units, its_calendar = (
        str(coordinate.attributes.get(key, usual)) for key, usual in (("units", ""), ("calendar", "standard"))
    )
    if not calendars_agree(calendar, its_calendar):
        raise SourceError(f"{what}: its calendar is {its_calendar}, the dataset's {calendar}")
    if units == its_units:
        return np.atleast_1d(coordinate.values)
    try:
        dates = cftime.num2date(np.atleast_1d(coordinate.values), its_units, its_calendar)
        return np.atleast_1d(np.asarray(cftime.date2num(dates, units, its_calendar)))
    except (ValueError, TypeError) as error:
        raise SourceError(f"{what}: its times ({its_units}) cannot be converted to {units!r}: {error}") from error
