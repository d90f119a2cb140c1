"""From the words of a request to one servable ``TileRequest``, whichever way they came: KVP, REST or XYZ.

``address`` takes each encoding apart; ``Resolver`` alone knows what the words mean, so the three cannot differ in what
they accept or in the bytes they give.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.pyramid.catalog.tile_limits import check_limits
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.render.tile_request import TileRequest
from lazytile.pyramid.times import lookup

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.tile_address import RawTileAddress
    from lazytile.pyramid.render.style import Rescale, Style, Styles
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.store.store import Store

MAX_DIGITS = 9
"""No matrix has a billion tiles in a row."""


class Resolver:
    """Gives the words of requests their meaning, from the datasets and colormaps there are."""

    def __init__(self, store: Store, styles: Styles) -> None:
        self._store = store
        self._styles = styles

    def resolve(self, address: RawTileAddress) -> TileRequest:
        """Return the request that the words stand for. Raises ``RequestError`` or ``DatasetNotFoundError``."""
        layer = self._store.layer(address.layer)
        options = options_of(layer, address.named)
        style = self.style(layer, options.colormap or address.style, options.rescale_to)
        tms = layer.tile_matrix_set(address.tms)
        matrix = tms.matrix(address.matrix)
        if options.scale != 1:
            matrix = matrix.enlarged(options.scale)
        row = integer_of("TileRow", address.row, matrix.matrix_height)
        col = integer_of("TileCol", address.col, matrix.matrix_width)
        if address.is_limited:
            check_limits(layer, tms, matrix, row, col)
        dim_index = leading_of(layer, address)
        return TileRequest(
            layer, style, dim_index, tms, matrix, row, col, address.image_format, options.pixels
        ).canonical()

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style of a layer. A colormap that cannot paint this layer's units is an invalid style of it."""
        try:
            return self._styles.style(layer, name, rescale_to)
        except ColormapError as error:
            raise InvalidParameterError("Style", f"Style {name!r} is invalid for {layer.name}: {error}") from error


def integer_of(parameter: str, text: str, size: int) -> int:
    """Read a row or column. Raises ``InvalidParameterError`` for no integer, ``TileOutOfRangeError`` past ``size``."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidParameterError(parameter, f"{parameter} {text!r} is no integer, it may be 0 to {size - 1}")
    if len(text) > MAX_DIGITS or not 0 <= int(text) < size:
        raise TileOutOfRangeError(parameter, f"{parameter} {text} is out of range, it may be 0 to {size - 1}")
    return int(text)


def leading_of(layer: Layer, address: RawTileAddress) -> tuple[int, ...]:
    """Return the index along each of the layer's dimensions. Raises ``InvalidParameterError``."""
    asked = asked_values(layer, address)
    return tuple(
        lookup.index_of(dimension, value) for dimension, value in zip(layer.variable.dimensions, asked, strict=True)
    )


def asked_values(layer: Layer, address: RawTileAddress) -> list[str | None]:
    """Return what was asked of each dimension, None where nothing was. Raises ``InvalidParameterError``."""
    if address.positional:
        return _place(layer, address.positional)
    return [address.named.get(lookup.parameter_name(dimension).lower()) for dimension in layer.variable.dimensions]


def _place(layer: Layer, values: tuple[str, ...]) -> list[str | None]:
    """Give values in a path to dimensions, in order. GIBS clients leave the time out, or send one for static layers."""
    dimensions = layer.variable.dimensions
    if len(values) == len(dimensions):
        return list(values)
    if len(values) == len(dimensions) - 1 and layer.variable.time is not None:
        rest = iter(values)
        return [None if _is_time(dimension) else next(rest) for dimension in dimensions]
    if set(values) == {lookup.DEFAULT}:
        return [None] * len(dimensions)
    names = "/".join(f"{{{lookup.parameter_name(dimension)}}}" for dimension in dimensions)
    expected = f"{names} between style and set" if names else "no dimension"
    text = f"layer {layer.name} has {expected}, the path has {len(values)} values there"
    raise InvalidParameterError("request", text)


def _is_time(dimension: Dimension) -> bool:
    return dimension.kind == "time"


def unknown_names(request: TileRequest, address: RawTileAddress) -> list[str]:
    """Return the names in a query string that mean nothing here, so that the client can be told (sorted)."""
    dimensions = {lookup.parameter_name(dimension).lower() for dimension in request.layer.variable.dimensions}
    return sorted(address.named.keys() - address.own_names - OPTION_NAMES - dimensions)


def labels_of(request: TileRequest) -> dict[str, str]:
    """Return the label that each dimension of a request came to, by parameter name."""
    dimensions = request.layer.variable.dimensions
    return {
        lookup.parameter_name(dimension): dimension.labels[at]
        for dimension, at in zip(dimensions, request.dim_index, strict=True)
    }
