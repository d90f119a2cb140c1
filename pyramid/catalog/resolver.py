"""From the text of a tile address to one servable tile, whichever protocol it came by.

Each protocol splits its own encoding into a ``RawTileAddress``; only ``Resolver`` interprets the parts, so protocols
cannot differ in what they accept or in the bytes they return.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.pyramid.catalog.dimensions import ELEVATION, select_steps
from lazytile.pyramid.catalog.tile_address import ResolvedTile
from lazytile.pyramid.catalog.tile_limits import check_limits, with_limits
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.core.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.style import Rescale
from lazytile.pyramid.render.tile_request import TileRequest

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.dimension_names import DimensionNaming
    from lazytile.pyramid.catalog.dimensions import SelectedStep
    from lazytile.pyramid.catalog.layer_source import LayerSource, StyleSource
    from lazytile.pyramid.catalog.tile_address import RawTileAddress
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer

MAX_DIGITS = 9
"""No matrix has a billion tiles in a row."""


class Resolver:
    """Resolves tile addresses against the datasets and colormaps there are."""

    def __init__(self, store: LayerSource, styles: StyleSource, name_of: DimensionNaming) -> None:
        """Resolve by these parts.

        Args:
            store: The datasets.
            styles: The colormaps.
            name_of: Returns the name of a dimension in requests.
        """
        self._store = store
        self._styles = styles
        self._name_of = name_of

    def resolve(self, address: RawTileAddress) -> ResolvedTile:
        """Return the tile that an address names.

        Args:
            address: The address, split into its parts.

        Returns:
            The tile, its generation that of the dataset as it is now.

        Raises:
            RequestError: A part of the address is invalid.
            DatasetNotFoundError: There is no such layer.
        """
        layer = self._store.layer(address.layer)
        options = options_of(layer, address.parameters)
        style = self.style(layer, options.colormap or address.style, options.rescale_to)
        tms = layer.tile_matrix_set(address.tms)
        matrix = tms.matrix(address.matrix)
        if options.scale != 1:
            matrix = matrix.enlarged(options.scale)
        declared = with_limits(layer, tms, matrix) if address.is_limited else matrix
        row = integer_of(RequestField.ROW, address.row, declared.matrix_height)
        col = integer_of(RequestField.COLUMN, address.col, declared.matrix_width)
        is_within = row < matrix.matrix_height and col < matrix.matrix_width
        if address.is_limited:
            check_limits(layer, tms, matrix, row, col, margin=address.limit_margin)
        steps = select_steps(layer, self._name_of, address.parameters, address.positional)
        dim_index = tuple([step.index for step in steps])
        shown = matrix if is_within else declared
        request = TileRequest(layer, style, dim_index, tms, shown, row, col, address.image_format, options.pixels)
        own_range = (options.rescale_to or Rescale()) if options.is_own_range else None
        unknown = _unknown_parameters(layer, address, steps)
        is_like_others = is_within and own_range is None
        return ResolvedTile(request.canonical(), steps, unknown, own_range, is_like_others)

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style of a layer.

        Args:
            layer: The layer.
            name: Name of the style or colormap; empty for the default.
            rescale_to: Another range for its colours.

        Returns:
            The style, compiled.

        Raises:
            InvalidParameterError: There is no such style, or its colormap cannot paint the layer's units.
        """
        try:
            return self._styles.style(layer, name, rescale_to)
        except ColormapError as error:
            text = f"style {name!r} is invalid for {layer.name}: {error}"
            raise InvalidParameterError(RequestField.STYLE, text) from error


def integer_of(field: RequestField | str, text: str, size: int) -> int:
    """Parse a row, a column or a pixel index.

    Args:
        field: What the integer is.
        text: Its value.
        size: Number of rows, columns or pixels.

    Returns:
        0 to ``size - 1``.

    Raises:
        InvalidParameterError: The text is not an integer.
        TileOutOfRangeError: The integer is negative or not below ``size``.
    """
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidParameterError(field, f"{field} {text!r} is not an integer, it may be 0 to {size - 1}")
    if len(text) > MAX_DIGITS or not 0 <= int(text) < size:
        raise TileOutOfRangeError(field, f"{field} {text} is out of range, it may be 0 to {size - 1}")
    return int(text)


def _unknown_parameters(layer: Layer, address: RawTileAddress, steps: tuple[SelectedStep, ...]) -> tuple[str, ...]:
    """Return the sorted names in a query string that mean nothing: they may be misspelled."""
    names = address.parameters.keys() - address.protocol_parameters - OPTION_NAMES
    if names:
        names -= {step.parameter.lower() for step in steps}
        if elevation_of(layer.variable.dimensions) is not None or not address.parameters.get(ELEVATION):
            names -= {ELEVATION}
    return tuple(sorted(names))
