"""The steps of a layer that an export writes, and the names of their files.

One MRF holds one map: one step of every dimension. Its name is the layer's, then ``_DIMENSION-LABEL`` for each
dimension other than time, then ``-YYYYJJJHHMMSS`` for the time, as GIBS and OnEarth name files (JJJ is the day of the
year). A layer without dimensions gives ``LAYER.mrf``.
"""

from __future__ import annotations

import itertools
import re
from datetime import date
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer

_INSTANT = re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9.+]+")
_SHOWN = 5
"""Labels that a message lists."""


def file_stems(layer: Layer, select: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[int, ...]]]:
    """Return the file names of the maps to export.

    Args:
        layer: To export.
        select: Labels by dimension; a dimension that is not in it is exported whole. A label of a time may be
            shortened: ``2019-01`` selects every step of that month.

    Returns:
        Name without extension, and index along each dimension, of each map.

    Raises:
        MrfError: The layer has no such dimension or label.
    """
    dimensions = layer.variable.dimensions
    names = [dimension.name for dimension in dimensions]
    for name in select:
        if name not in names:
            raise MrfError(f"{layer.name} has no dimension {name!r}, it has {', '.join(names) or 'none'}")
    wanted = [_steps(layer, dimension, select.get(dimension.name)) for dimension in dimensions]
    stems = [(_stem(layer, dim_index), dim_index) for dim_index in itertools.product(*wanted)]
    if len({stem for stem, _ in stems}) < len(stems):
        # Two labels differ only in letters that a file name cannot have.
        stems = [(_numbered(stem, dim_index), dim_index) for stem, dim_index in stems]
    return stems


def sliced_stems(layer: Layer, select: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[tuple[int, ...], ...]]]:
    """Return the file names of MRFs whose slices are the times.

    Args:
        layer: To export.
        select: As for ``file_stems``.

    Returns:
        Name without extension, and index along each dimension of each slice, of each MRF.

    Raises:
        MrfError: The layer has no such dimension or label, or no times.
    """
    dimensions = layer.variable.dimensions
    if not any(dimension.kind == "time" for dimension in dimensions):
        raise MrfError(f"{layer.name} has no times, which are the slices of an MRF")
    by_name: dict[str, list[tuple[int, ...]]] = {}
    for _, dim_index in file_stems(layer, select):
        by_name.setdefault(_stem(layer, dim_index, has_time=False), []).append(dim_index)
    return [(stem, tuple(slices)) for stem, slices in by_name.items()]


def time_keys(layer: Layer, slices: Sequence[tuple[int, ...]]) -> list[str]:
    """Return the keys of slices in OnEarth's ``.zdb``.

    Args:
        layer: A layer with times.
        slices: Index along each dimension of each slice; they differ in time only.

    Returns:
        ``YYYYMMDDHHMMSS`` of each, or its label where it is no instant. Where several lie within a second, the digits
        of its fraction follow, so that no two keys are equal.
    """
    dimensions = layer.variable.dimensions
    axis = next(at for at, dimension in enumerate(dimensions) if dimension.kind == "time")
    labels = [dimensions[axis].labels[dim_index[axis]] for dim_index in slices]
    matches = [_INSTANT.fullmatch(label) for label in labels]
    keys = ["".join(match.groups()[:6]) if match else label for match, label in zip(matches, labels, strict=True)]
    if len(set(keys)) == len(keys):
        return keys
    return [key + (match[7] or "" if match else "") for key, match in zip(keys, matches, strict=True)]


def year_of(layer: Layer, dim_index: tuple[int, ...]) -> str | None:
    """Return the year of a map.

    Args:
        layer: Any layer.
        dim_index: Index along each dimension.

    Returns:
        Four digits or more; None where the layer has no times.
    """
    for dimension, at in zip(layer.variable.dimensions, dim_index, strict=True):
        match = _INSTANT.fullmatch(dimension.labels[at]) if dimension.kind == "time" else None
        if match is not None:
            return str(match[1])
    return None


def possible_stems(layer: Layer, dim_index: tuple[int, ...]) -> tuple[str, ...]:
    """Return the file names that an export may have given a map.

    Args:
        layer: Any layer.
        dim_index: Index along each dimension.

    Returns:
        Names without extension.
    """
    stem, sliced = _stem(layer, dim_index), _stem(layer, dim_index, has_time=False)
    return (stem, _numbered(stem, dim_index)) + ((sliced,) if sliced != stem else ())


def _numbered(stem: str, dim_index: tuple[int, ...]) -> str:
    return f"{stem}_{'-'.join(map(str, dim_index))}"


def _steps(layer: Layer, dimension: Dimension, labels: Sequence[str] | None) -> list[int]:
    if labels is None:
        return list(range(len(dimension.labels)))
    found: set[int] = set()
    for label in labels:
        is_cut = dimension.kind == "time"
        here = [at for at, own in enumerate(dimension.labels) if own == label or (is_cut and own.startswith(label))]
        if not here or not label:
            shown = ", ".join(dimension.labels[:_SHOWN]) + (", ..." if len(dimension.labels) > _SHOWN else "")
            raise MrfError(f"{layer.name} has no {dimension.name} {label!r}, it has {shown}")
        found.update(here)
    return sorted(found)


def _stem(layer: Layer, dim_index: tuple[int, ...], *, has_time: bool = True) -> str:
    stem, time = layer.name, ""
    for dimension, at in zip(layer.variable.dimensions, dim_index, strict=True):
        label = dimension.labels[at]
        if dimension.kind == "time":
            time += "" if not has_time else f"-{compact_time(label)}"
        else:
            # A leading minus belongs to the number and is preserved.
            minus = "-" if label.startswith("-") else ""
            stem += f"_{_UNSAFE.sub('-', dimension.name)}-{minus}{_UNSAFE.sub('-', label).strip('-')}"
    return stem + time


def compact_time(label: str) -> str:
    """Format an instant as GIBS does in file names.

    Args:
        label: Of a time step.

    Returns:
        ``YYYYJJJHHMMSS`` and any fraction of the second. A date that the Gregorian calendar lacks (30 February of a
        360-day year) keeps month and day: ``YYYYMMDDHHMMSS``. Other labels are made safe for file names.
    """
    match = _INSTANT.fullmatch(label)
    if match is None:
        return _UNSAFE.sub("-", label).strip("-")
    year, month, day, hour, minute, second, fraction = match.groups()
    try:
        days = date(int(year), int(month), int(day)).timetuple().tm_yday
        calendar = f"{int(year):04d}{days:03d}"
    except ValueError:
        calendar = f"{year}{month}{day}"
    return f"{calendar}{hour}{minute}{second}{fraction or ''}"
