"""How requests spell the parts of a tile's address, its options and its dimensions (OGC 07-057r7, Table 29)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.dimension_names import dimension_name
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from lazytile.pyramid.core.request_field import RequestDimension

TIME = "Time"
_SPELLING = {
    RequestField.ADDRESS: "request",
    RequestField.STYLE: "Style",
    RequestField.FORMAT: "Format",
    RequestField.TILE_MATRIX_SET: "TileMatrixSet",
    RequestField.TILE_MATRIX: "TileMatrix",
    RequestField.ROW: "TileRow",
    RequestField.COLUMN: "TileCol",
    RequestField.TIME: TIME,
    RequestField.BOX: "bbox",
}
"""An option is spelled as the field is named."""
RESERVED = frozenset({
    "service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol",
    "i", "j", "infoformat", "time", "default",
}) | OPTION_NAMES  # fmt: skip
"""Names of a request's own parameters: a dimension of that name gets the prefix ``dim_``."""


def parameter_name(dimension: RequestDimension) -> str:
    """Return the name of a dimension in requests and capabilities.

    Args:
        dimension: The dimension to name.

    Returns:
        ``Time`` for a time dimension, else the source's name made safe and apart from all of ``RESERVED``.
    """
    return TIME if dimension.kind == "time" else dimension_name(dimension, RESERVED)


def parameter_of(field: RequestField | RequestDimension | str) -> str:
    """Return the parameter that requests have for a field.

    Args:
        field: What a ``RequestError`` names as wrong; a ``str`` is a parameter already.

    Returns:
        The parameter in the spelling of WMTS, or the name of the option.
    """
    match field:
        case str():
            return field
        case RequestField():
            return _SPELLING.get(field, field.value)
        case _:
            return parameter_name(field)
