"""The dimensions of a layer in WMS: time, elevation and those of its own (OGC 06-042, annex C)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.dimensions import ELEVATION
from lazytile.pyramid.catalog.layer_text import LISTED_VALUES
from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.times import lookup
from lazytile.pyramid.times.periods import periods_of
from lazytile.service.http.parameter_names import parameter_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.query import Query

PREFIX = "dim_"


@dataclass(frozen=True, slots=True)
class MapDimension:
    """A dimension as WMS has it."""

    dimension: Dimension
    name: str
    """``time``, ``elevation``, or the dimension's own name."""
    labels: tuple[str, ...]
    """The values; of an elevation they grow upwards."""

    @property
    def parameter(self) -> str:
        """The request parameter (OGC 06-042, C.3.2): ``time``, ``elevation``, or a name that begins with ``dim_``."""
        is_plain = self.name in ("time", ELEVATION) or self.name.startswith(PREFIX)
        return self.name if is_plain else f"{PREFIX}{self.name}"

    @property
    def units(self) -> str:
        """The units; of times those of ISO 8601."""
        return "ISO8601" if self.name == "time" else self.dimension.units

    @property
    def default(self) -> str:
        """The value that a request without one selects."""
        return self.labels[lookup.default_index(self.dimension)]

    def values(self) -> str:
        """Return the values as capabilities list them (OGC 06-042, C.2).

        Returns:
            All values separated by commas; of a long time axis the regular runs as ``start/end/period``.
        """
        is_long = self.dimension.kind == "time" and len(self.labels) > LISTED_VALUES
        return ",".join(periods_of(self.labels) if is_long else self.labels)


def dimensions_of(layer: Layer) -> list[MapDimension]:
    """Return the dimensions of a layer.

    Args:
        layer: The layer.

    Returns:
        One for each dimension, in order.
    """
    elevation = elevation_of(layer.variable.dimensions)
    found = []
    for dimension in layer.variable.dimensions:
        own = parameter_name(dimension)
        if elevation is not None and dimension is elevation.dimension:
            found.append(MapDimension(dimension, ELEVATION, elevation.labels()))
        else:
            # Another dimension that the source calls so is no elevation.
            name = own.lower() if own.lower() == "time" else own
            found.append(MapDimension(dimension, name, dimension.labels))
    return found


def dimension_values(layer: Layer, query: Query) -> Mapping[str, str]:
    """Return the values of dimensions in a request, by the names that tile requests have for them.

    Args:
        layer: The layer.
        query: The query string.

    Returns:
        Values by lower-case name.
    """
    values = {}
    for each in dimensions_of(layer):
        own = parameter_name(each.dimension).lower()
        if each.name == ELEVATION and query.get(ELEVATION):
            values[ELEVATION] = query.get(ELEVATION)
        # The source's own name is taken as well, as in the other protocols.
        value = "" if each.name == ELEVATION else query.get(each.parameter)
        value = value or query.get(f"{PREFIX}{own}") or (query.get(own) if own != ELEVATION else "")
        if value:
            values[own] = value
    return values


def names_of(layer: Layer) -> frozenset[str]:
    """Return every parameter of a request that selects a step of a layer.

    Args:
        layer: The layer.

    Returns:
        Lower-case names.
    """
    own = {parameter_name(dimension).lower() for dimension in layer.variable.dimensions}
    return frozenset(
        own | {f"{PREFIX}{name}" for name in own} | {each.parameter.lower() for each in dimensions_of(layer)}
    )
