"""The step that a request selects along each dimension of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.times import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lazytile.pyramid.catalog.dimension_names import DimensionNaming
    from lazytile.pyramid.store.layer import Layer


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
        positional: Values by position in a path, which take precedence.

    Returns:
        A step for each dimension.

    Raises:
        InvalidParameterError: A value names no step, or the path has a wrong number of values.
    """
    steps = []
    dimensions = layer.variable.dimensions
    names = [name_of(dimension) for dimension in dimensions]
    values = _positional_values(layer, names, positional) if positional else [parameters.get(n.lower()) for n in names]
    for dimension, name, value in zip(dimensions, names, values, strict=True):
        index = lookup.index_of(dimension, value)
        is_default = index == lookup.default_index(dimension)
        steps.append(SelectedStep(name, index, dimension.labels[index], value, dimension.kind == "time", is_default))
    return tuple(steps)


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
