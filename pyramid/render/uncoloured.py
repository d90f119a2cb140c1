"""Whether a style colours any of the values that it meets.

A colormap of single values (OnEarth's of chlorophyll lists one for each code) or of another range leaves every pixel
transparent. A map that stays empty looks like a fault of the data, so the reason is told.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer

MAX_OVERVIEW_CHUNKS = 4
"""Chunks of the coarsest level that are looked at; it has one, unless the dataset has no overviews."""


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
        DatasetNotFoundError: The dataset is gone.
        StoreError: A chunk is missing or damaged.
    """
    dataset, variable = layer.dataset, layer.variable
    conversion = style.palette.conversion
    key = ("sample for styles", str(folder), dataset.name, dataset.generation, variable.name, conversion)

    def make() -> NDArray[np.float64]:
        values = variable.packing.decode(_sample(folder, layer))
        with np.errstate(over="ignore"):  # a value beyond the largest float64 is infinite, as it is for `Palette`
            return np.sort(conversion.apply(values[np.isfinite(values)]))

    # One sample serves all styles of a layer: a new style reads nothing.
    met: NDArray[np.float64] = process.cache("styles").get(key, make)
    return bool(met.size) and not _colours_some(style.palette, met)


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


def _colours_some(palette: Palette, ascending: NDArray[np.float64]) -> bool:
    """Return whether any value has a colour, that of no data apart. Values in the units of the palette, ascending."""
    index = palette.slots[:-1][palette.runs(ascending) > 0]
    return bool(((index > 0) & (palette.rgba[index, 3] > 0)).any())


def _sample(folder: Path, layer: Layer) -> NDArray[Any]:
    """Return codes of a layer, each once, shape (codes,): of the coarsest level, and of one chunk of the finest."""
    dataset, variable = layer.dataset, layer.variable
    stored = store_at(str(folder)).dataset(dataset.name)
    time = variable.time
    dim_index = tuple(len(each.labels) - 1 if each == time else 0 for each in variable.dimensions)
    shape = dataset.grid.coarsen(dataset.levels - 1).shape
    chunks = np.ndindex(math.ceil(shape.rows / dataset.chunk.rows), math.ceil(shape.cols / dataset.chunk.cols))
    coarsest = list(itertools.islice(chunks, MAX_OVERVIEW_CHUNKS))
    occupied = np.argwhere(stored.occupied(variable.name, dim_index))
    finest = [tuple(occupied[len(occupied) // 2].tolist())] if len(occupied) else []
    found = [
        np.unique(codes)
        for level, positions in ((dataset.levels - 1, coarsest), (0, finest))
        for codes in stored.chunks(level, variable.name, dim_index, positions)
    ]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, variable.packing.dtype)
