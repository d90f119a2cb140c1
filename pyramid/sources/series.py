"""Several files of one product as one source: each holds some times of the same variables on the same grid.

The files are compared before any data is read: variables, grid and other dimensions must be the same, and no time may
occur twice. Where their packing differs, all are stored in one that loses nothing. Their order is that of their times,
not of their names. A variable without time comes from the first file.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np

from lazytile.pyramid.core.errors import NoSeriesError, SourceError
from lazytile.pyramid.fetch.source_url import base_name, is_url
from lazytile.pyramid.sources.cf import attributes
from lazytile.pyramid.sources.cf.labels import sort_key
from lazytile.pyramid.sources.cf.time_units import calendars_agree
from lazytile.pyramid.sources.series_packing import recoded
from lazytile.pyramid.sources.source import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.sources.overrides import Overrides
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.geozarr import Coordinate


def files_of(path: str | Path | Sequence[str | Path]) -> list[str]:
    """Return the files that a path, a pattern or a list of both names.

    Args:
        path: A path or URL names itself, even where it does not exist. A pattern has ``*``, ``?`` or ``[``.

    Returns:
        Paths and URLs without duplicates, sorted by file name.

    Raises:
        SourceError: A pattern matches nothing, or the list is empty.
    """
    given = [str(path)] if isinstance(path, str) or not hasattr(path, "__iter__") else [str(each) for each in path]
    found: list[str] = []
    for each in given:
        if glob.has_magic(each) and not is_url(each) and not Path(each).exists():
            matches = sorted(glob.glob(each, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            if not matches:
                raise SourceError(f"no file matches the pattern {each}")
            found += matches
        else:
            found.append(each)
    if not found:
        raise SourceError("no file to convert")
    # By file name first: folders of downloads are named by a hash.
    return sorted(dict.fromkeys(found), key=lambda each: (base_name(each), each))


def series_among(
    path: str | Path | Sequence[str | Path],
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    overrides: Overrides | None = None,
) -> list[list[str]]:
    """Divide files into those that form one time series each.

    Args:
        path: As for ``files_of``.
        variables: As for ``open_source``.
        group: As for ``open_source``.
        overrides: As for ``open_source``.

    Returns:
        Files, each in one list; a file without time is alone.

    Raises:
        SourceError: A file cannot be read or placed on the Earth.
    """
    found: list[tuple[Source, list[str]]] = []
    for each in files_of(path):
        source = open_source(each, variables, group=group, overrides=overrides)
        files = next((files for first, files in found if _is_continued(first, source)), None)
        if files is None:
            found.append((source, [each]))
        else:
            files.append(each)
    return [files for _, files in found]


def _is_continued(first: Source, other: Source) -> bool:
    if not any(each.variable.time for each in first.variables):
        return False
    try:
        _check_same(first, other)
    except NoSeriesError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Step:
    """One time of the series: the file that holds it, its index there, and its label."""

    label: str
    file: int
    step: int


def open_files(
    path: str | Path | Sequence[str | Path],
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    overrides: Overrides | None = None,
) -> Source:
    """Open one file, or several as one time series.

    Args:
        path: As for ``files_of``.
        variables: As for ``open_source``.
        group: As for ``open_source``.
        overrides: As for ``open_source``.

    Returns:
        The description of the source.

    Raises:
        NoSeriesError: The files are not one series.
        SourceError: A file cannot be read or placed on the Earth.
    """
    paths = files_of(path)
    if len(paths) > 1 and overrides is not None and overrides.time is not None:
        raise SourceError(f"--time states the time of one file, not of {len(paths)}; give --time-pattern")
    first = open_source(paths[0], variables, group=group, overrides=overrides)
    if len(paths) == 1:
        return first
    if not any(each.variable.time for each in first.variables):
        raise NoSeriesError(
            f"{len(paths)} files must form a time series, but {first.path} has no time; convert them one at a time"
        )
    sources = [first]
    for each in paths[1:]:
        other = open_source(each, variables, group=group, overrides=overrides)
        _check_same(first, other)
        # Only what differs is stored for each: a series may have thousands of files.
        sources.append(replace(other, found=first.found, attributes={}, remarks=()))
    remarks = list(first.remarks)
    joined = []
    for index in range(len(first.variables)):
        own, remark = recoded([source.variables[index] for source in sources])
        remarks += remark
        joined.append(_joined(own, sources))
    return replace(
        first,
        variables=tuple(variable for variable, _ in joined),
        coordinates=_coordinates(sources, {name: steps for _, named in joined for name, steps in named.items()}),
        remarks=tuple(remarks),
        files=tuple(source.path for source in sources),
        version=" ".join(source.version for source in sources).strip(),
    )


def _check_same(first: Source, other: Source) -> None:
    """Raise ``NoSeriesError`` where two files do not belong to one series."""
    where = f"{other.path} and {first.path} do not form a series"
    names, others = ([each.variable.name for each in source.variables] for source in (first, other))
    if names != others:
        raise NoSeriesError(f"{where}: the variables differ ({', '.join(others)}; {', '.join(names)})")
    if first.found.grid != other.found.grid or first.engine != other.engine:
        raise NoSeriesError(f"{where}: their grids differ")
    if (first.found.rows, first.found.cols) != (other.found.rows, other.found.cols) or (
        first.found.resampling is not None
    ):
        raise NoSeriesError(f"{where}: their cells are stored in different orders; convert them one at a time")
    for mine, its in zip(first.variables, other.variables, strict=True):
        name = mine.variable.name
        if _others(mine) != _others(its) or mine.placement.axes != its.placement.axes:
            raise NoSeriesError(f"{where}: the dimensions of {name} differ")


def _others(variable: SourceVariable) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (dimension.name, dimension.kind, () if dimension.kind == "time" else dimension.labels)
        for dimension in variable.variable.dimensions
    ]


def _joined(
    variables: Sequence[SourceVariable], sources: Sequence[Source]
) -> tuple[SourceVariable, dict[str, list[_Step]]]:
    """Return one variable over all files, and the order of the steps of its time."""
    first = variables[0]
    axis = next((at for at, each in enumerate(first.variable.dimensions) if each.kind == "time"), None)
    if axis is None:
        return first, {}
    steps = [
        _Step(label, file, step)
        for file, variable in enumerate(variables)
        for step, label in enumerate(variable.variable.dimensions[axis].labels)
    ]
    steps.sort(key=lambda step: sort_key(step.label))
    for before, after in pairwise(steps):
        if before.label == after.label:
            both = f"{sources[before.file].path} and {sources[after.file].path}"
            raise SourceError(f"{both} both hold {first.variable.name} at {after.label}")
    dimensions: list[Dimension] = list(first.variable.dimensions)
    dimensions[axis] = replace(dimensions[axis], labels=tuple(step.label for step in steps))
    positions = []
    for step in steps:
        order = variables[step.file].placement.orders[axis]
        positions.append((step.file, step.step if order is None else order[step.step]))
    orders = list(first.placement.orders)
    orders[axis] = None
    recodings = tuple((*each.placement.recodings, None)[0] for each in variables)
    placement = replace(
        first.placement,
        orders=tuple(orders),
        series=(axis, tuple(positions)),
        recodings=recodings if any(recodings) else (),
    )
    variable = replace(first.variable, dimensions=tuple(dimensions))
    return replace(first, variable=variable, placement=placement), {dimensions[axis].name: steps}


def _coordinates(sources: Sequence[Source], named: dict[str, list[_Step]]) -> tuple[Coordinate, ...]:
    """Return the coordinates of the series; times are in the units of the first file."""
    found = []
    for coordinate in sources[0].coordinates:
        steps = named.get(coordinate.name)
        if steps is None:
            found.append(coordinate)
            continue
        own = [next(each for each in source.coordinates if each.name == coordinate.name) for source in sources]
        values = [_in_units_of(coordinate, each) for each in own]
        found.append(replace(coordinate, values=np.array([values[step.file][step.step] for step in steps])))
    return tuple(found)


def _in_units_of(first: Coordinate, other: Coordinate) -> Any:
    units, calendar = (attributes.text(other.attributes, key) for key in ("units", "calendar"))
    wanted, expected = (attributes.text(first.attributes, key) for key in ("units", "calendar"))
    if not calendars_agree(calendar, expected):
        raise SourceError(
            f"the files of a series have different calendars: {expected or 'standard'} and {calendar or 'standard'}"
        )
    if units == wanted:
        return other.values
    dates = cftime.num2date(other.values, units, calendar or "standard", only_use_cftime_datetimes=True)
    return cftime.date2num(dates, wanted, calendar or "standard")
