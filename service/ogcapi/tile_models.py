"""The documents of tile matrix sets (OGC 17-083r4, JSON encoding) and of tilesets (OGC 20-057)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lazytile.service.http.documents import Link
from lazytile.service.http.json_document import CamelDocument

Position = tuple[float, float]
"""Coordinates in the axis order of the CRS."""


class CrsDefinition(CamelDocument):
    """A CRS that no register has (OGC 17-083r4, schema ``crs``)."""

    wkt: dict[str, Any]
    """As PROJJSON."""


Crs = str | CrsDefinition
"""A CRS: its http URI, or its definition."""


class TileMatrixSetEntry(CamelDocument):
    """A set in the list (OGC 20-057, clause 8)."""

    id: str
    title: str
    uri: str
    crs: Crs
    links: list[Link]


class TileMatrixSetsList(CamelDocument):
    """The tile matrix sets (OGC 20-057, clause 8)."""

    tile_matrix_sets: list[TileMatrixSetEntry]
    links: list[Link]


class TileMatrixDocument(CamelDocument):
    """A tile matrix (OGC 17-083r4, /req/json-tilematrixset/schema)."""

    id: str
    scale_denominator: float
    cell_size: float
    corner_of_origin: str
    point_of_origin: Position
    tile_width: int
    tile_height: int
    matrix_width: int
    matrix_height: int
    identifier: str | None = None
    """As 17-083r2 has ``id``."""
    top_left_corner: Position | None = None
    """As 17-083r2 has ``pointOfOrigin``."""


class TileMatrixSetDocument(CamelDocument):
    """A tile matrix set (OGC 17-083r4, /req/json-tilematrixset/schema)."""

    id: str
    title: str
    uri: str
    crs: Crs
    tile_matrices: list[TileMatrixDocument]
    links: list[Link]
    well_known_scale_set: str | None = None
    type: str | None = None
    """As 17-083r2 has it."""
    identifier: str | None = None
    """As 17-083r2 has ``id``."""
    supported_crs: Crs | None = Field(None, serialization_alias="supportedCRS")
    """As 17-083r2 has ``crs``."""


class TilesetEntry(CamelDocument):
    """A tileset in the list (OGC 20-057, /req/tilesets-list/tileset-links)."""

    title: str
    tile_matrix_set_id: str
    tile_matrix_set_uri: str = Field(serialization_alias="tileMatrixSetURI")
    data_type: str
    crs: Crs
    links: list[Link]


class TilesetsList(CamelDocument):
    """The tilesets of a layer (OGC 20-057, /req/tilesets-list/tileset-links)."""

    tilesets: list[TilesetEntry]
    links: list[Link]


class TileMatrixLimits(CamelDocument):
    """The tiles of a matrix that hold data (OGC 17-083r4, /req/json-tilematrixsetlimits/schema)."""

    tile_matrix: str
    min_tile_row: int
    max_tile_row: int
    min_tile_col: int
    max_tile_col: int


class BoundingBox(CamelDocument):
    """A box in a CRS (OGC 17-083r4, /req/json-tilesetmetadata/schema)."""

    lower_left: Position
    upper_right: Position
    crs: Crs


class Tileset(TilesetEntry):
    """The metadata of a tileset (OGC 20-057, /req/tileset/description; 17-083r4, /req/json-tilesetmetadata/schema)."""

    tile_matrix_set_limits: list[TileMatrixLimits]
    bounding_box: BoundingBox
