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
    from lazytile.pyramid.store.dataset import Variable
    from lazytile.pyramid.store.layer import Layer

BETWEEN = 1024
"""Values that stand for those of a level that was not made."""
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
        False where there are no values to look at. Where a read would first make the coarsest level, from all of the
        data, values between the least and the greatest stand for it.

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
    occupied = np.argwhere(stored.occupied(variable.name, dim_index))
    wanted = [(0, [tuple(occupied[len(occupied) // 2].tolist())])] if len(occupied) else []
    is_stored = not dataset.lazy or dataset.levels - 1 < max(1, dataset.linked)
    if is_stored:
        shape = dataset.grid.coarsen(dataset.levels - 1).shape
        chunks = np.ndindex(math.ceil(shape.rows / dataset.chunk.rows), math.ceil(shape.cols / dataset.chunk.cols))
        wanted.append((dataset.levels - 1, list(itertools.islice(chunks, MAX_OVERVIEW_CHUNKS))))
    found = [
        np.unique(codes)
        for level, positions in wanted
        for codes in stored.chunks(level, variable.name, dim_index, positions)
    ]
    if not is_stored:
        found.append(_between(variable))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, variable.packing.dtype)


def _between(variable: Variable) -> NDArray[Any]:
    """Return codes from the least value to the greatest, shape (codes,), as far as these are known."""
    packing, (least, greatest) = variable.packing, variable.style_range
    if least is None or greatest is None:
        return np.zeros(0, packing.dtype)
    codes = (np.linspace(least, greatest, BETWEEN) - packing.add_offset) / packing.scale_factor
    if np.dtype(packing.dtype).kind == "f":
        return codes.astype(packing.dtype)
    limits = np.iinfo(packing.dtype)
    return np.clip(np.round(codes), limits.min, limits.max).astype(packing.dtype)
