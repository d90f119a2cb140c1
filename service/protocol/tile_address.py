"""Tile addresses in KVP, REST and XYZ, split into a ``RawTileAddress``; ``pyramid.catalog.resolver`` interprets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.http.errors import NotFoundError

if TYPE_CHECKING:
    from lazytile.service.http.query import Query

XYZ_SET = "WebMercatorQuad"
KVP_NAMES = frozenset({
    "service", "request", "version", "layer", "style", "format", "tilematrixset", "tilematrix", "tilerow", "tilecol",
})  # fmt: skip


def address_of_kvp(query: Query, *, requires_style: bool = True) -> RawTileAddress:
    """Split a KVP GetTile (OGC 07-057r7, Table 29).

    Args:
        query: The query string; the caller has checked SERVICE and REQUEST.
        requires_style: Whether STYLE is mandatory.

    Returns:
        The parts of the address.

    Raises:
        MissingParameterError: A mandatory parameter is absent.
        InvalidParameterError: VERSION or FORMAT is invalid.
    """
    query.require_one("version", "1.0.0")
    return RawTileAddress(
        layer=query.require("Layer"),
        style=query.require("Style") if requires_style else query.get("Style"),
        image_format=ImageFormat.from_mime(query.require("Format")),
        tms=query.require("TileMatrixSet"),
        matrix=query.require("TileMatrix"),
        row=query.require("TileRow"),
        col=query.require("TileCol"),
        parameters=query.values,
        protocol_parameters=KVP_NAMES,
    )


def address_of_rest(segments: list[str], query: Query | None = None) -> RawTileAddress:
    """Split ``{Layer}/{Style}/[{dimension}/...]{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.{ext}``.

    Args:
        segments: The decoded segments of the path.
        query: The query string: options, and dimensions for which the path has ``default``.

    Returns:
        The parts of the address.

    Raises:
        NotFoundError: The path is too short.
        InvalidParameterError: The extension is not that of a format.
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
        parameters=({} if query is None else query.values) | scale,
        positional=tuple(dimensions),
    )


def address_of_xyz(segments: list[str], query: Query) -> RawTileAddress:
    """Split ``{layer}/{z}/{x}/{y}.{ext}?style=&time=``: column before row, north at the top.

    Args:
        segments: The decoded segments of the path.
        query: The query string: style, dimensions and options.

    Returns:
        The parts of the address.

    Raises:
        NotFoundError: The path has not four segments.
        InvalidParameterError: The extension is not that of a format.
    """
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
        protocol_parameters=frozenset({"style"}),
    )


def _split_extension(segment: str) -> tuple[str, dict[str, str], ImageFormat]:
    """Split ``5@2x.png`` into the number, the option that ``@2x`` stands for, and the format."""
    stem, _, extension = segment.rpartition(".")
    number, at, scale = stem.partition("@")
    factor = scale.removesuffix("x") if scale.endswith("x") and scale[:1].isdigit() else ""
    options = {"scale": factor or "@"} if at else {}
    return number, options, ImageFormat.from_extension(extension)
