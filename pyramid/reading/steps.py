"""The steps along a layer's dimensions that a program selects, by label."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.times.lookup import default_index, index_of
from lazytile.pyramid.times.time_axis import time_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lazytile.pyramid.store.dataset import Dimension, Variable

Selector: TypeAlias = "Any"
"""A label, a time or a number; a slice between two of them, both included; or a sequence of them."""
TIME = "time"


@dataclass(frozen=True, slots=True)
class SelectedLabels:
    """What is selected along one dimension."""

    labels: tuple[str, ...]
    is_single: bool
    """Whether one label was named, so that arrays have no such axis."""


@dataclass(frozen=True, slots=True)
class StepSelection:
    """The labels selected along some dimensions, by name of the dimension. Appended steps leave them valid."""

    labels: Mapping[str, SelectedLabels] = field(default_factory=dict)

    def narrowed(self, variables: Iterable[Variable], selectors: Mapping[str, Selector]) -> StepSelection:
        """Select along further dimensions.

        Args:
            variables: The variables that the selection is for; each dimension must be one of theirs.
            selectors: Values by name of the dimension; ``time`` stands for the time, whatever its name.

        Returns:
            The selection; a dimension that was selected before is selected anew.

        Raises:
            InvalidParameterError: No variable has the dimension, or the dimension has no such step.
        """
        dimensions = {dimension.name: dimension for variable in variables for dimension in variable.dimensions}
        times = {dimension.name for dimension in dimensions.values() if dimension.kind == "time"}
        found = dict(self.labels)
        for name, selector in selectors.items():
            own = name if name in dimensions else next(iter(times), name) if name == TIME else name
            if own not in dimensions:
                allowed = ", ".join(dimensions) or "none"
                raise InvalidParameterError(name, f"{name} is not a dimension here, there is {allowed}")
            found[own] = _selected(dimensions[own], selector)
        return StepSelection(found)

    def indices(self, variable: Variable) -> tuple[tuple[int, ...], ...]:
        """Return the selected indices along each dimension of a variable.

        Args:
            variable: The variable as it is stored now.

        Returns:
            Ascending indices for each dimension; all of them where nothing is selected.

        Raises:
            InvalidParameterError: A label is gone.
        """
        return tuple(
            tuple(index_of(dimension, label) for label in self.labels[dimension.name].labels)
            if dimension.name in self.labels
            else tuple(range(len(dimension.labels)))
            for dimension in variable.dimensions
        )

    def one(self, variable: Variable) -> tuple[int, ...]:
        """Return the one index along each dimension: the selected one, else the latest time or the first step.

        Args:
            variable: The variable as it is stored now.

        Returns:
            An index for each dimension.

        Raises:
            InvalidParameterError: Several labels are selected, or a label is gone.
        """
        return tuple(self._one_of(dimension) for dimension in variable.dimensions)

    def _one_of(self, dimension: Dimension) -> int:
        selected = self.labels.get(dimension.name)
        if selected is None:
            return default_index(dimension)
        if len(selected.labels) != 1:
            raise InvalidParameterError(
                dimension, f"{dimension.name} has {len(selected.labels)} steps selected, this takes one: .sel() it"
            )
        return index_of(dimension, selected.labels[0])

    def is_single(self, dimension: Dimension) -> bool:
        """Return whether one label was named for a dimension.

        Args:
            dimension: The dimension.

        Returns:
            Whether arrays have no axis for it.
        """
        selected = self.labels.get(dimension.name)
        return selected is not None and selected.is_single

    def texts(self, variable: Variable) -> dict[str, list[str]]:
        """Return the selected labels of a variable's dimensions, as exports take them.

        Args:
            variable: The variable.

        Returns:
            Labels by name of the dimension; without dimensions where nothing is selected.
        """
        names = {dimension.name for dimension in variable.dimensions}
        return {name: list(selected.labels) for name, selected in self.labels.items() if name in names}


def _selected(dimension: Dimension, selector: Selector) -> SelectedLabels:
    labels = dimension.labels
    if isinstance(selector, slice):
        return SelectedLabels(tuple(labels[at] for at in _between(dimension, selector)), is_single=False)
    if isinstance(selector, list | tuple | np.ndarray) and np.ndim(selector) == 1:
        indices = sorted({index_of(dimension, text_of(each)) for each in selector})
        if not indices:
            raise InvalidParameterError(dimension, f"{dimension.name} is selected by an empty list, it needs a label")
        return SelectedLabels(tuple(labels[at] for at in indices), is_single=False)
    return SelectedLabels((labels[index_of(dimension, text_of(selector))],), is_single=True)


def _between(dimension: Dimension, ends: slice) -> range:
    """Return the indices from one end to the other, both included."""
    if ends.step is not None:
        raise InvalidParameterError(dimension, f"{dimension.name} is selected by a slice, which takes no step")
    labels = dimension.labels
    axis = time_axis(labels) if dimension.kind == "time" else None
    first, stop = 0, len(labels)
    if axis is None:
        at = sorted(index_of(dimension, text_of(end)) for end in (ends.start, ends.stop) if end is not None)
        first = at[0] if ends.start is not None else 0
        stop = at[-1] + 1 if ends.stop is not None else len(labels)
    else:
        for end in (ends.start, ends.stop):
            if end is not None and axis.calendar.parse(text_of(end)) is None:
                index_of(dimension, text_of(end))  # raises what a single time raises
        start = None if ends.start is None else axis.calendar.parse(text_of(ends.start))
        last = None if ends.stop is None else axis.calendar.parse(text_of(ends.stop))
        first = 0 if start is None else bisect.bisect_left(axis.starts_us, start.start_us)
        stop = len(labels) if last is None else bisect.bisect_left(axis.starts_us, last.end_us)
    if first >= stop:
        raise InvalidParameterError(
            dimension,
            f"{dimension.name} has no step from {ends.start} to {ends.stop}, it has {labels[0]} to {labels[-1]}",
        )
    return range(first, stop)


def text_of(value: Selector) -> str:
    """Return a label as a request spells it.

    Args:
        value: A text, a date, a time (without a zone: UTC), a number, or what has ``isoformat`` (cftime).

    Returns:
        The text.
    """
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value))
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return text_of(value.item())
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)).isoformat()
    if isinstance(value, date) or hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "values") and np.ndim(value) == 0:  # a coordinate of xarray
        return text_of(np.asarray(value)[()])
    return str(value)
