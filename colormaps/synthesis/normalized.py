"""Colours without values: they run from 0 to 1, from the low to the high end of a range that the data determine."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from lazytile.colormaps.core.model import TRANSPARENT, Interval
from lazytile.colormaps.synthesis.continuous import Bin, binned_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.colormaps.core.model import Colormap, Rgba


def relative_colormap(
    name: str, colours: Sequence[Rgba], *, nodata: Rgba = TRANSPARENT, origin: str = "generated"
) -> Colormap:
    """Return a relative colormap.

    Args:
        name: Of the colormap.
        colours: The first for values below 0, the last for those above 1, the others in between.
        nodata: Colour of no data.
        origin: Where the colours come from.

    Returns:
        The colormap.
    """
    count = len(colours) - 2
    bins = [Bin(Interval(-math.inf, 0.0), colours[0], "below")]
    edges = [position / count for position in range(count + 1)] if count else []
    texts = [f"{edge:.1%}" for edge in edges]
    for rgba, ends, shown in zip(colours[1:-1], itertools.pairwise(edges), itertools.pairwise(texts), strict=True):
        bins.append(Bin(Interval(*ends), rgba, f"{shown[0]} – {shown[1]}"))  # noqa: RUF001
    bins.append(Bin(Interval(1.0, math.inf, closed_upper=True), colours[-1], "above"))
    return binned_colormap(name, bins, units="", nodata=nodata, origin=origin, relative=True)
