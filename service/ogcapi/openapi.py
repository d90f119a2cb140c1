"""The OpenAPI 3.0 definition of what is served by address: OGC API - Tiles, XYZ, maps and numbers.

WMTS and WMS have capabilities documents of their own. The tables here say what the handlers do; a test asks every
operation and compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazytile import __version__
from lazytile.service.http.documents import HTML, JSON, Document
from lazytile.service.http.problems import PROBLEM_TYPE
from lazytile.service.numbers.formats import MEDIA_TYPES
from lazytile.service.ogcapi.tile_matrix_sets import TILE_FORMATS, VERSION_1

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEXT: Document = {"type": "string", "minLength": 1, "maxLength": 1024}
INDEX: Document = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_LINK = {
    "type": "object",
    "required": ["href", "rel", "type"],
    "properties": {
        "href": {"type": "string"},
        "rel": {"type": "string"},
        "type": {"type": "string"},
        "title": {"type": "string"},
        "templated": {"type": "boolean"},
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "parameter": {"type": "string"},
    },
}
_POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
_RING = {"type": "array", "items": _POSITION, "minItems": 4, "maxItems": 2000}
_POLYGON = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {"type": "string", "enum": ["Polygon"]},
        "coordinates": {"type": "array", "items": _RING, "minItems": 1},
    },
}
_PROBLEMS = {
    "400": "a query parameter does not fit",
    "404": "what the address names is not there",
    "406": "no format that Accept takes",
    "413": "a body that is too large",
    "414": "an address or a value that is too long",
    "503": "too busy; Retry-After says when to ask again",
    "504": "not ready in time",
}
_USUAL = tuple(status for status in _PROBLEMS if status != "413")
_WITHOUT_ACCEPT = tuple(status for status in _USUAL if status != "406")


def _listing(*members: str) -> Document:
    """Return the schema of a document with links and the members that it must have."""
    properties: Document = {"links": {"type": "array", "items": {"$ref": "#/components/schemas/link"}}}
    return {"type": "object", "required": ["links", *members], "properties": properties}


def _path_parameter(name: str, description: str, schema: Document = TEXT) -> Document:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def query_parameter(name: str, description: str, schema: Document, *, required: bool = False) -> Document:
    """Return a parameter of a query string."""
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


_FORMAT = "format; without it the Accept header decides"
_DATETIME = "an RFC 3339 date or time, A/B, A/.. or ../B: of an interval the latest time in it"
PARAMETERS: dict[str, Document] = {
    "collectionId": _path_parameter("collectionId", "a layer"),
    "styleId": _path_parameter("styleId", "a style of it"),
    "tileMatrixSetId": _path_parameter("tileMatrixSetId", "a tile matrix set"),
    "tileMatrix": _path_parameter("tileMatrix", "a matrix of the set"),
    "tileRow": _path_parameter("tileRow", "row, 0 in the north", INDEX),
    "tileCol": _path_parameter("tileCol", "column, 0 in the west", INDEX),
    "f": query_parameter("f", _FORMAT, {"type": "string", "enum": ["json", "html"]}),
    "fTile": query_parameter("f", _FORMAT, {"type": "string", "enum": list(TILE_FORMATS)}),
    "compat": query_parameter(
        "compat", "names of another version of OGC 17-083 as well", {"type": "string", "enum": [VERSION_1]}
    ),
    "datetime": query_parameter("datetime", _DATETIME, TEXT),
}


def responses(content: Mapping[str, Document], *, problems: Iterable[str], conditional: bool = True) -> Document:
    """Return what an operation may answer: content by media type, and problems by status."""
    answers: Document = {
        "200": {"description": "the answer", "content": {k: {"schema": v} for k, v in content.items()}}
    }
    if conditional:
        answers["304"] = {"description": "what the client has is still right"}
    for status in problems:
        answers[status] = {
            "description": _PROBLEMS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/problem"}}},
        }
    return answers


def _document(identifier: str, summary: str, schema: Document, *parameters: str, media_type: str = JSON) -> Document:
    """Return the operation of a document in JSON and HTML."""
    problems = ["400", *(["404"] if parameters else []), "406", "414"]
    return {
        "operationId": identifier,
        "summary": summary,
        "parameters": [_reference(name) for name in (*parameters, "f")],
        "responses": responses({media_type: schema, HTML: {"type": "string"}}, problems=problems),
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/parameters/{name}"}


def _tile(identifier: str, *parameters: str) -> Document:
    binary = {"type": "string", "format": "binary"}
    names = (*parameters, "tileMatrixSetId", "tileMatrix", "tileRow", "tileCol", "datetime", "fTile")
    return {
        "operationId": identifier,
        "summary": "A tile, the same bytes as WMTS gives",
        "parameters": [_reference(name) for name in names],
        "responses": responses(dict.fromkeys(TILE_FORMATS.values(), binary), problems=_USUAL),
    }


def _ogc_paths() -> dict[str, Document]:
    """Return the operations of OGC API - Tiles; their identifiers end as its class oas30 wants them."""
    tileset = _listing("tileMatrixSetURI", "dataType", "crs")
    paths = {
        "/ogc/": _document("getLandingPage", "Landing page", _listing("title")),
        "/ogc/conformance": _document("getConformance", "Conformance classes", _listing("conformsTo")),
        "/ogc/api": _document(
            "getDefinition", "This document", {"type": "object"}, media_type="application/vnd.oai.openapi+json"
        ),
        "/ogc/tileMatrixSets": _document("getTileMatrixSetsList", "Tile matrix sets", _listing("tileMatrixSets")),
        "/ogc/tileMatrixSets/{tileMatrixSetId}": _document(
            "getTileMatrixSet", "A tile matrix set", _listing("id", "crs", "tileMatrices"), "tileMatrixSetId", "compat"
        ),
        "/ogc/collections": _document("getCollections", "Layers", _listing("collections")),
    }
    start = "/ogc/collections/{collectionId}"
    paths[start] = _document("getCollection", "A layer", _listing("id", "extent"), "collectionId")
    paths[f"{start}/styles"] = _document("getStyles", "Styles of a layer", _listing("styles"), "collectionId")
    for prefix, kind, names in (
        (start, "collection", ("collectionId",)),
        (f"{start}/styles/{{styleId}}", "collection.style", ("collectionId", "styleId")),
    ):
        tiles = f"{prefix}/map/tiles"
        paths[tiles] = _document(f"{kind}.map.getTileSetsList", "Tilesets", _listing("tilesets"), *names)
        paths[f"{tiles}/{{tileMatrixSetId}}"] = _document(
            f"{kind}.map.getTileSet", "A tileset", tileset, *names, "tileMatrixSetId"
        )
        paths[f"{tiles}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"] = _tile(
            f"{kind}.map.getTile", *names
        )
    return paths


def _xyz_paths() -> dict[str, Document]:
    style = query_parameter("style", "a style of the layer", TEXT)
    time = query_parameter("time", "a time of the layer; the latest without it", TEXT)
    numbers = [_path_parameter(name, text, INDEX) for name, text in (("z", "zoom"), ("x", "column"), ("y", "row"))]
    binary = {"type": "string", "format": "binary"}
    layer = _reference("collectionId")
    tilejson = {"type": "object", "required": ["tilejson", "tiles", "minzoom", "maxzoom", "bounds"]}
    image = query_parameter("format", "format of the tiles", {"type": "string", "enum": ["png", "jpg", "webp"]})
    extension = _path_parameter("extension", "format", {"type": "string", "enum": ["png", "jpg", "webp"]})
    return {
        "/xyz/{collectionId}.json": {
            "operationId": "getTileJson",
            "summary": "TileJSON 3.0 of the XYZ tiles of a layer",
            "parameters": [layer, style, time, image],
            "responses": responses({JSON: tilejson}, problems=("400", "404", "414")),
        },
        "/xyz/{collectionId}/{z}/{x}/{y}.{extension}": {
            "operationId": "getXyzTile",
            "summary": "A tile of WebMercatorQuad",
            "parameters": [layer, *numbers, extension, style, time],
            "responses": responses(dict.fromkeys(TILE_FORMATS.values(), binary), problems=_WITHOUT_ACCEPT),
        },
    }


def _numbers_paths() -> dict[str, Document]:
    layer = _reference("collectionId")
    datetime = _reference("datetime")
    bbox = query_parameter("bbox", "WEST,SOUTH,EAST,NORTH in degrees", TEXT, required=True)
    asked = [
        query_parameter("percentiles", "percentages with commas between, 20 at most", TEXT),
        query_parameter("histogram", "number of bins", {"type": "integer", "minimum": 0, "maximum": 1000}),
        query_parameter("range", "MIN,MAX of the histogram", TEXT),
        query_parameter(
            "budget", "cells to read at most; the level is chosen by it", {"type": "integer", "minimum": 1}
        ),
    ]
    summary = {"type": "object", "required": ["layer", "level", "cells", "valid_cells", "mean", "percentiles"]}
    place = [
        query_parameter("lon", "degrees", {"type": "number", "minimum": -540, "maximum": 540}, required=True),
        query_parameter("lat", "degrees", {"type": "number", "minimum": -90, "maximum": 90}, required=True),
    ]
    forms = query_parameter("f", _FORMAT, {"type": "string", "enum": list(MEDIA_TYPES)})
    text, anything = {"type": "string"}, {"type": "object"}
    content = {JSON: anything, "text/csv": text, "application/prs.coverage+json": anything}
    box = {
        "operationId": "getStatistics",
        "summary": "Statistics of a box, weighted by area",
        "parameters": [layer, bbox, datetime, *asked],
        "responses": responses({JSON: summary}, problems=_USUAL),
    }
    polygon = {
        "operationId": "postStatistics",
        "summary": "Statistics of a polygon, weighted by area",
        "parameters": [layer, datetime, *asked],
        "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/polygon"}}}},
        "responses": responses({JSON: summary}, problems=_PROBLEMS, conditional=False),
    }
    paths = {"/numbers/{collectionId}/statistics": {"get": box, "post": polygon}}
    for name, words in (("point", "The value at a point"), ("series", "The values at a point through time")):
        operation = {
            "operationId": f"get{name.capitalize()}",
            "summary": words,
            "parameters": [layer, *place, datetime, forms],
            "responses": responses(content, problems=_USUAL),
        }
        paths[f"/numbers/{{collectionId}}/{name}"] = {"get": operation}
    return paths


def definition(base_url: str, title: str) -> dict[str, Any]:
    """Return the document for clients that see the server at ``base_url`` (no slash at its end)."""
    paths = {path: {"get": operation} for path, operation in {**_ogc_paths(), **_xyz_paths()}.items()}
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": __version__, "description": "Scientific grids as map tiles"},
        "servers": [{"url": base_url}],
        "paths": {**paths, **_numbers_paths()},
        "components": {"schemas": {"link": _LINK, "problem": _PROBLEM, "polygon": _POLYGON}, "parameters": PARAMETERS},
    }
