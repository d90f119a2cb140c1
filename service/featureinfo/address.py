"""The address of a pixel, as KVP and REST write it (OGC 07-057r7, Tables 30 and 34)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.resolver import integer_of
from lazytile.pyramid.core.errors import TileOutOfRangeError
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.featureinfo.formats import INFO_EXTENSIONS, InfoFormat, info_format
from lazytile.service.http.errors import PointOutOfRangeError
from lazytile.service.protocol.tile_address import KVP_NAMES, address_of_kvp, address_of_rest

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.tile_address import RawTileAddress
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.http.query import Query

INFO_NAMES = KVP_NAMES | {"i", "j", "infoformat"}


@dataclass(frozen=True, slots=True)
class RawPixelAddress:
    """The words of a GetFeatureInfo."""

    tile: RawTileAddress
    i: str
    j: str
    info_format: InfoFormat


def pixel_address_of_kvp(query: Query, *, requires_style: bool = True) -> RawPixelAddress:
    """Take a KVP GetFeatureInfo apart (OGC 07-057r7, Table 30)."""
    tile = address_of_kvp(query, requires_style=requires_style)
    j, i, mime = query.require("J"), query.require("I"), query.require("InfoFormat")
    return RawPixelAddress(replace(tile, own_names=INFO_NAMES), i, j, info_format(mime))


def pixel_address_of_rest(segments: list[str], query: Query) -> RawPixelAddress | None:
    """Take ``{address of a tile without extension}/{J}/{I}.{ext}`` apart; None where it is none (Table 34)."""
    i, _, extension = segments[-1].rpartition(".")
    if extension not in INFO_EXTENSIONS or len(segments) < 8:
        return None
    *tile, col, j, _ = segments
    address = address_of_rest([*tile, f"{col}.{ImageFormat.PNG.extension}"], query)
    return RawPixelAddress(address, i, j, INFO_EXTENSIONS[extension])


def point_of(address: RawPixelAddress, request: TileRequest) -> tuple[int, int]:
    """Return I and J, column and row in the tile. Raises ``InvalidParameterError`` or ``PointOutOfRangeError``."""
    sizes = (("I", address.i, request.matrix.tile_width), ("J", address.j, request.matrix.tile_height))
    try:
        i, j = (integer_of(name, text, size) for name, text, size in sizes)
    except TileOutOfRangeError as error:
        raise PointOutOfRangeError(error.parameter, str(error)) from error
    return i, j
