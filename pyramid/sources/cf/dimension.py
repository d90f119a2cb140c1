"""The dimensions of a source's variables apart from rows and columns, with the labels that address their steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.labels import is_time, time_labels, value_labels
from lazytile.pyramid.sources.cf.time_units import TEXT_TIME, as_plain_times, days_of_texts
from lazytile.pyramid.store.dataset import Coordinate, Dimension

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_PACKING_ATTRIBUTES = frozenset(
    {"scale_factor", "add_offset", "missing_value", "valid_range", "valid_min", "valid_max", "_Unsigned", "bounds"}
    | {"climatology", "edges"}
)


def dimension_of(group: xr.Dataset, name: str) -> tuple[Dimension, tuple[int, ...] | None, Coordinate | None]:
    """Return a dimension and what its steps are.

    Args:
        group: Of the dimension.
        name: Of the dimension.

    Returns:
        The dimension; the source index of each step, None where the order is the same; its coordinate, None where it
        has no numbers.

    Raises:
        SourceError: Its values cannot be read, are missing, or repeat.
    """
    coordinate = _coordinate_of(group, name)
    if coordinate is None:
        labels = tuple(str(index) for index in range(group.sizes[name]))
        return Dimension(name, "other", labels), None, None
    variable_name, stored = coordinate
    values, given = _values(stored, variable_name)
    attributes = cf.json_attributes({key: value for key, value in given.items() if key not in _PACKING_ATTRIBUTES})
    numbers = Coordinate(name, values, attributes) if values.dtype.kind in "iuf" else None
    if not is_time(given) or values.dtype.kind not in "iuf":
        return Dimension(name, "other", value_labels(values, variable_name), cf.text(given, "units")), None, numbers
    labels = time_labels(values, given, variable_name)
    order = sorted(range(len(labels)), key=lambda step: float(values[step]))
    if order == list(range(len(labels))):
        return Dimension(name, "time", labels), None, numbers
    if numbers is not None:
        numbers = replace(numbers, values=values[order])
    return Dimension(name, "time", tuple(labels[step] for step in order)), tuple(order), numbers


def _values(stored: xr.Variable, name: str) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the values of a coordinate, shape (steps,), and its attributes; times as plain CF ones."""
    if stored.dtype.kind == "M":
        ticks = np.atleast_1d(stored.values).astype("datetime64[us]").astype(np.int64)
        return ticks, {**stored.attrs, **TEXT_TIME, "units": "microseconds since 1970-01-01"}
    if stored.dtype.kind not in "SUO":
        return as_plain_times(np.atleast_1d(cf.decode_coordinate(stored.values, stored.attrs)), stored.attrs, name)
    texts = _texts(stored)
    days = days_of_texts(texts)
    return (np.array(texts), dict(stored.attrs)) if days is None else (days, {**stored.attrs, **TEXT_TIME})


def _texts(stored: xr.Variable) -> list[str]:
    """Return the texts of a variable; netCDF-3 stores each as a row of characters."""
    values = np.asarray(stored.values)
    rows = [b"".join(row.tolist()) for row in values] if values.ndim == 2 else np.atleast_1d(values).tolist()
    return [each.decode("utf-8", "replace").strip("\0 ") if isinstance(each, bytes) else str(each) for each in rows]


def _coordinate_of(group: xr.Dataset, dim: str) -> tuple[str, xr.Variable] | None:
    """Return the variable that holds the values of a dimension.

    The one of its name comes first, then the only time along it, then the only texts along it.
    """
    own = group.variables.get(dim)
    if own is not None and own.ndim <= 1 and (is_time(own.attrs) or own.attrs.get("axis") != "T"):
        return dim, own
    along = [(str(name), variable) for name, variable in group.variables.items() if _is_along(variable, dim)]
    times = [each for each in along if is_time(each[1].attrs) and each[1].dtype.kind in "iuf"]
    marked = [each for each in times if cf.text(each[1].attrs, "standard_name") == "time"]
    if marked:
        return marked[0]
    if own is not None and own.ndim == 1:
        return dim, own
    texts = [each for each in along if each[1].dtype.kind in "SUO"]
    named = [each for each in texts if each[0] == dim]
    for found in (times, named, texts):
        if len(found) == 1:
            return found[0]
    return None


def _is_along(variable: xr.Variable, dim: str) -> bool:
    """Return whether a variable has one number or text for each step of a dimension."""
    return variable.dims == (dim,) or (variable.ndim == 2 and variable.dims[0] == dim and variable.dtype == "S1")


def scalar_time(group: xr.Dataset, stored: xr.Variable) -> str | None:
    """Return the scalar coordinate variable that dates a variable without a time axis (CF 5.7).

    Args:
        group: Of the variable.
        stored: The variable.

    Returns:
        Its name; None where there is none.
    """
    named = cf.text(stored.attrs, "coordinates").split()
    for name, variable in group.variables.items():
        dated = name in named or cf.text(variable.attrs, "standard_name") == "time"
        if variable.ndim == 0 and dated and is_time(variable.attrs) and variable.dtype.kind in "iuf":
            return str(name)
    return None
