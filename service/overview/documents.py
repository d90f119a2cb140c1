"""The JSON documents of the overview."""

from __future__ import annotations

from pydantic import Field

from lazytile.service.http.json_document import CamelDocument


class MatrixSummary(CamelDocument):
    """One matrix of a set, x first."""

    id: str
    cell: float
    """Side of a pixel in units of the CRS."""
    origin: tuple[float, float]
    """Left and top edge of the first tile."""
    tile: tuple[int, int]
    """Width and height of a tile in pixels."""
    size: tuple[int, int]
    """Columns and rows of tiles."""


class SetSummary(CamelDocument):
    """A tile matrix set with square pixels."""

    title: str
    crs: str
    """``EPSG:4326`` with x first, another code, or the identifier of a native set."""
    definition: str
    """The CRS as a PROJ string; empty for longitude and latitude and for Web Mercator."""
    extent: tuple[float, float, float, float]
    """West, south, east and north of its pixels in the CRS."""
    matrices: list[MatrixSummary]


class DimensionSummary(CamelDocument):
    """A dimension besides time."""

    name: str
    """As requests spell it."""
    title: str
    """As the source spells it."""
    units: str
    values: list[str]


class LayerSummary(CamelDocument):
    """A layer."""

    id: str
    dataset: str
    variable: str
    title: str
    long_name: str
    standard_name: str
    units: str
    is_classes: bool
    bounds: tuple[float, float, float, float]
    """West, south, east and north in degrees; the east of data across 180 degrees is above 180."""
    cell_m: float
    """Side of a cell at the equator, in metres."""
    generation: str
    """Changes with the content."""
    times: int | None
    """Index of its times; null without."""
    path: list[str]
    """Names of all dimensions in the order of the addresses of tiles."""
    dimensions: list[DimensionSummary]
    """Those besides time."""
    styles: int
    """Index of its styles."""
    sets: list[str]
    extents: dict[str, tuple[float, float, float, float]]
    """Where its data lies in each CRS of its sets, and in its native set, which has its identifier for a key."""
    stretch: tuple[float, float] | None
    """The 2nd and 98th percentile of its values, where its colours are not its own; null elsewhere."""
    spacing: str
    """How colours are to be spread over ``stretch``: ``keep`` or ``log``."""


class DatasetSummary(CamelDocument):
    """A dataset."""

    title: str
    source: str


class ColormapSummary(CamelDocument):
    """A colormap that any layer with values may use."""

    title: str
    units: str
    is_classes: bool
    stops: list[str]
    """Evenly spaced colours from the low end to the high one, or those of the first classes."""


class OverviewDocument(CamelDocument):
    """All layers, and what they share."""

    title: str
    base_map: str | None
    """URL template of a background map; null without one."""
    base_map_attribution: str
    datasets: dict[str, DatasetSummary]
    layers: list[LayerSummary]
    times: list[list[str]]
    """Instants and periods ``start/end/period``, ascending."""
    styles: list[list[str]]
    """Names of the offered styles, the default first."""
    sets: dict[str, SetSummary]
    colormaps: dict[str, ColormapSummary]


class Bins(CamelDocument):
    """Counts of values in adjacent bins of equal width."""

    first_edge: float
    width: float
    counts: list[int]


class LayerDetails(CamelDocument):
    """More of one layer."""

    id: str
    abstract: str
    minimum: float | None = Field(serialization_alias="min")
    maximum: float | None = Field(serialization_alias="max")
    mean: float | None
    valid_cells: int | None
    cells: int | None
    histogram: Bins | None
    """Of all values at all times; null where the conversion recorded none."""
    percentiles: dict[str, float]
    """Values by percentage, 0 to 100; empty without a histogram."""
    codes: list[float] | None
    """The classes that occur; null where that is unknown, and for other layers."""
    remarks: list[str]
    attributes: dict[str, str]


class StyleEntry(CamelDocument):
    """The colour of some values."""

    lower: float | None
    """Null without a lower end."""
    upper: float | None
    colour: str
    """``#rrggbb``, or empty where transparent."""
    label: str


class StyleDetails(CamelDocument):
    """How a style paints a layer."""

    id: str
    colormap: str
    title: str
    reason: str
    """Why this colormap."""
    units: str
    """Of the ends of the entries."""
    is_classes: bool
    entries: list[StyleEntry]
    """Ascending; without those for no data."""
