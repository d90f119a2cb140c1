"""The documents of STAC: catalog, collection, and the parts of the extensions datacube, projection and render."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lazytile.service.http.documents import Link
from lazytile.service.http.json_document import CamelDocument, JsonDocument

VERSION = "1.1.0"
DATACUBE = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RENDER = "https://stac-extensions.github.io/render/v2.0.0/schema.json"


class Catalog(CamelDocument):
    """The landing page (STAC 1.1, Catalog; STAC API 1.0, Core)."""

    type: str
    stac_version: str = Field(serialization_alias="stac_version")
    id: str
    title: str
    description: str
    conforms_to: list[str]
    links: list[Link]


class Provider(JsonDocument):
    """Somebody who made or hands out the data (STAC 1.1, Provider Object)."""

    name: str
    roles: list[str]
    url: str | None = None


class Space(JsonDocument):
    """Where there is data: west, south, east and north in degrees, west above east across 180 degrees."""

    bbox: list[tuple[float, float, float, float]]


class Time(JsonDocument):
    """When there is data: two instants (RFC 3339), null where that is not known."""

    interval: list[tuple[str | None, str | None]]


class Extent(JsonDocument):
    """Where and when there is data (STAC 1.1, Extent Object)."""

    spatial: Space
    temporal: Time


class CubeDimension(JsonDocument):
    """A dimension of the data cube (extension datacube 2.2)."""

    type: str
    axis: str | None = None
    description: str | None = None
    extent: tuple[float | str | None, float | str | None] | None = None
    values: list[float | str] | None = None
    step: float | str | None = None
    unit: str | None = None
    reference_system: int | str | dict[str, Any] | None = None


class CubeVariable(JsonDocument):
    """A variable of the data cube (extension datacube 2.2)."""

    dimensions: list[str]
    type: str
    description: str | None = None
    extent: tuple[float, float] | None = None
    unit: str | None = None


class Asset(JsonDocument):
    """A file or address (STAC 1.1, Asset Object), with the fields of the extension projection 2.0."""

    href: str
    title: str
    type: str
    roles: list[str]
    code: str | None = Field(default=None, serialization_alias="proj:code")
    wkt2: str | None = Field(default=None, serialization_alias="proj:wkt2")
    projjson: dict[str, Any] | None = Field(default=None, serialization_alias="proj:projjson")
    bbox: tuple[float, float, float, float] | None = Field(default=None, serialization_alias="proj:bbox")
    shape: tuple[int, int] | None = Field(default=None, serialization_alias="proj:shape")
    transform: tuple[float, ...] | None = Field(default=None, serialization_alias="proj:transform")


class Rendering(JsonDocument):
    """How a layer is shown in its default style (extension render 2.0)."""

    title: str
    assets: list[str]
    rescale: list[tuple[float, float]] | None = None
    colormap_name: str | None = None
    resampling: str
    variable: str


class Collection(JsonDocument):
    """A dataset (STAC 1.1, Collection)."""

    type: str
    stac_version: str
    stac_extensions: list[str]
    id: str
    title: str
    description: str
    keywords: list[str] | None = None
    license: str
    providers: list[Provider] | None = None
    extent: Extent
    cube_dimensions: dict[str, CubeDimension] = Field(serialization_alias="cube:dimensions")
    cube_variables: dict[str, CubeVariable] = Field(serialization_alias="cube:variables")
    renders: dict[str, Rendering]
    assets: dict[str, Asset]
    links: list[Link]


class Collections(JsonDocument):
    """Every dataset (STAC API 1.0, Collections)."""

    collections: list[Collection]
    links: list[Link]
