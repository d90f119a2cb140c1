"""Text about a layer for the capabilities of every protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer


LISTED_VALUES = 10
"""A time axis up to this length is listed value by value, as in the standard; a longer one as periods."""


def abstract_of(layer: Layer) -> str:
    """Return a sentence that describes a layer.

    Args:
        layer: The layer.

    Returns:
        Its title, standard name, units and source, as far as they are known.
    """
    variable, dataset = layer.variable, layer.dataset
    units = f" in {variable.units}" if variable.units and variable.units != "1" else ""
    standard = f" ({variable.standard_name})" if variable.standard_name else ""
    where = f" from {dataset.title or dataset.source}" if dataset.title or dataset.source else ""
    return f"{layer.title}{standard}{units}{where}"
