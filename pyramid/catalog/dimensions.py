"""The step that a request selects along each dimension of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.times import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lazytile.pyramid.catalog.dimension_names import DimensionNaming
    from lazytile.pyramid.catalog.vertical import Elevation
    from lazytile.pyramid.store.layer import Layer

ELEVATION = "elevation"
"""Selects a step of the vertical dimension in every protocol, whatever the source calls it (OGC 06-042, C.3.2)."""
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SelectedStep:
    """One step along one dimension."""

    parameter: str
    """Name of the dimension in requests."""
    index: int
    label: str
    requested: str | None
    """The value in the request; None where it has none."""
    is_time: bool
    is_default: bool
    """Whether a request without a value selects this step."""

    @property
    def is_approximate(self) -> bool:
        """Whether the step is the nearest to a requested number, not that number."""
        requested = self.requested
        if self.is_time or not requested or requested in (lookup.DEFAULT, self.label):
            return False
        return float(requested) != float(self.label)


def select_steps(
    layer: Layer, name_of: DimensionNaming, parameters: Mapping[str, str], positional: Sequence[str] = ()
) -> tuple[SelectedStep, ...]:
    """Return the step along each dimension of a layer, in order.

    Args:
        layer: The layer.
        name_of: Returns the name of a dimension in requests.
        parameters: Values by lower-case name of the dimension's parameter; others are ignored.
        positional: Values by position in a path; for ``default`` there, a value among the parameters counts.

    Returns:
        A step for each dimension.

    Raises:
        InvalidParameterError: A value names no step, or the path has a wrong number of values.
    """
    steps = []
    dimensions = layer.variable.dimensions
    names = [name_of(dimension) for dimension in dimensions]
    values: Sequence[str | None] = [parameters.get(name.lower()) for name in names]
    if positional:
        in_path = _positional_values(layer, names, positional)
        values = [_one_of(*each) for each in zip(names, in_path, values, strict=True)]
    elevation = elevation_of(dimensions) if parameters.get(ELEVATION) else None
    for dimension, name, given in zip(dimensions, names, values, strict=True):
        value = given
        if elevation is not None and dimension is elevation.dimension and name.lower() != ELEVATION:
            value = _label_of(elevation, parameters[ELEVATION], name, given)
        index = lookup.index_of(dimension, value)
        is_default = index == lookup.default_index(dimension)
        steps.append(SelectedStep(name, index, dimension.labels[index], value, dimension.kind == "time", is_default))
    return tuple(steps)


def _one_of(name: str, in_path: str | None, in_query: str | None) -> str | None:
    """Return the value of a dimension that the path names, or the query where the path leaves it open."""
    if not in_query or in_path in (None, "", lookup.DEFAULT):
        return in_query or in_path
    if in_path != in_query:
        raise InvalidParameterError(name, f"{name} is {in_path[:40]!r} in the path and another in the query")
    return in_path


def _label_of(elevation: Elevation, requested: str, name: str, given: str | None) -> str:
    """Return the label that an elevation stands for."""
    label = elevation.turned(requested)
    try:
        index = lookup.index_of(elevation.dimension, label)
        conflict = given not in (None, "", lookup.DEFAULT) and lookup.index_of(elevation.dimension, given) != index
    except InvalidParameterError as error:
        allowed = elevation.labels()
        shown = ", ".join(allowed) if len(allowed) <= MAX_SHOWN else f"{allowed[0]}, {allowed[1]}, ... {allowed[-1]}"
        raise InvalidParameterError(
            ELEVATION, f"{ELEVATION} {requested[:40]!r} is invalid, it may be {shown}"
        ) from error
    if conflict:
        raise InvalidParameterError(ELEVATION, f"{ELEVATION} and {name} select different steps, give one of them")
    return label


def _positional_values(layer: Layer, names: Sequence[str], values: Sequence[str]) -> Sequence[str | None]:
    """Assign values in a path to dimensions. GIBS clients leave the time out, or send one for layers without times."""
    dimensions = layer.variable.dimensions
    if len(values) == len(dimensions):
        return values
    if len(values) == len(dimensions) - 1 and layer.variable.time is not None:
        rest = iter(values)
        return [None if dimension.kind == "time" else next(rest) for dimension in dimensions]
    if set(values) == {lookup.DEFAULT}:
        return [None] * len(dimensions)
    template = "/".join(f"{{{name}}}" for name in names)
    expected = f"{template} between style and set" if template else "no dimension"
    raise InvalidParameterError(
        RequestField.ADDRESS, f"layer {layer.name} has {expected}, the path has {len(values)} values there"
    )
