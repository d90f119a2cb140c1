"""A continuous colormap with its colours in the opposite order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap, Part

SUFFIX = "_r"
"""Ends the name of a reversed colormap, as in Matplotlib."""


def reversed_colormap(colormap: Colormap, name: str) -> Colormap:
    """Return a colormap whose values have each other's colours, the lowest those of the highest.

    Args:
        colormap: To reverse.
        name: Of the result.

    Returns:
        The colormap; entries for no data and classification parts stay unchanged.

    Raises:
        ColormapError: It has classes, which have no order.
    """
    if colormap.is_classification:
        raise ColormapError(f"colormap {colormap.name} has classes, which cannot be reversed")
    parts = tuple(part if part.is_classification else _reversed(colormap, part) for part in colormap.parts)
    return replace(colormap, name=name, parts=parts)


def _reversed(colormap: Colormap, part: Part) -> Part:
    ordered = sorted(
        (entry for entry in part.entries if not entry.nodata),
        key=lambda entry: min((bin_.lower for bin_ in colormap.bins(entry)), default=float(entry.index)),
    )
    colours = {entry.index: opposite.rgba for entry, opposite in zip(ordered, reversed(ordered), strict=True)}
    entries = tuple(replace(entry, rgba=colours.get(entry.index, entry.rgba)) for entry in part.entries)
    if part.legend is None:
        return replace(part, entries=entries)
    patches = {entry.ref: colours[entry.index] for entry in ordered if entry.ref is not None}
    legend = replace(
        part.legend,
        entries=tuple(replace(patch, rgb=patches.get(patch.id, patch.rgb)) for patch in part.legend.entries),
    )
    return replace(part, entries=entries, legend=legend)
