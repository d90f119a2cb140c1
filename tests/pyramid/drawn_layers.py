"""Whether the layers of a dataset can be seen: the pixels and the legend of their default style."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

import lazytile
from lazytile.colormaps.legends.panels import legend_panels
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.catalog.dimension_names import dimension_name
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset, Variable


def blind_layers(store: Path, dataset: Dataset) -> list[str]:
    """Return what is wrong with the layers that hold data: they draw nothing, or their legend does not fit."""
    found = []
    opened = Store(store)
    styles = Styles(ColormapCatalog(None))
    for variable in dataset.variables:
        if variable.statistics is None or not variable.statistics.valid_count:
            continue
        name = dataset.layer_name(variable)
        (layer,) = [each for each in opened.layers() if each.name == name]
        style = styles.style(layer, "default")
        if any(panel.is_classes for panel in legend_panels(style.colormap)) != variable.is_classes:
            found.append(f"{name}: the legend and the data differ in whether they are classes")
        low, high = variable.style_range
        spans = [bin_ for entry in style.colormap.entries for bin_ in style.colormap.bins(entry)]
        if not any(bin_.upper >= low and bin_.lower <= high for bin_ in spans):
            found.append(f"{name}: its values, {low} to {high}, are not on the legend")
        if not _draws(store, dataset, variable, name):
            found.append(f"{name}: no opaque pixel")
    return found


def _draws(store: Path, dataset: Dataset, variable: Variable, layer: str) -> bool:
    """Return whether a tile of the coarsest level has an opaque pixel, at any step."""
    steps = [len(dimension.labels) for dimension in variable.dimensions]
    for index in np.ndindex(*steps):
        options = {
            dimension_name(dimension, frozenset({"time", "style"})): dimension.labels[step]
            for dimension, step in zip(variable.dimensions, index, strict=True)
        }
        tile = lazytile.render_tile(store, layer, f"native_{dataset.name}", 0, 0, 0, **options)
        if np.asarray(Image.open(io.BytesIO(tile)).convert("RGBA"))[..., 3].max() > 0:
            return True
    return False
