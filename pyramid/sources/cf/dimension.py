"""The dimensions of a source's variables apart from rows and columns, with the labels that address their steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.iso_times import days_of_texts
from lazytile.pyramid.sources.cf.labels import is_time, time_labels, value_labels
from lazytile.pyramid.sources.cf.step_times import is_called_time, times_of_bounds
from lazytile.pyramid.sources.cf.time_units import TEXT_TIME, as_plain_times
from lazytile.pyramid.store.dataset import Dimension
from lazytile.pyramid.store.geozarr import Coordinate

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_PACKING_ATTRIBUTES = frozenset(
    {"scale_factor", "add_offset", "missing_value", "valid_range", "valid_min", "valid_max", "_Unsigned", "bounds"}
    | {"climatology", "edges"}
)
_RANGES = frozenset({"valid_range", "valid_min", "valid_max"})


@dataclass(frozen=True, slots=True)
class FoundDimension:
    """A dimension of a variable, and what its steps are in the source."""

    dimension: Dimension
    order: tuple[int, ...] | None = None
    """The source index of each step; None where the order is the same."""
    coordinate: Coordinate | None = None
    """None where the steps have no numbers."""
    finding: Finding | None = None
    """How the times were understood."""
    remark: str = ""
    """What is wrong with it."""


def dimension_of(group: xr.Dataset, name: str) -> FoundDimension:
    """Return a dimension and what its steps are.

    Args:
        group: Of the dimension.
        name: Of the dimension.

    Returns:
        The dimension. The steps of a coordinate with missing values are numbered, except for times.

    Raises:
        SourceError: Its values cannot be read, repeat, or are times of which some are missing.
    """
    found = _coordinate_of(group, name)
    if found is None:
        return FoundDimension(_numbered(group, name))
    variable_name, stored, evidence = found
    values, given, missing = _values(stored, variable_name)
    attributes = cf.json_attributes({key: value for key, value in given.items() if key not in _PACKING_ATTRIBUTES})
    numbers = Coordinate(name, values, attributes) if values.dtype.kind in "iuf" else None
    is_dated = is_time(given) and values.dtype.kind in "iuf"
    if missing.all() or (missing.any() and not is_dated):
        size = group.sizes.get(name, 1)
        which = "no value at any step" if missing.all() else f"no value at {int(missing.sum())} of {size} steps"
        return FoundDimension(_numbered(group, name), remark=f"{variable_name} has {which}; the steps are numbered")
    if not is_dated:
        described = (cf.text(given, key) for key in ("units", "standard_name", "positive"))
        return FoundDimension(
            Dimension(name, "other", value_labels(values, variable_name), *described), coordinate=numbers
        )
    if missing.any():
        raise SourceError(
            f"{variable_name} has missing times at {missing.sum()} of {missing.size} steps, first at {missing.argmax()}"
        )
    labels = time_labels(values, given, variable_name)
    order = sorted(range(len(labels)), key=lambda step: float(values[step]))
    calendar = cf.text(given, "calendar") or "standard"
    finding = Finding("times", f"{variable_name}, calendar {calendar}", evidence)
    if order == list(range(len(labels))):
        return FoundDimension(Dimension(name, "time", labels), None, numbers, finding)
    if numbers is not None:
        numbers = replace(numbers, values=values[order])
    return FoundDimension(
        Dimension(name, "time", tuple(labels[step] for step in order)), tuple(order), numbers, finding
    )


def _numbered(group: xr.Dataset, name: str) -> Dimension:
    return Dimension(name, "other", tuple(str(index) for index in range(group.sizes.get(name, 1))))


def _values(stored: xr.Variable, name: str) -> tuple[NDArray[Any], dict[str, Any], NDArray[np.bool_]]:
    """Return the values of a coordinate that are there, its attributes, and which steps have none.

    Times are plain CF ones. Where every value is missing, all of them are returned.
    """
    raw = np.atleast_1d(stored.values)
    if stored.dtype.kind == "M":
        missing = np.isnat(raw)
        ticks = raw[~missing].astype("datetime64[us]").astype(np.int64)
        return ticks, {**stored.attrs, **TEXT_TIME, "units": "microseconds since 1970-01-01"}, missing
    if stored.dtype.kind in "SUO":
        return _of_texts(stored, name)
    if stored.dtype.kind not in "iuf":
        return raw, dict(stored.attrs), np.zeros(raw.shape, bool)
    plain = {key: value for key, value in stored.attrs.items() if key not in _RANGES}
    packing = cf.packing_of(stored.dtype, plain, netcdf=True)
    missing = packing.is_missing(cf.native_codes(raw, np.dtype(packing.dtype)))
    there = raw if missing.all() else raw[~missing]
    values, given = cf.decode_coordinate(there, stored.attrs), dict(stored.attrs)
    if not missing.all():
        values, given = as_plain_times(values, given, name)
    return values, given, missing


def _of_texts(stored: xr.Variable, name: str) -> tuple[NDArray[Any], dict[str, Any], NDArray[np.bool_]]:
    texts = _texts(stored)
    calendar = cf.text(stored.attrs, "calendar").lower() or "standard"
    days = days_of_texts(texts, calendar, named=is_called_time(name, stored.attrs))
    if days is None:
        return np.array(texts), dict(stored.attrs), np.zeros(len(texts), bool)
    missing = np.isnan(days)
    return days[~missing], {**stored.attrs, **TEXT_TIME, "calendar": calendar}, missing


def _texts(stored: xr.Variable) -> list[str]:
    """Return the texts of a variable; netCDF-3 stores each as a row of characters."""
    values = np.asarray(stored.values)
    rows = [b"".join(row.tolist()) for row in values] if values.ndim == 2 else np.atleast_1d(values).tolist()
    return [each.decode("utf-8", "replace").strip("\0 ") if isinstance(each, bytes) else str(each) for each in rows]


def _coordinate_of(group: xr.Dataset, dim: str) -> tuple[str, xr.Variable, str] | None:
    """Return the variable that holds the values of a dimension, and the evidence.

    The one of its name comes first, then the only time along it, then the only texts along it, then bounds of times.
    """
    own = group.variables.get(dim)
    if own is not None and _is_own(own, dim, group):
        return dim, own, "the scalar coordinate" if dim not in group.sizes else "its units"
    along = [(str(name), variable) for name, variable in group.variables.items() if _is_along(variable, dim)]
    times = [each for each in along if is_time(each[1].attrs) and each[1].dtype.kind in "iuf"]
    marked = [each for each in times if cf.text(each[1].attrs, "standard_name") == "time"]
    if marked:
        return *marked[0], "standard_name"
    if own is not None and own.ndim == 1:
        return dim, own, "its name"
    texts = [each for each in along if each[1].dtype.kind in "SUO"]
    named = [each for each in texts if each[0] == dim]
    only = [
        (found, evidence) for found, evidence in ((times, "units"), (named, "text"), (texts, "text")) if len(found) == 1
    ]
    return (*only[0][0][0], only[0][1]) if only else times_of_bounds(group, dim)


def _is_own(own: xr.Variable, dim: str, group: xr.Dataset) -> bool:
    """Return whether the variable named like a dimension holds its values."""
    if own.size == 1 and dim not in group.sizes:
        return True
    return own.ndim <= 1 and (is_time(own.attrs) or own.attrs.get("axis") != "T")


def _is_along(variable: xr.Variable, dim: str) -> bool:
    """Return whether a variable has one number or text for each step of a dimension."""
    return variable.dims == (dim,) or (variable.ndim == 2 and variable.dims[0] == dim and variable.dtype == "S1")
