"""The operations of the OpenAPI definition: the parameters and the responses of each route.

Tests compare this table with the routes of the application, with the parameters that handlers read, and with responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.style_catalog import ORIENTATIONS
from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.http.documents import DOCUMENT_TYPES, HTML
from lazytile.service.http.health import Health, Readiness
from lazytile.service.http.json_document import JSON
from lazytile.service.http.parameters import ChoiceParameter, Parameter
from lazytile.service.legends.routes import FORMATS as LEGEND_FORMATS
from lazytile.service.numbers.documents import (
    Coverage,
    MultiPolygon,
    PointDocument,
    Polygon,
    PolygonFeature,
    SeriesDocument,
    StatisticsDocument,
)
from lazytile.service.numbers.formats import MEDIA_TYPES
from lazytile.service.numbers.parameters import BBOX, POINT, STATISTICS
from lazytile.service.numbers.subsets import SUBSET_TYPES
from lazytile.service.ogcapi.collection_models import Collection, Collections, Conformance, LandingPage, StylesList
from lazytile.service.ogcapi.collections import DEFINITION_TYPE
from lazytile.service.ogcapi.operation import Operation
from lazytile.service.ogcapi.tile_matrix_sets import COMPAT, TILE_FORMATS
from lazytile.service.ogcapi.tile_models import TileMatrixSetDocument, TileMatrixSetsList, Tileset, TilesetsList
from lazytile.service.overview.documents import LayerDetails, OverviewDocument, StyleDetails
from lazytile.service.overview.parameters import RESCALE, SPACING
from lazytile.service.protocol.parameters import (
    COLLECTION,
    DATETIME,
    ELEVATION,
    STYLE,
    TILE_OPTIONS,
    TIME,
    index_parameter,
    path_parameter,
)
from lazytile.service.xyz.tilejson import FORMAT, TileJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.http.parameters import Schema
    from lazytile.service.ogcapi.operation import Content

TEXT: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}
OBJECT: Schema = {"type": "object"}
_COVERAGE_TYPE = MEDIA_TYPES["covjson"]


def _format_parameter(key: str, offered: Mapping[str, str]) -> Parameter:
    """Return the parameter that ``negotiate_format`` reads."""
    return ChoiceParameter("f", "format; without it the Accept header decides", key=key, values=tuple(offered))


_DOCUMENT_FORMAT = _format_parameter("f", DOCUMENT_TYPES)
_TILE_FORMAT = _format_parameter("fTile", TILE_FORMATS)
_NUMBERS_FORMAT = _format_parameter("fNumbers", MEDIA_TYPES)
_SUBSET_FORMAT = _format_parameter("fSubset", SUBSET_TYPES)
_STATISTICS_FORMAT = _format_parameter("fStatistics", {"json": JSON})
_STYLE_ID = path_parameter("styleId", "a style of the layer")
_SET = path_parameter("tileMatrixSetId", "a tile matrix set")
_MATRIX = path_parameter("tileMatrix", "a matrix of the set")
_ROW = index_parameter("tileRow", "row, 0 in the north")
_COL = index_parameter("tileCol", "column, 0 in the west")
_ZOOM, _X, _Y = index_parameter("z", "zoom"), index_parameter("x", "column"), index_parameter("y", "row")
_DATASET_ID = path_parameter("datasetId", "a dataset")
_DATASET = path_parameter("storeId", "a dataset, or DATASET@GENERATION for one state of it")
_KEY = path_parameter("key", "a key of the Zarr hierarchy, with its slashes: zarr.json, 0/sst/c/0/1/2")
_EXTENSION = ChoiceParameter("extension", "format", "path", is_required=True, values=FORMAT.values)
_COLORMAP = Parameter("colormap", "a colormap", "path", is_required=True, key="colormapName")
_ORIENTATION = ChoiceParameter(
    "orientation", "H for horizontal, V for vertical", "path", is_required=True, values=tuple(ORIENTATIONS)
)
_LEGEND_EXTENSION = ChoiceParameter(
    "extension", "format", "path", is_required=True, key="legendExtension", values=tuple(LEGEND_FORMATS)
)

PROBLEMS = {
    400: "A query parameter is invalid or missing",
    401: "The layer needs a token, or nobody has this one",
    403: "The token does not open the layer",
    404: "What the path names does not exist",
    406: "The Accept header excludes every format there is",
    410: "What the path names is no longer there",
    413: "The body is too large",
    414: "The address is too long",
    421: "The server does not answer for the name in the Host header",
    429: "The client asks too often; Retry-After states when to try again",
    503: "Too busy; Retry-After states when to try again",
    504: "Not ready in time",
}
_OF_DOCUMENTS = (400, 404, 406, 414)
_OF_WORK = (400, 404, 406, 414, 503, 504)
_OF_FILES = (404, 414)


def _document(
    route: str, identifier: str, summary: str, model: Content, *parameters: Parameter, media_type: str = JSON
) -> Operation:
    """Return the operation of a document in JSON and HTML."""
    problems = _OF_DOCUMENTS if parameters else (400, 406, 414)
    return Operation(
        route, identifier, summary, (*parameters, _DOCUMENT_FORMAT), {media_type: model, HTML: TEXT}, problems
    )


def _tilesets(start: str, prefix: str, *parameters: Parameter) -> tuple[Operation, ...]:
    """Return the operations of tilesets; their identifiers end as OGC 20-057, 14.2 asks."""
    tiles = f"{start}/map/tiles"
    tile = Operation(
        f"{tiles}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}",
        f"{prefix}.map.getTile",
        "A tile, the same bytes as WMTS gives",
        (*parameters, _SET, _MATRIX, _ROW, _COL, DATETIME, ELEVATION, _TILE_FORMAT, *TILE_OPTIONS),
        dict.fromkeys(TILE_FORMATS.values(), BINARY),
        _OF_WORK,
    )
    return (
        _document(tiles, f"{prefix}.map.getTileSetsList", "Tilesets", TilesetsList, *parameters),
        _document(f"{tiles}/{{tileMatrixSetId}}", f"{prefix}.map.getTileSet", "A tileset", Tileset, *parameters, _SET),
        tile,
    )


_COLLECTION_PATH = "/ogc/collections/{collectionId}"
_OGC = (
    _document("/ogc/", "getLandingPage", "Landing page", LandingPage),
    _document("/ogc/conformance", "getConformance", "Conformance classes", Conformance),
    _document("/ogc/api", "getDefinition", "This document", OBJECT, media_type=DEFINITION_TYPE),
    _document("/ogc/tileMatrixSets", "getTileMatrixSetsList", "Tile matrix sets", TileMatrixSetsList),
    _document(
        "/ogc/tileMatrixSets/{tileMatrixSetId}",
        "getTileMatrixSet",
        "A tile matrix set",
        TileMatrixSetDocument,
        _SET,
        COMPAT,
    ),
    _document("/ogc/collections", "getCollections", "Layers", Collections),
    _document(_COLLECTION_PATH, "getCollection", "A layer", Collection, COLLECTION),
    _document(f"{_COLLECTION_PATH}/styles", "getStyles", "Styles of a layer", StylesList, COLLECTION),
    *_tilesets(_COLLECTION_PATH, ".collection", COLLECTION),
    *_tilesets(f"{_COLLECTION_PATH}/styles/{{styleId}}", ".collection.style", COLLECTION, _STYLE_ID),
)

_XYZ = (
    Operation(
        "/xyz/{collectionId}.json",
        "getTileJson",
        "TileJSON 3.0 of the XYZ tiles of a layer",
        (COLLECTION, STYLE, TIME, ELEVATION, FORMAT, *TILE_OPTIONS),
        {JSON: TileJson},
        (400, 404, 414),
    ),
    Operation(
        "/xyz/{path}",
        "getXyzTile",
        "A tile of WebMercatorQuad",
        (COLLECTION, _ZOOM, _X, _Y, _EXTENSION, STYLE, TIME, ELEVATION, *TILE_OPTIONS),
        {each.mime.partition(";")[0]: BINARY for each in ImageFormat},
        (400, 404, 414, 503, 504),
        path="/xyz/{collectionId}/{z}/{x}/{y}.{extension}",
    ),
)

_STATISTICS_PATH = "/numbers/{collectionId}/statistics"
_NUMBERS = (
    Operation(
        _STATISTICS_PATH,
        "getStatistics",
        "Statistics of a box, weighted by area",
        (COLLECTION, BBOX, DATETIME, ELEVATION, *STATISTICS, _STATISTICS_FORMAT),
        {JSON: StatisticsDocument},
        _OF_WORK,
    ),
    Operation(
        _STATISTICS_PATH,
        "postStatistics",
        "Statistics of a polygon, weighted by area",
        (COLLECTION, DATETIME, ELEVATION, *STATISTICS, _STATISTICS_FORMAT),
        {JSON: StatisticsDocument},
        (400, 404, 406, 413, 414, 503, 504),
        method="POST",
        body=(Polygon, MultiPolygon, PolygonFeature),
        is_conditional=False,
    ),
    *(
        Operation(
            f"/numbers/{{collectionId}}/{name}",
            f"get{name.capitalize()}",
            summary,
            (COLLECTION, *POINT, DATETIME, ELEVATION, _NUMBERS_FORMAT),
            {JSON: model, MEDIA_TYPES["csv"]: TEXT, _COVERAGE_TYPE: Coverage},
            _OF_WORK,
        )
        for name, summary, model in (
            ("point", "The value at a point", PointDocument),
            ("series", "The values at a point through time", SeriesDocument),
        )
    ),
    Operation(
        "/numbers/{collectionId}/subset",
        "getSubset",
        "The cells of a box as a file",
        (COLLECTION, BBOX, DATETIME, ELEVATION, _SUBSET_FORMAT),
        {SUBSET_TYPES["nc"]: BINARY, SUBSET_TYPES["tif"]: BINARY, SUBSET_TYPES["csv"]: TEXT},
        _OF_WORK,
    ),
)

_OVERVIEW = (
    Operation("/catalogue", "getOverview", "All layers, for a map page", (), {JSON: OverviewDocument}, (414,)),
    Operation(
        "/catalogue/{collectionId}",
        "getLayerDetails",
        "Statistics, histogram and percentiles of a layer",
        (COLLECTION,),
        {JSON: LayerDetails},
        _OF_FILES,
    ),
    Operation(
        "/catalogue/{collectionId}/styles/{styleId}",
        "getStyleDetails",
        "The colours of a style and the values that they stand for",
        (COLLECTION, _STYLE_ID, RESCALE, SPACING),
        {JSON: StyleDetails},
        (400, 404, 414, 503, 504),
    ),
)

_ZARR = (
    Operation(
        "/zarr/{path}",
        "getZarr",
        "A metadata document, chunk or shard of a dataset's Zarr; ranges are answered with 206",
        (_DATASET, _KEY),
        {JSON: OBJECT, "application/octet-stream": BINARY},
        (400, 404, 410, 414, 503, 504),
        path="/zarr/{storeId}/{key}",
    ),
)

_STAC = (
    Operation("/stac", "getStacCatalog", "STAC catalog of the datasets", (), {JSON: OBJECT}, (414,)),
    Operation("/stac/collections", "getStacCollections", "Every dataset in STAC", (), {JSON: OBJECT}, (414,)),
    Operation(
        "/stac/collections/{datasetId}", "getStacCollection", "A dataset in STAC", (_DATASET_ID,), {JSON: OBJECT},
        _OF_FILES,
    ),
)  # fmt: skip

_LEGEND_CONTENT: dict[str, Content] = {LEGEND_FORMATS["svg"]: TEXT, LEGEND_FORMATS["png"]: BINARY}
_FILES = (
    Operation(
        "/legends/{path}",
        "getLegend",
        "The legend of a style",
        (COLLECTION, _STYLE_ID, _ORIENTATION, _LEGEND_EXTENSION),
        _LEGEND_CONTENT,
        _OF_FILES,
        path="/legends/{collectionId}/{styleId}_{orientation}.{extension}",
    ),
    Operation(
        "/legends/{path}",
        "getColormapLegend",
        "The legend of a colormap",
        (_COLORMAP, _ORIENTATION, _LEGEND_EXTENSION),
        _LEGEND_CONTENT,
        _OF_FILES,
        path="/legends/{colormap}_{orientation}.{extension}",
    ),
    Operation(
        "/colormaps/{path}",
        "getStyleColormap",
        "The colormap of a style, as GIBS writes it",
        (COLLECTION, _STYLE_ID),
        {"text/xml": TEXT},
        _OF_FILES,
        path="/colormaps/{collectionId}/{styleId}.xml",
    ),
    Operation(
        "/colormaps/{path}",
        "getColormap",
        "A colormap, as GIBS writes it",
        (_COLORMAP,),
        {"text/xml": TEXT},
        _OF_FILES,
        path="/colormaps/{colormap}.xml",
    ),
    Operation("/healthz", "getHealth", "State of the server", (), {JSON: Health}, (414,), is_conditional=False),
    Operation(
        "/readyz",
        "getReadiness",
        "Whether the server can serve, and what is wrong",
        (),
        {JSON: Readiness},
        (414,),
        is_conditional=False,
        not_ready="The server cannot serve at the moment; Retry-After states when to ask again",
    ),
    Operation("/metrics", "getMetrics", "Counters", (), {"text/plain": TEXT}, (414,), is_conditional=False),
)

OPERATIONS = (*_OGC, *_XYZ, *_NUMBERS, *_OVERVIEW, *_ZARR, *_STAC, *_FILES)
"""WMTS and WMS are not among them: their capabilities describe them."""
