"""The parts of a request for a tile, named independently of any protocol.

Errors name the part that is wrong by these. How a protocol spells each of them is the service's concern
(``lazytile.service.http.parameter_names``).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class RequestField(Enum):
    """A part of a tile's address, or an option. The value is its name in messages."""

    ADDRESS = "address"
    """The address as a whole, where no single part is wrong."""
    STYLE = "style"
    FORMAT = "format"
    TILE_MATRIX_SET = "tile matrix set"
    TILE_MATRIX = "tile matrix"
    ROW = "row"
    COLUMN = "column"
    TIME = "time"
    RESCALE = "rescale"
    SPACING = "spacing"
    BANDS = "bands"
    RESAMPLING = "resampling"
    FILTER = "filter"
    EXPRESSION = "expression"
    RGB = "rgb"
    SCALE = "scale"
    BOX = "box"

    def __str__(self) -> str:
        return self.value


class RequestDimension(Protocol):
    """A dimension of a layer, as far as errors name it: ``lazytile.pyramid.store.dataset.Dimension``."""

    @property
    def name(self) -> str:
        """Name in the source."""

    @property
    def kind(self) -> str:
        """``time`` or ``other``."""


def field_name(field: RequestField | RequestDimension | str) -> str:
    """Return the name of a field in messages.

    Args:
        field: A part of a tile's address, a dimension, or a parameter as its client spells it.

    Returns:
        ``time`` for a time dimension whatever its source calls it, else the name of the field.
    """
    match field:
        case str():
            return field
        case RequestField():
            return field.value
        case _:
            return RequestField.TIME.value if field.kind == "time" else field.name
