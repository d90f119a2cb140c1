"""Whether a style colours any of the values that it meets.

A colormap of single values (OnEarth's of chlorophyll lists one for each code) or of another range leaves every pixel
transparent. A map that stays empty looks like a fault of the data, so the reason is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render_values
from lazytile.pyramid.render.tile_request import MAX_TILE_SIDE_PX, PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer

MAX_OVERVIEW_TILES = 4
"""Tiles of the coarsest level that are looked at; it has one, unless the dataset has no overviews."""


def colours_nothing(folder: Path, layer: Layer, style: Style) -> bool:
    """Return whether a style colours none of the values of a layer's latest step, by a sample.

    Args:
        folder: Of the store.
        layer: The layer.
        style: Its colours.

    Returns:
        Whether there are values in the coarsest level and in one chunk of the finest, and all of them are transparent.
        False where there are no values to look at.

    Raises:
        GenerationChangedError: The dataset is no longer the one of the layer.
        StoreError: A chunk is missing or damaged.
    """
    dataset, variable = layer.dataset, layer.variable.name
    key = ("sample for styles", str(folder), dataset.name, dataset.generation, variable)
    # One sample serves all styles of a layer: a new style reads nothing.
    values: NDArray[np.float64] = process.cache("values").get(key, lambda: _sample(folder, layer, style))
    return bool(values.size) and not _colours_some(style.palette, values)


def no_colour_text(layer: Layer, style: Style, values: str = "values") -> str:
    """Return what is wrong with a style that colours none of a layer's values.

    Args:
        layer: The layer.
        style: Its colours.
        values: Which values of the layer.

    Returns:
        One line, with the range of the values where it is known.
    """
    statistics, units = layer.variable.statistics, layer.variable.units
    ends = ""
    if statistics is not None and statistics.minimum is not None:
        ends = f", which has {statistics.minimum:g} to {statistics.maximum:g} {units}".rstrip()
    return f"style {style.name} colours none of the {values} of {layer.name}{ends}"


def _colours_some(palette: Palette, values: NDArray[np.float64]) -> bool:
    """Return whether any value has a colour, that of no data apart."""
    index = palette.index_of(values)
    return bool(((index > 0) & (palette.rgba[index, 3] > 0)).any())


def _sample(folder: Path, layer: Layer, style: Style) -> NDArray[np.float64]:
    """Return values of a layer, each once, shape (values,)."""
    tiles = [values[np.isfinite(values)] for values in _tiles(folder, layer, style)]
    return np.unique(np.concatenate(tiles)) if tiles else np.zeros(0)


def _tiles(folder: Path, layer: Layer, style: Style) -> Iterator[NDArray[np.float64]]:
    """Yield the values of some native tiles: of the coarsest level first, then of one chunk of the finest."""
    tms = layer.native_set
    coarsest, finest = tms.matrices[0], tms.matrices[-1]
    if max(finest.tile_width, finest.tile_height) > MAX_TILE_SIDE_PX:
        return
    time = layer.variable.time
    dim_index = tuple(len(each.labels) - 1 if each == time else 0 for each in layer.variable.dimensions)
    occupied = np.argwhere(store_at(str(folder)).dataset(layer.dataset.name).occupied(layer.variable.name, dim_index))
    tiles = [(coarsest, *at) for at in list(np.ndindex(coarsest.matrix_height, coarsest.matrix_width))]
    tiles = tiles[:MAX_OVERVIEW_TILES]
    if len(occupied):
        row, col = occupied[len(occupied) // 2].tolist()
        tiles.append((finest, row, col))
    pixels = PixelOptions(resampling=Resampling.NEAREST)
    for matrix, row, col in tiles:
        request = TileRequest(layer, style, dim_index, tms, matrix, row, col, ImageFormat.NPY, pixels)
        yield render_values(request.task(folder))
