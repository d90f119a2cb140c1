"""What is under a pixel of a tile: the answer to GetFeatureInfo (OGC 07-057r7, 7.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.location import locate
from lazytile.pyramid.tiling.reprojection import transform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.catalog.tile_address import ResolvedTile
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.render.tile_request import TileRequest

MAX_LABEL = 400
"""Characters of a legend's text in a response."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the stored grid."""

    level: int
    """0 is the source's resolution; a cell of level k covers 2^k x 2^k cells of level 0."""
    row: int
    """From the north."""
    col: int
    """From the west."""


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """One pixel of one tile."""

    layer: str
    title: str
    style: str
    value: float | None
    """In ``units``; None where there is no data."""
    units: str
    label: str
    """Text of the legend for the value, such as the name of a class; empty where it has none."""
    colour: str
    """``#rrggbb`` as in the tile, empty where that is transparent."""
    time: str | None
    """The time shown; None for a layer without times."""
    dimensions: Mapping[str, str]
    """Label of the selected step of each dimension, time included, by parameter name."""
    crs: str
    """URN of the CRS of ``x`` and ``y``."""
    x: float
    """Centre of the pixel, easting or longitude."""
    y: float
    longitude: float | None
    """Of the centre of the pixel, degrees; None where that is not on the Earth."""
    latitude: float | None
    cell: Cell | None
    """The cell under the centre of the pixel; None outside the data."""


def value_request(tile: ResolvedTile) -> ResolvedTile:
    """Return the tile of values under a picture: for a picture of three variables, those of the layer's own.

    Args:
        tile: The picture.

    Returns:
        The same tile in a format of values.
    """
    request = tile.request
    values = replace(request, image_format=ImageFormat.NPY, pixels=replace(request.pixels, rgb=None))
    return replace(tile, request=values)


def describe(tile: ResolvedTile, i: int, j: int, value: float | None) -> FeatureInfo:
    """Describe a pixel.

    Args:
        tile: The tile.
        i: Column of the pixel in the tile.
        j: Row of the pixel in the tile.
        value: Its value in physical units, None where there is no data.

    Returns:
        All that is known of the pixel.
    """
    request = tile.request
    layer, matrix = request.layer, request.matrix
    x, y = float(matrix.pixel_xs(request.col)[i]), float(matrix.pixel_ys(request.row)[j])
    longitude, latitude = _geographic(request.tms.crs, x, y)
    computed = request.pixels.expression is not None
    label, colour = _shown(request.style, value)
    return FeatureInfo(
        layer=layer.name,
        title=layer.title,
        style=request.style.name,
        value=None if value is None else clean(value, layer.variable.packing.dtype),
        units="" if computed else layer.variable.units,
        label=label,
        colour=colour,
        time=None if tile.time is None else tile.time.label,
        dimensions=tile.labels,
        crs=request.tms.supported_crs,
        x=x,
        y=y,
        longitude=longitude,
        latitude=latitude,
        cell=_cell(request, i, j),
    )


def clean(value: float, dtype: str) -> float:
    """Round off the digits that packing and float32 add: 273.15, not 273.1499938964844.

    Args:
        value: A finite value.
        dtype: Data type of the codes that it was decoded from.

    Returns:
        The value, rounded.
    """
    if value.is_integer():
        return value
    return float(str(np.float32(value))) if dtype in ("float32", "float16") else float(f"{value:.12g}")


def _geographic(crs: str, x: float, y: float) -> tuple[float | None, float | None]:
    if crs == "EPSG:4326":
        longitude, latitude = x, y
    else:
        longitudes, latitudes = transform(crs, "EPSG:4326", np.array([x]), np.array([y]))
        longitude, latitude = float(longitudes[0]), float(latitudes[0])
    on_earth = math.isfinite(longitude) and math.isfinite(latitude) and abs(latitude) <= 90.0
    return (longitude, latitude) if on_earth else (None, None)


def _shown(style: Style, value: float | None) -> tuple[str, str]:
    palette = style.palette
    index = 0 if value is None else int(palette.index_of(np.array([value]))[0])
    red, green, blue, alpha = palette.rgba[index].tolist()
    colour = f"#{red:02x}{green:02x}{blue:02x}" if alpha else ""
    entry = palette.entries[index] if index < len(palette.entries) else -1
    # A value outside every entry has the colour of no data, and no label.
    label = "" if entry < 0 or index == 0 else style.colormap.entries[entry].label
    return label[:MAX_LABEL], colour


def _cell(request: TileRequest, i: int, j: int) -> Cell | None:
    dataset = request.layer.dataset
    location = locate(dataset.grid, dataset.levels, request.tms, request.matrix, request.tile)
    x, y = (location.x[j, i], location.y[j, i]) if location.is_mesh else (location.x[i], location.y[j])
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    return Cell(location.level, math.floor(y), math.floor(x))
