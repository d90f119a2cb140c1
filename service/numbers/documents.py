"""The JSON documents of numbers, also as CoverageJSON (OGC 21-069r2), and the polygons of requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lazytile.service.http.json_document import CamelDocument, JsonDocument


class HistogramDocument(JsonDocument):
    """Cells and area by value."""

    edges: list[float]
    counts: list[int]
    areas_m2: list[float]


class StatisticsDocument(JsonDocument):
    """Statistics of the valid cells in a region; null where there is no data."""

    layer: str
    title: str
    units: str
    time: str | None
    dimensions: dict[str, str]
    """Labels of the dimensions besides time."""
    level: int
    budget: int
    cells: int
    valid_cells: int
    area_m2: float
    valid_area_m2: float
    minimum: float | None = Field(serialization_alias="min")
    maximum: float | None = Field(serialization_alias="max")
    mean: float | None
    std: float | None
    percentiles: dict[str, float | None]
    """Values by percentage."""
    histogram: HistogramDocument | None


class CellDocument(JsonDocument):
    """The cell that holds a point, with its centre."""

    level: int
    row: int
    col: int
    longitude: float
    latitude: float


class _AtPoint(JsonDocument):
    layer: str
    title: str
    units: str
    longitude: float
    latitude: float
    cell: CellDocument | None
    """Null outside the data."""
    dimensions: dict[str, str]
    """Labels of the dimensions besides time."""


class PointDocument(_AtPoint):
    """The value at a point."""

    time: str | None
    value: float | None


class SeriesDocument(_AtPoint):
    """The values at a point through time."""

    times: list[str]
    values: list[float | None]


class CoordinateAxis(JsonDocument):
    """The degrees of an axis (OGC 21-069r2, Axis Objects)."""

    values: list[float]


class TimeAxis(JsonDocument):
    """The times of an axis (OGC 21-069r2, Axis Objects)."""

    values: list[str]


class CoverageAxes(JsonDocument):
    """The axes of a point or a series (OGC 21-069r2, Common Domain Types)."""

    x: CoordinateAxis
    y: CoordinateAxis
    t: TimeAxis | None = None


class ReferenceSystem(JsonDocument):
    """A reference system of coordinates (OGC 21-069r2, Reference system objects)."""

    type: Literal["GeographicCRS", "TemporalRS"]
    id: str | None = None
    calendar: str | None = None


class ReferenceSystemConnection(JsonDocument):
    """The coordinates that a reference system belongs to (OGC 21-069r2, Reference System Connection Objects)."""

    coordinates: list[str]
    system: ReferenceSystem


class CoverageDomain(CamelDocument):
    """Where the values are (OGC 21-069r2, Domain Objects)."""

    type: Literal["Domain"]
    domain_type: Literal["Point", "PointSeries"]
    axes: CoverageAxes
    referencing: list[ReferenceSystemConnection]


class Unit(JsonDocument):
    """A unit of measure (OGC 21-069r2, Parameter Objects)."""

    symbol: str


class ObservedProperty(JsonDocument):
    """What is observed (OGC 21-069r2, Parameter Objects)."""

    label: dict[str, str]


class CoverageParameter(CamelDocument):
    """What the values mean (OGC 21-069r2, Parameter Objects)."""

    type: Literal["Parameter"]
    description: dict[str, str]
    unit: Unit
    observed_property: ObservedProperty


class NdArray(CamelDocument):
    """The values (OGC 21-069r2, NdArray Objects)."""

    type: Literal["NdArray"]
    data_type: Literal["float"]
    axis_names: list[str]
    shape: list[int]
    values: list[float | None]


class Coverage(JsonDocument):
    """A coverage: values at a point, at one time or several (OGC 21-069r2, Coverage Objects)."""

    type: Literal["Coverage"]
    domain: CoverageDomain
    parameters: dict[str, CoverageParameter]
    ranges: dict[str, NdArray]


class _GeoJson(JsonDocument, extra="allow"):
    """An object of a request, which may have foreign members (RFC 7946, 6.1)."""


Position = Annotated[list[float], Field(min_length=2)]
"""Longitude and latitude in degrees (RFC 7946, 3.1.1)."""
Ring = Annotated[list[Position], Field(min_length=4)]
"""A linear ring, which ends where it begins (RFC 7946, 3.1.6)."""


class Polygon(_GeoJson):
    """A polygon (RFC 7946, 3.1.6)."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Ring], Field(min_length=1)]


class MultiPolygon(_GeoJson):
    """Several polygons (RFC 7946, 3.1.7)."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[list[Annotated[list[Ring], Field(min_length=1)]], Field(min_length=1)]


class PolygonFeature(_GeoJson):
    """A feature of one polygon or several (RFC 7946, 3.2)."""

    type: Literal["Feature"]
    geometry: Polygon | MultiPolygon
