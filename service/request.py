"""From the words of a request to one servable ``TileRequest``, whichever way they came: KVP, REST or XYZ.

``words`` takes each encoding apart; ``Resolver`` alone knows what the words mean, so the three cannot differ in what
they accept or in the bytes they give.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.colormaps.errors import ColormapError
from lazytile.pyramid import times
from lazytile.pyramid.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.request import TileRequest
from lazytile.service.errors import PointOutOfRangeError
from lazytile.service.limits import check_limits
from lazytile.service.options import NAMES as OPTION_NAMES
from lazytile.service.options import options_of

if TYPE_CHECKING:
    from lazytile.pyramid.dataset import Dimension
    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.store import Store
    from lazytile.pyramid.style import Spread, Style, Styles
    from lazytile.service.words import InfoWords, TileWords

MAX_DIGITS = 9
"""No matrix has a billion tiles in a row."""


class Resolver:
    """Gives the words of requests their meaning, from the datasets and colormaps there are."""

    def __init__(self, store: Store, styles: Styles) -> None:
        self._store = store
        self._styles = styles

    def resolve(self, words: TileWords) -> TileRequest:
        """Return the request that the words stand for. Raises ``RequestError`` or ``DatasetNotFoundError``."""
        layer = self._store.layer(words.layer)
        options = options_of(layer, words.named)
        style = self.style(layer, options.colormap or words.style, options.spread)
        tms = layer.tile_matrix_set(words.tms)
        matrix = tms.matrix(words.matrix)
        if options.scale != 1:
            matrix = matrix.enlarged(options.scale)
        row = integer_of("TileRow", words.row, matrix.matrix_height)
        col = integer_of("TileCol", words.col, matrix.matrix_width)
        if words.is_limited:
            check_limits(layer, tms, matrix, row, col)
        leading = leading_of(layer, words)
        return TileRequest(layer, style, leading, tms, matrix, row, col, words.image_format, options.pixels).settled()

    def style(self, layer: Layer, name: str, spread: Spread | None = None) -> Style:
        """Return a style of a layer. A colormap that cannot paint this layer's units is an invalid style of it."""
        try:
            return self._styles.style(layer, name, spread)
        except ColormapError as error:
            raise InvalidParameterError("Style", f"Style {name!r} is invalid for {layer.name}: {error}") from error


def integer_of(parameter: str, text: str, size: int) -> int:
    """Read a row or column. Raises ``InvalidParameterError`` for no integer, ``TileOutOfRangeError`` past ``size``."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidParameterError(parameter, f"{parameter} {text!r} is no integer, it may be 0 to {size - 1}")
    if len(text) > MAX_DIGITS or not 0 <= int(text) < size:
        raise TileOutOfRangeError(parameter, f"{parameter} {text} is out of range, it may be 0 to {size - 1}")
    return int(text)


def point_of(words: InfoWords, request: TileRequest) -> tuple[int, int]:
    """Return I and J, column and row in the tile. Raises ``InvalidParameterError`` or ``PointOutOfRangeError``."""
    sizes = (("I", words.i, request.matrix.tile_width), ("J", words.j, request.matrix.tile_height))
    try:
        i, j = (integer_of(name, text, size) for name, text, size in sizes)
    except TileOutOfRangeError as error:
        raise PointOutOfRangeError(error.parameter, str(error)) from error
    return i, j


def leading_of(layer: Layer, words: TileWords) -> tuple[int, ...]:
    """Return the index along each of the layer's dimensions. Raises ``InvalidParameterError``."""
    asked = asked_values(layer, words)
    return tuple(
        times.index_of(dimension, value) for dimension, value in zip(layer.variable.dimensions, asked, strict=True)
    )


def asked_values(layer: Layer, words: TileWords) -> list[str | None]:
    """Return what was asked of each dimension, None where nothing was. Raises ``InvalidParameterError``."""
    if words.positional:
        return _place(layer, words.positional)
    return [words.named.get(times.parameter_of(dimension).lower()) for dimension in layer.variable.dimensions]


def _place(layer: Layer, values: tuple[str, ...]) -> list[str | None]:
    """Give values in a path to dimensions, in order. GIBS clients leave the time out, or send one for static layers."""
    dimensions = layer.variable.dimensions
    if len(values) == len(dimensions):
        return list(values)
    if len(values) == len(dimensions) - 1 and layer.variable.time is not None:
        rest = iter(values)
        return [None if _is_time(dimension) else next(rest) for dimension in dimensions]
    if set(values) == {times.DEFAULT}:
        return [None] * len(dimensions)
    names = "/".join(f"{{{times.parameter_of(dimension)}}}" for dimension in dimensions)
    expected = f"{names} between style and set" if names else "no dimension"
    text = f"layer {layer.name} has {expected}, the path has {len(values)} values there"
    raise InvalidParameterError("request", text)


def _is_time(dimension: Dimension) -> bool:
    return dimension.kind == "time"


def unknown_names(request: TileRequest, words: TileWords) -> list[str]:
    """Return the names in a query string that mean nothing here, so that the client can be told (sorted)."""
    dimensions = {times.parameter_of(dimension).lower() for dimension in request.layer.variable.dimensions}
    return sorted(words.named.keys() - words.own_names - OPTION_NAMES - dimensions)


def labels_of(request: TileRequest) -> dict[str, str]:
    """Return the label that each dimension of a request came to, by parameter name."""
    dimensions = request.layer.variable.dimensions
    return {
        times.parameter_of(dimension): dimension.labels[at]
        for dimension, at in zip(dimensions, request.leading, strict=True)
    }
