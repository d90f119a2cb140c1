"""From the words of a request to one servable ``TileRequest``, whichever way they came: KVP, REST or XYZ.

Each encoding has a function that only takes a request apart, into ``TileWords``; ``Resolver`` alone knows what the
words mean, so the three cannot differ in what they accept or in the bytes they give.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from lazytile.colormaps.errors import ColormapError
from lazytile.pyramid import times
from lazytile.pyramid.errors import InvalidParameterError, MissingParameterError, TileOutOfRangeError
from lazytile.pyramid.image import ImageFormat
from lazytile.pyramid.request import TileRequest
from lazytile.service.errors import NotFoundError, PointOutOfRangeError, TooLongError
from lazytile.service.feature_info_formats import INFO_EXTENSIONS, InfoFormat, info_format
from lazytile.service.limits import check_limits
from lazytile.service.options import NAMES as OPTION_NAMES
from lazytile.service.options import options_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.dataset import Dimension
    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.store import Store
    from lazytile.pyramid.style import Spread, Style, Styles

MAX_PARAMETERS = 100
MAX_DIGITS = 9
"""No matrix has a billion tiles in a row."""
XYZ_SET = "WebMercatorQuad"
KVP_NAMES = frozenset({
    "service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol",
})  # fmt: skip


INFO_NAMES = KVP_NAMES | {"i", "j", "infoformat"}


@dataclass(frozen=True, slots=True)
class TileWords:
    """The words of a request for a tile; nothing is known of their meaning yet."""

    layer: str
    style: str
    tms: str
    matrix: str
    row: str
    col: str
    image_format: ImageFormat
    named: Mapping[str, str] = field(default_factory=dict)
    """Dimensions by lower-case name."""
    positional: tuple[str, ...] = ()
    """Dimensions by their place in a REST path."""
    own_names: frozenset[str] = frozenset()
    """Those of ``named`` that are no dimensions but the encoding's own."""
    is_limited: bool = False
    """Whether a tile outside the limits in the capabilities is an error: so in WMTS, whose clients have read them."""


class Query:
    """A query string: names without regard to case, each one once, values percent-decoded (OGC 06-121r3, 11.5.3)."""

    def __init__(self, raw: str, max_value_length: int) -> None:
        """Take ``raw``, the query string as it was sent. Raises ``TooLongError`` or ``InvalidParameterError``."""
        pairs = [pair for pair in raw.split("&") if pair]
        if len(pairs) > MAX_PARAMETERS:
            raise TooLongError("request", f"the request has {len(pairs)} parameters, it may have {MAX_PARAMETERS}")
        self.values: dict[str, str] = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            self._add(unquote_plus(name).lower(), unquote_plus(value), max_value_length)

    def _add(self, name: str, value: str, max_value_length: int) -> None:
        if len(value) > max_value_length:
            raise TooLongError(
                name[:64], f"{name[:64]} has {len(value)} characters, a value may have {max_value_length}"
            )
        if self.values.setdefault(name, value) != value:
            raise InvalidParameterError(name, f"{name} is given twice with different values, it may be given once")

    def get(self, name: str) -> str:
        """Return the value of a parameter, empty where it is absent."""
        return self.values.get(name.lower(), "")

    def require(self, name: str) -> str:
        """Return the value of a parameter or raise ``MissingParameterError``."""
        value = self.get(name)
        if not value:
            raise MissingParameterError(name, f"parameter {name} is missing")
        return value

    def require_one(self, name: str, allowed: str) -> None:
        """Raise unless the parameter is there with the one value that is allowed."""
        value = self.require(name)
        if value != allowed:
            raise InvalidParameterError(name, f"{name} {value!r} is invalid, it must be {allowed}")


def words_of_kvp(query: Query, *, requires_style: bool = True) -> TileWords:
    """Take a KVP GetTile apart (OGC 07-057r7, Table 29). SERVICE and REQUEST have been looked at before."""
    query.require_one("version", "1.0.0")
    return TileWords(
        layer=query.require("Layer"),
        style=query.require("Style") if requires_style else query.get("Style"),
        image_format=ImageFormat.from_mime(query.require("Format")),
        tms=query.require("TileMatrixSet"),
        matrix=query.require("TileMatrix"),
        row=query.require("TileRow"),
        col=query.require("TileCol"),
        named=query.values,
        own_names=KVP_NAMES,
    )


