"""A colormap for a layer that has none: chosen by what it measures, else generated for its range."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.round_scale import usable_range
from lazytile.colormaps.core.units import are_comparable, conversion, is_difference
from lazytile.colormaps.synthesis.cf_flags import MAX_CLASSES, flags_colormap, has_flags, numbered_classes
from lazytile.colormaps.synthesis.continuous import range_colormap
from lazytile.colormaps.synthesis.ramps import ramp_colours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lazytile.colormaps.core.model import Colormap


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of data, and how it is usually coloured."""

    pattern: str
    """Regular expression on standard_name, name and title."""
    ramp: str
    colormap: str | None = None
    """A bundled colormap, used where units and range fit."""
    centre: float | None = None
    """Value about which the range is made symmetric."""
    log: bool = False


_QUANTITIES = (
    Quantity(r"anomal|departure|tendency|difference|(^|_)bias(_|$)", "diverging", "anomaly", centre=0.0),
    Quantity(r"(sea_surface|sea_water|ocean).*temperature|(^|[_ ])(sst|tos|thetao)([_ ]|$)|analysed_sst", "ocean",
             "sea_surface_temperature"),
    Quantity(r"(eastward|northward|upward|zonal|meridional).*(wind|velocity|current)|vorticity|divergence",
             "diverging", centre=0.0),
    Quantity(r"(air|surface|brightness|land).*temperature|temperature|(^|[_ ])(t2m|tas|tmp|tmax|tmin|tmmx)([_ ]|$)",
             "air", "air_temperature"),
    Quantity(r"precipitation|rain|snowfall|liquid_water|water_vapo|humidity|cloud", "rain"),
    Quantity(r"ice|snow", "ice"),
    Quantity(r"chlorophyll", "algae", log=True),
    Quantity(r"ndvi|vegetation|leaf_area|biomass", "growth"),
    Quantity(r"surface_altitude|elevation|bathymetr|topograph|orograph|height_above", "relief"),
)  # fmt: skip
_PLAIN = Quantity("", "lagoon")


def choose_default(
    find: Callable[[str], Colormap],
    *,
    name: str,
    units: str,
    standard_name: str,
    minimum: float | None,
    maximum: float | None,
    is_classes: bool,
    attributes: Mapping[str, Any],
    title: str,
) -> tuple[Colormap, str]:
    """Choose a colormap for a layer.

    Args:
        find: Returns a bundled colormap by its name.
        name: Of the layer.
        units: Of the data.
        standard_name: CF standard name of the data.
        minimum: Of the data; None if unknown.
        maximum: Of the data; None if unknown.
        is_classes: Whether the data are classes.
        attributes: Of the variable.
        title: Of the layer.

    Returns:
        The colormap, and the reason for it as text.
    """
    title = title or str(attributes.get("long_name", "")) or standard_name.replace("_", " ") or name
    # A quantity may have flags too: codes reserved for land or ice, which are no data.
    if is_classes and has_flags(attributes):
        try:
            return flags_colormap(name, attributes, title), "the variable's flag attributes describe classes"
        except ColormapError:
            pass  # invalid attributes count as absent
    if is_classes:
        return _numbered(name, minimum, maximum, title)
    quantity = suited_quantity(standard_name, name, title)
    bundled = _bundled(find, quantity, units, minimum, maximum)
    if bundled is not None:
        return bundled, f"{quantity.colormap} suits {standard_name or name} in {units}"
    return _made(quantity, name, (minimum, maximum), title=title, units=units)


def _numbered(name: str, minimum: float | None, maximum: float | None, title: str) -> tuple[Colormap, str]:
    low, high = usable_range(minimum, maximum)
    first = math.floor(low) if minimum is not None else 0
    last = min(math.ceil(high) if maximum is not None else MAX_CLASSES, first + MAX_CLASSES - 1)
    codes = [float(code) for code in range(first, last + 1)]
    return numbered_classes(name, codes, title), f"no colormap has its name: classes {first} to {last} get colours"


def suited_quantity(*names: str) -> Quantity:
    """Return the quantity that names describe.

    Args:
        names: Standard name, name and title of a variable, the most telling first; may be empty.

    Returns:
        The first quantity that one of the names matches, else a plain one.
    """
    for text in names:
        for quantity in _QUANTITIES:
            if re.search(quantity.pattern, text.casefold().replace(" ", "_")):
                return quantity
    return _PLAIN


def _bundled(
    find: Callable[[str], Colormap], quantity: Quantity, units: str, minimum: float | None, maximum: float | None
) -> Colormap | None:
    """Return the quantity's colormap if the data's units are known and its range lies mostly on the map."""
    if quantity.colormap is None or not units.strip():
        return None
    try:
        colormap = find(quantity.colormap)
    except ColormapError:
        return None
    if not are_comparable(units, colormap.units):
        return None
    if minimum is None or maximum is None:
        return colormap
    edges = [
        end
        for entry in colormap.main_part.entries
        for bin_ in colormap.bins(entry)
        for end in (bin_.lower, bin_.upper)
        if math.isfinite(end)
    ]
    ends = conversion(units, colormap.units, difference=is_difference(colormap.title)).apply(
        np.array(usable_range(minimum, maximum))
    )
    low, high = float(ends[0]), float(ends[1])
    shared = min(high, max(edges)) - max(low, min(edges))
    # Mostly on the map, and over a good part of it: else the layer would have one colour.
    fits = shared >= 0.7 * (high - low) and shared >= 0.05 * (max(edges) - min(edges))
    return colormap if fits else None


def _made(
    quantity: Quantity, name: str, ends: tuple[float | None, float | None], *, title: str, units: str
) -> tuple[Colormap, str]:
    low, high = usable_range(*ends)
    if quantity.centre is not None:
        reach = max(abs(low - quantity.centre), abs(high - quantity.centre))
        low, high = quantity.centre - reach, quantity.centre + reach
    log = quantity.log and low > 0 and high / low > 10
    colormap = range_colormap(
        name, lambda count: ramp_colours(quantity.ramp, count), low, high, title=title, units=units, log=log
    )
    known = "its range is not known: 0 to 1 is assumed" if ends == (None, None) else "over its range"
    return colormap, f"no colormap has its name or suits it: the {quantity.ramp} ramp, {known}"
