"""The address of a pixel in KVP and REST (OGC 07-057r7, Tables 30 and 34)."""

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
    """The text of a GetFeatureInfo, split into its parts, none of them resolved."""

    tile: RawTileAddress
    i: str
    j: str
    info_format: InfoFormat

    def position(self, request: TileRequest) -> tuple[int, int]:
        """Return the column and the row of the pixel in its tile.

        Args:
            request: The tile.

        Returns:
            Column and row.

        Raises:
            InvalidParameterError: I or J is not an integer.
            PointOutOfRangeError: The pixel lies outside the tile.
        """
        matrix = request.matrix
        return pixel_index("I", self.i, matrix.tile_width), pixel_index("J", self.j, matrix.tile_height)


def pixel_index(parameter: str, text: str, size: int) -> int:
    """Parse the row or column of a pixel.

    Args:
        parameter: Name of the parameter, for messages.
        text: Its value.
        size: Rows or columns of the tile or map.

    Returns:
        0 to ``size - 1``.

    Raises:
        InvalidParameterError: The text is not an integer.
        PointOutOfRangeError: The pixel lies outside the tile or map.
    """
    try:
        return integer_of(parameter, text, size)
    except TileOutOfRangeError as error:
        raise PointOutOfRangeError(error.field, str(error)) from error


def pixel_address_of_kvp(query: Query, *, requires_style: bool = True) -> RawPixelAddress:
    """Split a KVP GetFeatureInfo (OGC 07-057r7, Table 30).

    Args:
        query: The query string; the caller has checked SERVICE and REQUEST.
        requires_style: Whether STYLE is mandatory.

    Returns:
        The parts of the address.

    Raises:
        MissingParameterError: A mandatory parameter is absent.
        InvalidParameterError: VERSION, FORMAT or INFOFORMAT is invalid.
    """
    tile = address_of_kvp(query, requires_style=requires_style)
    j, i, mime = query.require("J"), query.require("I"), query.require("InfoFormat")
    return RawPixelAddress(replace(tile, protocol_parameters=INFO_NAMES), i, j, info_format(mime))


def pixel_address_of_rest(segments: list[str], query: Query) -> RawPixelAddress | None:
    """Split ``{tile address without extension}/{J}/{I}.{ext}`` (OGC 07-057r7, Table 34).

    Args:
        segments: The decoded segments of the path.
        query: The query string, of which only options count.

    Returns:
        The address, None where the path is not that of a pixel.
    """
    i, _, extension = segments[-1].rpartition(".")
    if extension not in INFO_EXTENSIONS or len(segments) < 8:
        return None
    *tile, col, j, _ = segments
    address = address_of_rest([*tile, f"{col}.{ImageFormat.PNG.extension}"], query)
    return RawPixelAddress(address, i, j, INFO_EXTENSIONS[extension])
