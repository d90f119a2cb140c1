"""Colormaps described by a name: the project's ramps, ``random``, and Matplotlib's where it is installed.

They have colours and no values of their own: all are relative, to be spread over a layer's range.
"""

from __future__ import annotations

import colorsys
import random
import re
from importlib import import_module
from typing import TYPE_CHECKING

from lazytile.colormaps.core.model import Rgba
from lazytile.colormaps.synthesis.normalized import relative_colormap
from lazytile.colormaps.synthesis.ramps import RAMPS, ramp_colours

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap

COLOURS = 252
"""Colours of a named map, which with no data and the two ends still fit a palette."""
_RANDOM = re.compile(r"random(?:-(\d{1,18}))?")


def named_colormap_names() -> tuple[str, ...]:
    """Return the names that are always known; Matplotlib's are not among them."""
    return (*sorted(RAMPS), "random")


def named_colormap(name: str) -> Colormap | None:
    """Return the colormap that a name describes.

    Args:
        name: Of a ramp, ``random``, ``random-SEED``, or of Matplotlib.

    Returns:
        A relative colormap; None for any other name.
    """
    if name in RAMPS:
        return relative_colormap(name, ramp_colours(name, COLOURS), origin="ramp")
    if match := _RANDOM.fullmatch(name):
        return random_colormap(int(match[1] or 0), name)
    return _matplotlib_colormap(name)


def random_colormap(seed: int = 0, name: str = "random", count: int = COLOURS) -> Colormap:
    """Return random bright colours, the same for the same seed on every machine.

    Args:
        seed: Of the generator.
        name: Of the colormap.
        count: Number of colours.

    Returns:
        A relative colormap.
    """
    # NumPy's streams may change between versions; the language fixes this one.
    chance = random.Random(seed)  # noqa: S311
    colours = []
    for _ in range(count):
        hue, lightness, saturation = chance.random(), 0.3 + 0.45 * chance.random(), 0.5 + 0.5 * chance.random()
        colours.append(Rgba(*(round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation))))
    return relative_colormap(name, colours, origin=f"random, seed {seed}")


def _matplotlib_colormap(name: str) -> Colormap | None:
    try:
        registry = import_module("matplotlib").colormaps
    except (ImportError, AttributeError):
        return None
    if name not in registry:
        return None
    source = registry[name]
    count = min(int(source.N), COLOURS - 2)
    inner = [source((position + 0.5) / count) for position in range(count)]
    colours = [Rgba(*(round(255 * float(part)) for part in colour)) for colour in (source(-1.0), *inner, source(2.0))]
    return relative_colormap(name, colours, origin="Matplotlib")
