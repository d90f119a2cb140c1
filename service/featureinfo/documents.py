"""GetFeatureInfo as JSON and as GeoJSON (RFC 7946)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lazytile.service.http.json_document import JsonDocument

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.feature_info import FeatureInfo


class _Value(JsonDocument):
    layer: str
    title: str
    style: str
    value: float | None
    """Null where there is no data."""
    units: str
    label: str | None
    colour: str | None
    """``#rrggbb``; null where the tile is transparent."""
    time: str | None
    dimensions: dict[str, str]


class CellDocument(JsonDocument):
    """The cell that the value is stored in."""

    level: int
    row: int
    col: int


class PositionDocument(JsonDocument):
    """The centre of the pixel."""

    longitude: float | None
    """Null where the pixel is not on the Earth."""
    latitude: float | None
    crs: str
    """URN of the CRS of ``x`` and ``y``."""
    x: float
    y: float


class FeatureInfoDocument(_Value):
    """The value under a pixel."""

    cell: CellDocument | None
    """Null outside the data."""
    position: PositionDocument


class FeatureProperties(_Value):
    """The properties of the feature (RFC 7946, 3.2)."""

    level: int | None = None
    row: int | None = None
    col: int | None = None
    crs: str
    x: float
    y: float


class PointGeometry(JsonDocument):
    """A point (RFC 7946, 3.1.2)."""

    type: Literal["Point"]
    coordinates: tuple[float, float]
    """Longitude and latitude in degrees."""


class FeatureDocument(JsonDocument):
    """A feature (RFC 7946, 3.2)."""

    type: Literal["Feature"]
    geometry: PointGeometry | None
    """Null where the pixel is not on the Earth."""
    properties: FeatureProperties


class FeatureCollectionDocument(JsonDocument):
    """The value under a pixel as GeoJSON (RFC 7946, 3.3)."""

    type: Literal["FeatureCollection"]
    features: list[FeatureDocument]


def feature_info(info: FeatureInfo) -> FeatureInfoDocument:
    """Return the JSON document of a pixel.

    Args:
        info: What is known of the pixel.

    Returns:
        The document.
    """
    cell = info.cell
    return FeatureInfoDocument(
        **_value(info),
        cell=None if cell is None else CellDocument(level=cell.level, row=cell.row, col=cell.col),
        position=PositionDocument(longitude=info.longitude, latitude=info.latitude, crs=info.crs, x=info.x, y=info.y),
    )


def feature_properties(info: FeatureInfo) -> FeatureProperties:
    """Return the properties of a pixel, in the order of the application schema of the GML.

    Args:
        info: What is known of the pixel.

    Returns:
        The properties.
    """
    cell = info.cell
    return FeatureProperties(
        **_value(info),
        level=None if cell is None else cell.level,
        row=None if cell is None else cell.row,
        col=None if cell is None else cell.col,
        crs=info.crs,
        x=info.x,
        y=info.y,
    )


def feature_collection(info: FeatureInfo) -> FeatureCollectionDocument:
    """Return a pixel as a GeoJSON feature collection of one point.

    Args:
        info: What is known of the pixel.

    Returns:
        The document.
    """
    geometry = None
    if info.longitude is not None and info.latitude is not None:
        geometry = PointGeometry(type="Point", coordinates=(info.longitude, info.latitude))
    feature = FeatureDocument(type="Feature", geometry=geometry, properties=feature_properties(info))
    return FeatureCollectionDocument(type="FeatureCollection", features=[feature])


def _value(info: FeatureInfo) -> dict[str, Any]:
    return {
        "layer": info.layer,
        "title": info.title,
        "style": info.style,
        "value": info.value,
        "units": info.units,
        "label": info.label or None,
        "colour": info.colour or None,
        "time": info.time,
        "dimensions": dict(info.dimensions),
    }
