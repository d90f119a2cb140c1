"""The words of a request: what each encoding of a tile's address is taken apart to, their meaning not yet known.

KVP, REST and XYZ have a function each; ``lazytile.pyramid.catalog.resolver`` gives the words their meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.http.errors import NotFoundError

if TYPE_CHECKING:
    from lazytile.service.http.query import Query

XYZ_SET = "WebMercatorQuad"
KVP_NAMES = frozenset({
    "service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol",
})  # fmt: skip


def address_of_kvp(query: Query, *, requires_style: bool = True) -> RawTileAddress:
    """Take a KVP GetTile apart (OGC 07-057r7, Table 29). SERVICE and REQUEST have been looked at before."""
    query.require_one("version", "1.0.0")
    return RawTileAddress(
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


def address_of_rest(segments: list[str], query: Query | None = None) -> RawTileAddress:
    """Take ``{Layer}/{Style}/[{dimension}/...]{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.{ext}`` apart.

    Of the query only options count: dimensions have their place in the path.
    """
    if len(segments) < 6:
        raise NotFoundError(
            "request", "there is nothing at this address; a tile is at LAYER/STYLE/[TIME/]SET/MATRIX/ROW/COL.png"
        )
    layer, style, *dimensions = segments[:-4]
    col, scale, image_format = _split_extension(segments[-1])
    return RawTileAddress(
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


def address_of_xyz(segments: list[str], query: Query) -> RawTileAddress:
    """Take ``{layer}/{z}/{x}/{y}.{ext}?style=&time=`` apart: column before row, north at the top."""
    if len(segments) != 4:
        raise NotFoundError("request", "there is nothing at this address; a tile is at /xyz/LAYER/Z/X/Y.png")
    layer, zoom, col, last = segments
    row, scale, image_format = _split_extension(last)
    return RawTileAddress(
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
