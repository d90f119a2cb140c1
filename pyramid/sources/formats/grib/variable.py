"""The variables of a GRIB file: which messages belong to each, its name, and its dimensions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.formats.grib.grid import MAPPING
from lazytile.pyramid.sources.formats.grib.message import Message, Messages, Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DIMENSIONS = ("time", "member", "level")
_WITHOUT_VALUE = frozenset({"surface", "meanSea"})
_REFINEMENTS = ("period_s", "ensemble")
"""What tells messages of one identity, time, member and level apart, where it must: the length of the period over which
they are averaged, the sign of a perturbation."""


class FieldError(SourceError):
    """The messages of a variable do not make one."""


@dataclass(frozen=True, slots=True)
class GribVariable:
    """Messages of one identity on one grid."""

    attributes: dict[str, Any]
    messages: list[Message]
    parts: tuple[str, ...] = ()
    """Names of the refinements by which it is part of an identity."""


def refined(variable: GribVariable) -> list[GribVariable]:
    """Return a variable in as many as its messages need, so that none has two for one time, member and level.

    Args:
        variable: All messages of an identity.

    Returns:
        The variables; those that no refinement tells apart are left as they are.
    """
    found = [variable]
    for name in _REFINEMENTS:
        split: list[GribVariable] = []
        for each in found:
            values = sorted({getattr(message, name) for message in each.messages})
            if not _collides(each.messages) or len(values) == 1:
                split.append(each)
                continue
            for value in values:
                mine = [message for message in each.messages if getattr(message, name) == value]
                split.append(replace(each, messages=mine, parts=(*each.parts, _refinement(name, value))))
        found = split
    return found


def _refinement(name: str, value: int) -> str:
    if name != "period_s":
        return f"ensemble{value}"
    return next(f"{value // size}{unit}" for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if value % size == 0)


def _collides(messages: Iterable[Message]) -> bool:
    return max(Counter(map(_position, messages)).values()) > 1


def _position(message: Message) -> tuple[float, int, Any]:
    return message.time, message.member, message.level


def named(variables: Sequence[GribVariable]) -> dict[str, GribVariable]:
    """Return variables by name: ecCodes' short name, with kinds of level and step where several share it.

    Args:
        variables: Of one grid.

    Returns:
        The variables; each has a name of its own.
    """
    found: dict[str, GribVariable] = {}
    for name in dict.fromkeys(each.messages[0].labels.name for each in variables):
        same = [each for each in variables if each.messages[0].labels.name == name]
        for count in range(5):
            names = [_name(name, each, count) for each in same]
            if len(set(names)) == len(names):
                break
        for each, candidate in zip(same, names, strict=True):
            unique = candidate
            while unique in found:
                unique += "_"
            found[unique] = each
    return found


def _name(name: str, variable: GribVariable, count: int) -> str:
    """Return a name with the first few of what distinguishes variables of one short name."""
    message = variable.messages[0]
    labels = message.labels
    further = [labels.level, labels.step, "_".join(variable.parts), _numbers(message)]
    return "_".join([name, *(each for each in further[:count] if each)])


def _numbers(message: Message) -> str:
    identity = message.identity
    texts = [str(part) for part in (*identity.parameter, *identity.levels, identity.statistics)]
    texts += [str(part[1] if isinstance(part, tuple) else part) for part in identity.further]
    return "_".join(texts)


def variable_of(
    path: str, name: str, variable: GribVariable, others: Sequence[GribVariable], order: Order
) -> xr.Dataset:
    """Return the messages of a variable as an array with the coordinates of its dimensions.

    Args:
        path: Of the file.
        name: Of the variable.
        variable: The messages and the attributes.
        others: All variables of the grid; a dimension of other steps than theirs has a name of its own.
        order: Of the values.

    Returns:
        The variable and its coordinates.

    Raises:
        FieldError: Two messages have the same time, member and level.
    """
    messages = _distinct(variable.messages)
    axes = [_steps(messages, dim) for dim in _DIMENSIONS]
    places = np.full([len(axis) for axis in axes], None, object)
    for message in messages:
        at = tuple(axis.index(getattr(message, dim)) for axis, dim in zip(axes, _DIMENSIONS, strict=True))
        places[at] = message.place
    # A dimension of one step adds nothing to the attributes, except for time.
    varying = [len(axis) > 1 or dim == "time" for axis, dim in zip(axes, _DIMENSIONS, strict=True)]
    dims: list[str] = []
    coordinates: dict[str, xr.Variable] = {}
    for dim, axis, varies in zip(_DIMENSIONS, axes, varying, strict=True):
        if varies:
            differs = any(each is not variable and _differs(each.messages, dim, axis) for each in others)
            own = f"{dim}_{name}" if differs else dim
            dims.append(own)
            coordinates[own] = _coordinate(own, dim, axis, messages[0])
    attributes = dict(variable.attributes)
    if not varying[2] and messages[0].labels.level not in _WITHOUT_VALUE:
        level = messages[0].level
        attributes["level"] = level.first if level.second is None else level.text
        if messages[0].level_units:
            attributes["level_units"] = messages[0].level_units
    dtype = "float64" if any(message.is_wide for message in messages) else "float32"
    places = places.reshape([len(axis) for axis, varies in zip(axes, varying, strict=True) if varies])
    data = indexing.LazilyIndexedArray(Messages(path, places, order, dtype))
    mapping = {} if order.is_flat else {"grid_mapping": MAPPING}
    array = xr.Variable((*dims, *order.dims), data, {**attributes, **mapping})
    array.encoding["chunksizes"] = (*(1 for _ in dims), *order.shape)
    return xr.Dataset({name: array, **coordinates})


def _distinct(messages: Sequence[Message]) -> Sequence[Message]:
    """Return messages, of which no two have one time, member and level."""
    seen: dict[Any, Message] = {}
    for message in messages:
        other = seen.setdefault(_position(message), message)
        if other is not message:
            if other.reference != message.reference:
                raise FieldError(
                    "it has several forecasts of one hour; split the file by forecast first (grib_copy -w dataDate=...)"
                )
            raise FieldError("two of its messages have the same time, member and level, and nothing tells them apart")
    return messages


def _steps(messages: Iterable[Message], dim: str) -> list[Any]:
    steps = {getattr(message, dim) for message in messages}
    return sorted(steps, key=lambda level: level.order) if dim == "level" else sorted(steps)


def _differs(messages: Sequence[Message], dim: str, axis: list[Any]) -> bool:
    """Return whether other messages have other steps of a dimension, which then needs a name of its own."""
    other = _steps(messages, dim)
    return other != axis and (len(other) > 1 or dim == "time")


def _coordinate(name: str, dim: str, axis: list[Any], message: Message) -> xr.Variable:
    if dim == "time":
        attributes = {"standard_name": "time", "units": "seconds since 1970-01-01", "calendar": "standard"}
        return xr.Variable((name,), np.array(axis), attributes)
    if dim == "member":
        return xr.Variable((name,), np.array(axis), {"standard_name": "realization"})
    attributes = {"units": message.level_units}
    if any(level.second is not None for level in axis):
        return xr.Variable((name,), np.array([level.text for level in axis], object), attributes)
    return xr.Variable((name,), np.array([level.first for level in axis]), attributes)
