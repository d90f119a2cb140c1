"""The words of a request: what each encoding of a tile's address is taken apart to, their meaning not yet known.

KVP, REST and XYZ have a function each; ``lazytile.service.request`` gives the words their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from lazytile.pyramid.errors import InvalidParameterError, MissingParameterError
from lazytile.pyramid.image import ImageFormat
from lazytile.service.errors import NotFoundError, TooLongError
from lazytile.service.feature_info_formats import INFO_EXTENSIONS, InfoFormat, info_format
from lazytile.service.options import NAMES as OPTION_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PARAMETERS = 100
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
