"""Colormaps that a name alone describes: the project's ramps, ``random``, and Matplotlib's where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.colormaps.ramps import RAMPS, ramp_colours
from lazytile.colormaps.relative import relative_colormap

if TYPE_CHECKING:
    from lazytile.colormaps.model import Colormap


def named_colormap_names() -> tuple[str, ...]:
    """Return the names that are known beforehand."""
    return tuple(sorted(RAMPS))


def named_colormap(name: str) -> Colormap | None:
    """Return the colormap a name describes, or None. Its values are relative: 0 to 1 along a range."""
    if name in RAMPS:
        return relative_colormap(name, ramp_colours(name, 252), origin="ramp")
    return None
