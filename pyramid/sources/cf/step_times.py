"""Times that are not coordinates of their dimension: a single time beside a variable, and bounds without times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.iso_times import days_of_texts
from lazytile.pyramid.sources.cf.labels import is_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

_TIME_NAME = re.compile(r"(?:.*_)?(?:time|times|date|datetime|valid_time|day)(?:_.*)?|t", re.IGNORECASE)
_OTHER_TIMES = frozenset({"forecast_reference_time", "forecast_period"})
_OTHER_NAMES = re.compile(r"ref|analysis|creat|produc|launch|epoch|init|base|run|process|delta|offset", re.IGNORECASE)
"""Times of something else than the values."""
_BOUNDS = ("{}_bnds", "{}_bounds", "{}_bnd", "{}bnds", "bounds_{}")


def is_called_time(name: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether a variable is called a time, by its standard name, its axis or its own name.

    Args:
        name: Of the variable.
        attributes: Of the variable.

    Returns:
        True for a time, whatever its values are.
    """
    if cf.text(attributes, "standard_name") == "time" or cf.text(attributes, "axis") == "T":
        return True
    return _TIME_NAME.fullmatch(name) is not None


def time_beside(group: xr.Dataset, stored: xr.Variable) -> str | None:
    """Return the variable that holds the one time of a variable without a time axis.

    Args:
        group: Of the variable.
        stored: The variable.

    Returns:
        Its name: of those with one value, the one that the variable names, then the one with the standard name
        ``time``, then the one called so; None where there is none.
    """
    named = cf.text(stored.attrs, "coordinates").split()
    ranked: list[tuple[tuple[bool, bool, bool], str]] = []
    for key, variable in group.variables.items():
        name = str(key)
        standard = cf.text(variable.attrs, "standard_name")
        if variable.size != 1 or variable.ndim > 1 or set(variable.dims) & set(stored.dims) or standard in _OTHER_TIMES:
            continue
        if name not in named and any(_uses(other, variable.dims) for other in group.variables.values()):
            continue  # it is the axis of other variables, and this one is without time on purpose
        called = is_called_time(name, variable.attrs) and (standard == "time" or not _OTHER_NAMES.search(name))
        if not (called or name in named) or not _is_dated(variable):
            continue
        ranked.append(((name not in named, standard != "time", name.lower() != "time"), name))
    return min(ranked)[1] if ranked else None


def _uses(variable: xr.Variable, dims: tuple[object, ...]) -> bool:
    """Return whether a variable has planes along dimensions, which bounds have not."""
    return variable.ndim > 2 and bool(set(dims) & set(variable.dims))


def _is_dated(variable: xr.Variable) -> bool:
    if variable.dtype.kind == "M":
        return True
    if variable.dtype.kind in "iuf":
        return is_time(variable.attrs)
    if variable.dtype.kind not in "SUO":
        return False
    value = np.atleast_1d(variable.values).ravel()[0]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return days_of_texts([text]) is not None


def times_of_bounds(group: xr.Dataset, dim: str) -> tuple[str, xr.Variable, str] | None:
    """Return the starts of the periods whose bounds a file gives without giving times.

    Args:
        group: Of the dimension.
        dim: The dimension.

    Returns:
        Name of the bounds, the starts along the dimension, and the evidence; None where there are none.
    """
    for pattern in _BOUNDS:
        bounds = group.variables.get(pattern.format(dim))
        if bounds is None or bounds.ndim != 2 or bounds.dims[0] != dim or bounds.shape[1] != 2:
            continue
        if is_time(bounds.attrs) and bounds.dtype.kind in "iuf":
            return pattern.format(dim), bounds[:, 0], "the start of its bounds"
    return None
