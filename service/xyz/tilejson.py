"""TileJSON 3.0 of the XYZ tiles: ``/xyz/{layer}.json?style=&time=&format=`` and the options of tiles."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lazytile.pyramid.catalog.dimensions import ELEVATION
from lazytile.pyramid.catalog.layer_bounds import MERCATOR_LATITUDE, clipped_bounds
from lazytile.pyramid.catalog.layer_text import abstract_of
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.catalog.vertical import elevation_of
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.tiling.tms import REGISTERED, metres_per_unit
from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.json_document import JSON, JsonDocument, json_bytes
from lazytile.service.http.parameter_names import TIME, parameter_name
from lazytile.service.http.parameters import ChoiceParameter
from lazytile.service.http.query import Query
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.parameters import STYLE
from lazytile.service.protocol.tile_address import XYZ_SET
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.pyramid.store.layer import Layer


FORMAT = ChoiceParameter(
    "format", "format of the tiles", values=tuple(name for each in ImageFormat for name in each.value[1])
)


class TileJson(JsonDocument):
    """A TileJSON document (TileJSON 3.0.0, 3)."""

    tilejson: str
    name: str
    description: str
    scheme: str
    tiles: list[str]
    minzoom: int
    maxzoom: int
    bounds: tuple[float, float, float, float]
    """West, south, east and north in degrees (TileJSON 3.0.0, 3.5)."""
    center: tuple[float, float, int]
    """Longitude, latitude and zoom (TileJSON 3.0.0, 3.6)."""


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the route. It must precede that of the tiles, which matches every path below ``/xyz/``.

    Args:
        router: The router of the application.
    """
    router.add_get("/xyz/{collectionId}.json", with_problem_responses(tilejson, frozenset({"style"})))


async def tilejson(request: web.Request) -> web.StreamResponse:
    """Answer with the TileJSON of a layer. Its query is validated and becomes part of the URL of the tiles."""
    context = context_of(request)
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    image_format = ImageFormat.from_extension(FORMAT.text(query) or ImageFormat.PNG.extension)
    address = RawTileAddress(
        request.match_info["collectionId"], STYLE.text(query), XYZ_SET, "0", "0", "0", image_format, query.values
    )
    snapshot = await context.catalogue.at(address.layer)
    base_url = context.base_url(request)
    found = await context.styles.resolved(
        snapshot, lambda resolver: document(base_url, resolver.resolve(address), query)
    )
    body = json_bytes(found)
    headers = {"Cache-Control": f"public, max-age={context.settings.latest_max_age_s}"}
    digest = hashlib.sha256(body).hexdigest()
    return text_response(request, body, JSON, digest=digest, headers=headers)


def document(base_url: str, tile: ResolvedTile, query: Query) -> TileJson:
    """Return the TileJSON of a layer.

    Args:
        base_url: Address of the server as the client sees it, without a trailing slash.
        tile: Any tile with the layer, style and options that the document is for.
        query: The query string; the times and other dimensions in it become full labels in the URL of the tiles.

    Returns:
        The document.
    """
    layer = tile.request.layer
    parameters = {name: value for name, value in query.values.items() if name == "style" or name in OPTION_NAMES}
    elevation = elevation_of(layer.variable.dimensions) if query.values.get(ELEVATION) else None
    asked = "" if elevation is None else parameter_name(elevation.dimension)
    parameters |= {
        name.lower() if name == TIME else name: label
        for name, label in tile.labels.items()
        if query.get(name) or name == asked
    }
    address = f"{base_url}/xyz/{quote(layer.name)}/{{z}}/{{x}}/{{y}}.{tile.request.image_format.extension}"
    west, south, east, north = _bounds(layer)
    last = finest_zoom(layer)
    whole = layer.geographic_bounds()  # data across the antimeridian has its centre there, not at 0
    longitude = (whole.west + whole.east) / 2
    longitude -= 360.0 * round(longitude / 360.0)
    zoom = _zoom_that_shows(whole.east - whole.west, last)
    return TileJson(
        tilejson="3.0.0",
        name=layer.title,
        description=abstract_of(layer),
        scheme="xyz",
        tiles=[f"{address}?{urlencode(parameters)}" if parameters else address],
        minzoom=0,
        maxzoom=last,
        bounds=(west, south, east, north),
        center=(round(longitude, 6), round((south + north) / 2, 6), zoom),
    )


def finest_zoom(layer: Layer) -> int:
    """Return the first zoom of Web Mercator whose pixels are as fine as the data.

    Args:
        layer: The layer.

    Returns:
        The zoom; higher ones show no more detail.
    """
    grid = layer.dataset.grid
    cell_m = min(grid.x.cell_size, -grid.y.cell_size) * metres_per_unit(grid.crs)
    matrices = REGISTERED[XYZ_SET].matrices
    fine = (zoom for zoom, matrix in enumerate(matrices) if matrix.cell_width <= cell_m)
    return next(fine, len(matrices) - 1)


def _bounds(layer: Layer) -> tuple[float, float, float, float]:
    bounds = clipped_bounds(layer)
    south, north = max(bounds.south, -MERCATOR_LATITUDE), min(bounds.north, MERCATOR_LATITUDE)
    return bounds.west, south, bounds.east, north


def _zoom_that_shows(degrees: float, last: int) -> int:
    """Return the highest zoom at which a width fits into two tiles."""
    zoom = 0
    while zoom < last and degrees <= 360.0 / (1 << zoom):
        zoom += 1
    return zoom
