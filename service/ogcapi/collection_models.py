"""The documents of OGC API - Common: landing page, conformance, collections (OGC 19-072, 20-024), and their styles."""

from __future__ import annotations

from lazytile.service.http.documents import Link
from lazytile.service.http.json_document import CamelDocument, JsonDocument

Interval = tuple[str, str]
"""The first and last value of an axis."""


class LandingPage(JsonDocument):
    """The landing page (OGC 19-072, /req/landing-page/root-success)."""

    title: str
    description: str
    links: list[Link]


class Conformance(CamelDocument):
    """The conformance declaration (OGC 19-072, /req/landing-page/conformance-success)."""

    conforms_to: list[str]
    links: list[Link]


class SpatialExtent(JsonDocument):
    """Where there is data (OGC 20-024, /req/collections/description-extent)."""

    bbox: list[tuple[float, float, float, float]]
    """West, south, east and north in degrees; west above east where the box crosses 180 degrees."""
    crs: str


class TemporalExtent(JsonDocument):
    """When there is data (OGC 20-024, /req/collections/description-extent)."""

    interval: list[Interval]
    trs: str


class DimensionGrid(CamelDocument):
    """The values of another dimension (OGC 20-024, /req/uad-collections/grid-description)."""

    cells_count: int
    coordinates: list[str] | None = None


class DimensionExtent(JsonDocument):
    """The extent of another dimension (OGC 20-024, /req/uad-collections/extent-uad-definition)."""

    interval: list[Interval]
    grid: DimensionGrid


class Extent(JsonDocument, extra="allow"):
    """Where and when there is data (OGC 20-024, /req/collections/description-extent).

    Each dimension is an extra member with the name of the dimension, time with the name ``temporal``.
    """

    __pydantic_extra__: dict[str, TemporalExtent | DimensionExtent]

    spatial: SpatialExtent


class Collection(JsonDocument):
    """A layer (OGC 20-024, /req/collections/description-success)."""

    id: str
    title: str
    description: str
    extent: Extent
    crs: list[str]
    links: list[Link]


class Collections(JsonDocument):
    """Every layer (OGC 20-024, /req/collections/collections-list-success)."""

    collections: list[Collection]
    links: list[Link]


class StyleEntry(JsonDocument):
    """A style, its tilesets and its legends (OGC 20-009, a draft)."""

    id: str
    title: str
    links: list[Link]


class StylesList(JsonDocument):
    """The styles of a layer (OGC 20-009, a draft)."""

    default: str
    styles: list[StyleEntry]
    links: list[Link]
