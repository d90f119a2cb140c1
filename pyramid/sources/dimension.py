"""The dimensions of a source's variables besides rows and columns: their steps, named as WMTS names them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid import cf
from lazytile.pyramid.dataset import Dimension
from lazytile.pyramid.labels import is_time, time_labels, value_labels

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_PACKING_ATTRIBUTES = frozenset(
    {"scale_factor", "add_offset", "missing_value", "valid_range", "valid_min", "valid_max", "_Unsigned", "bounds"}
    | {"climatology", "edges"}
)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The values of a dimension as the source stores them, for readers other than us."""

    name: str
    values: NDArray[Any]
    """Shape (steps,), in stored order."""
    attributes: dict[str, Any]


def dimension_of(group: xr.Dataset, name: str) -> tuple[Dimension, tuple[int, ...] | None, Coordinate | None]:
    """Return a dimension, the source index of each of its steps where they are reordered, and its coordinate."""
    coordinate = _coordinate_of(group, name)
    if coordinate is None:
        labels = tuple(str(index) for index in range(group.sizes[name]))
        return Dimension(name, "other", labels), None, None
    variable_name, stored = coordinate
    values = np.atleast_1d(cf.decode_coordinate(stored.values, stored.attrs))
    attributes = cf.json_attributes(
        {key: value for key, value in stored.attrs.items() if key not in _PACKING_ATTRIBUTES}
    )
    units = cf.text(stored.attrs, "units")
    kept = Coordinate(name, values, attributes) if values.dtype.kind in "iuf" else None
    if not is_time(stored.attrs) or values.dtype.kind not in "iuf":
        return Dimension(name, "other", value_labels(values, variable_name), units), None, kept
    labels = time_labels(values, stored.attrs, variable_name)
    order = sorted(range(len(labels)), key=lambda step: float(values[step]))
    if order == list(range(len(labels))):
        return Dimension(name, "time", labels), None, kept
    if kept is not None:
        kept = replace(kept, values=values[order])
    return Dimension(name, "time", tuple(labels[step] for step in order)), tuple(order), kept


def _coordinate_of(group: xr.Dataset, dim: str) -> tuple[str, xr.Variable] | None:
    """Return the variable that gives a dimension its values: the one of its name, else the only time along it."""
    if dim in group.variables and group.variables[dim].ndim <= 1:
        own = group.variables[dim]
        if is_time(own.attrs) or own.attrs.get("axis") != "T":
            return dim, own
    times = [
        (str(name), variable)
        for name, variable in group.variables.items()
        if variable.dims == (dim,) and is_time(variable.attrs) and cf.text(variable.attrs, "standard_name") == "time"
    ]
    if times:
        return times[0]
    return (dim, group.variables[dim]) if dim in group.variables and group.variables[dim].ndim == 1 else None


def scalar_time(group: xr.Dataset, stored: xr.Variable) -> str | None:
    """Return the scalar coordinate variable that dates a variable without a time axis (CF 5.7), if there is one."""
    named = cf.text(stored.attrs, "coordinates").split()
    for name, variable in group.variables.items():
        dated = name in named or cf.text(variable.attrs, "standard_name") == "time"
        if variable.ndim == 0 and dated and is_time(variable.attrs) and variable.dtype.kind in "iuf":
            return str(name)
    return None