@dataclass(frozen=True, slots=True)
class InfoWords:
    """The words of a GetFeatureInfo."""

    tile: TileWords
    i: str
    j: str
    info_format: InfoFormat


def info_words_of_kvp(query: Query, *, requires_style: bool = True) -> InfoWords:
    """Take a KVP GetFeatureInfo apart (OGC 07-057r7, Table 30)."""
    tile = words_of_kvp(query, requires_style=requires_style)
    j, i, mime = query.require("J"), query.require("I"), query.require("InfoFormat")
    return InfoWords(replace(tile, own_names=INFO_NAMES), i, j, info_format(mime))


def info_words_of_rest(segments: list[str], query: Query) -> InfoWords | None:
    """Take ``{address of a tile without extension}/{J}/{I}.{ext}`` apart; None where it is none (Table 34)."""
    i, _, extension = segments[-1].rpartition(".")
    if extension not in INFO_EXTENSIONS or len(segments) < 8:
        return None
    *tile, col, j, _ = segments
    words = words_of_rest([*tile, f"{col}.{ImageFormat.PNG.extension}"], query)
    return InfoWords(words, i, j, INFO_EXTENSIONS[extension])


def segments_of(raw_path: str, prefix: str, max_value_length: int) -> list[str]:
    """Return the percent-decoded segments of a path below ``prefix``. Raises ``TooLongError``.

    The path is cut before it is decoded, so that a value may hold a slash.
    """
    segments = [unquote(segment) for segment in raw_path.removeprefix(prefix).split("/")]
    longest = max(segments, key=len)
    if len(longest) > max_value_length:
        raise TooLongError("request", f"a path segment has {len(longest)} characters, it may have {max_value_length}")
    return segments


def words_of_rest(segments: list[str], query: Query | None = None) -> TileWords:
    """Take ``{Layer}/{Style}/[{dimension}/...]{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.{ext}`` apart.

    Of the query only options count: dimensions have their place in the path.
    """
    if len(segments) < 6:
        raise NotFoundError(
            "request", "there is nothing at this address; a tile is at LAYER/STYLE/[TIME/]SET/MATRIX/ROW/COL.png"
        )
    layer, style, *dimensions = segments[:-4]
    col, scale, image_format = _split_extension(segments[-1])
    return TileWords(
        layer=layer,
        style=style,
        tms=segments[-4],
        matrix=segments[-3],
        row=segments[-2],
        col=col,
        image_format=image_format,
        named=_options(query) | scale,
        positional=tuple(dimensions),
    )


def _options(query: Query | None) -> dict[str, str]:
    return {} if query is None else {name: value for name, value in query.values.items() if name in OPTION_NAMES}


def words_of_xyz(segments: list[str], query: Query) -> TileWords:
    """Take ``{layer}/{z}/{x}/{y}.{ext}?style=&time=`` apart: column before row, north at the top."""
    if len(segments) != 4:
        raise NotFoundError("request", "there is nothing at this address; a tile is at /xyz/LAYER/Z/X/Y.png")
    layer, zoom, col, last = segments
    row, scale, image_format = _split_extension(last)
    return TileWords(
        layer,
        query.get("style"),
        XYZ_SET,
        zoom,
        row,
        col,
        image_format,
        query.values | scale,
        own_names=frozenset({"style"}),
    )


def _split_extension(segment: str) -> tuple[str, dict[str, str], ImageFormat]:
    """Take ``5@2x.png`` apart: number, the option that ``@2x`` stands for, format."""
    stem, _, extension = segment.rpartition(".")
    number, at, scale = stem.partition("@")
    named = {"scale": (scale[:-1] if scale.endswith("x") else "") or "@"} if at else {}
    return number, named, ImageFormat.from_extension(extension)


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
        return TileRequest(layer, style, leading, tms, matrix, row, col, words.image_format, options.pixels)

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
