"""The styles that capabilities offer for a layer; a request may name any other colormap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.units import are_comparable
from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
from lazytile.colormaps.library.listing import ColormapListing
from lazytile.pyramid.core import process
from lazytile.pyramid.render.style import DEFAULT, colormap_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.layer import Layer

ORIENTATIONS = {"H": "horizontal", "V": "vertical"}
"""As GIBS names the files of its legends: ``NAME_H.svg``."""
MAX_OFFERED = 32
"""Number of colormaps that capabilities list for one layer."""


@dataclass(frozen=True, slots=True)
class OfferedStyle:
    """A style as a capabilities document lists it."""

    name: str
    title: str
    legend_sizes: dict[str, tuple[int, int]]
    """Width and height in pixels by letter of the orientation.

    Empty for the default style: its colormap may be specific to the layer, a thousand of them take seconds to make,
    and sizes are optional.
    """


@dataclass(frozen=True, slots=True)
class KnownColormap:
    """A colormap of the catalog that was read."""

    colormap: Colormap
    style: OfferedStyle
    changed: float
    """When its file was changed, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading a colormap file; None if it cannot be read."""

    colormap: KnownColormap | None

    @property
    def nbytes(self) -> int:
        """Approximate size in memory."""
        return 0 if self.colormap is None else colormap_bytes(self.colormap.colormap)


class StyleCatalog:
    """The colormaps that styles are offered from. Thread-safe; each version of a file is read once."""

    def __init__(
        self, catalog: ColormapCatalog, cache: BytesLru[_Reading] | None = None, owner: object | None = None
    ) -> None:
        """Offer the colormaps of a catalog.

        Args:
            catalog: The colormaps. A listing is taken as it is; the files of another catalog are listed at each call.
            cache: Cache of colormaps that were read; without one, the process's own.
            owner: Whose colormaps to share; by default nobody's.
        """
        self._catalog = catalog
        self._cache: BytesLru[_Reading] = process.cache("styles") if cache is None else cache
        self._owner = self if owner is None else owner

    def known(self) -> tuple[KnownColormap, ...]:
        """Return the colormaps. Those that cannot be read are left out."""
        catalog = self._catalog
        listing = catalog if isinstance(catalog, ColormapListing) else ColormapListing.of(catalog)
        found = (self._find(name, listing) for name in listing.names() if name != DEFAULT)
        return tuple(each for each in found if each is not None)

    def _find(self, name: str, listing: ColormapListing) -> KnownColormap | None:
        file = listing.files[name]
        reading = self._cache.get((self._owner, file), lambda: _Reading(_read(listing, name, file.changed)))
        return reading.colormap


def _read(catalog: ColormapCatalog, name: str, changed: float) -> KnownColormap | None:
    try:
        colormap = catalog.find(name)
    except ColormapError:
        return None
    drawings = {letter: plan_legend(colormap, LegendStyle(way)) for letter, way in ORIENTATIONS.items()}
    sizes = {letter: (drawing.width, drawing.height) for letter, drawing in drawings.items()}
    return KnownColormap(colormap, OfferedStyle(name, colormap.title or name, sizes), changed)


def offered_styles(layer: Layer, known: Iterable[KnownColormap]) -> list[OfferedStyle]:
    """Return the styles to offer for a layer.

    Args:
        layer: The layer.
        known: The colormaps that there are.

    Returns:
        The default style, then those whose colormap suits the layer: comparable units, or classes for classes.
    """
    suited = [each.style for each in known if _suits(each.colormap, layer)]
    return [OfferedStyle(DEFAULT, layer.title, {}), *suited[:MAX_OFFERED]]


def _suits(colormap: Colormap, layer: Layer) -> bool:
    if colormap.is_classification != layer.variable.is_classes:
        return False
    return layer.variable.is_classes or are_comparable(layer.variable.units, colormap.units)
