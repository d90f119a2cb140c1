"""Styles: the palettes that a layer may be painted with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.compiled.palette import Palette, compile_colormap
from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError, LazytileError
from lazytile.colormaps.library.listing import ColormapListing
from lazytile.colormaps.synthesis.bands import banded, end_colour
from lazytile.colormaps.synthesis.rescale import SPACINGS, fitted, rescaled
from lazytile.colormaps.synthesis.reverse import SUFFIX, reversed_colormap
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.layer import Layer

DEFAULT = "default"
_PREPARED = " prepared"  # names of colormaps begin with no blank
ENTRY_OBJECT_BYTES = 600
"""Estimate for an entry of a colormap with its interval and its texts."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """Another range, or other bands, for the colours of a continuous colormap."""

    minimum: float | None = None
    """In the units of the layer; None for the colormap's own."""
    maximum: float | None = None
    spacing: str = "keep"
    """``keep``, ``even`` or ``log``: see ``colormaps.rescaled``."""
    bands: int = 0
    """Number of colours; 0 for all."""
    below: str = ""
    """Colour of values below the range, as ``colormaps.end_colour`` reads it; empty for that of the lowest ones."""
    above: str = ""
    """As ``below``, of values above the range."""

    def applied(self, colormap: Colormap, units: str) -> Colormap:
        """Return a colormap with this range and these bands.

        Args:
            colormap: The colormap.
            units: Those of the layer.

        Returns:
            The colormap.

        Raises:
            ColormapError: It has classes, or the range or a colour is invalid.
        """
        if self.minimum is not None or self.maximum is not None:
            colormap = rescaled(colormap, self.minimum, self.maximum, spacing=self.spacing, units=units)
        elif self.spacing != "keep":
            colormap = rescaled(colormap, spacing=self.spacing)
        below, above = end_colour(self.below), end_colour(self.above)
        if self.bands or below is not None or above is not None:
            colormap = banded(colormap, self.bands, below, above, log=self.spacing == "log")
        return colormap

    @classmethod
    def parse(cls, text: str, spacing: str = "keep") -> Rescale:
        """Parse ``MIN,MAX``.

        Args:
            text: The range as a request spells it.
            spacing: ``keep``, ``even`` or ``log``.

        Returns:
            The range.

        Raises:
            InvalidParameterError: The numbers are not finite or do not ascend, or the spacing is unknown.
        """
        try:
            minimum, maximum = (float(part) for part in text.split(","))
        except ValueError:
            minimum = maximum = math.nan
        if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
            raise InvalidParameterError(
                RequestField.RESCALE, f"rescale {text[:60]!r} is invalid, it is MIN,MAX with MIN < MAX"
            )
        return cls(minimum, maximum, cls.spaced(spacing).spacing)

    @classmethod
    def spaced(cls, spacing: str) -> Rescale:
        """Return the colormap's own range with another spacing.

        Args:
            spacing: ``keep``, ``even`` or ``log``.

        Returns:
            The range.

        Raises:
            InvalidParameterError: The spacing is unknown.
        """
        if spacing not in SPACINGS:
            raise InvalidParameterError(
                RequestField.SPACING, f"spacing {spacing[:40]!r} is invalid, it may be {', '.join(SPACINGS)}"
            )
        return cls(spacing=spacing)


def colormap_bytes(colormap: Colormap) -> int:
    """Estimate the bytes that a colormap takes in memory.

    Args:
        colormap: The colormap.

    Returns:
        Bytes, from the number of its entries.
    """
    return ENTRY_OBJECT_BYTES * len(colormap.entries)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Style:
    """A named way to paint a layer."""

    name: str
    colormap: Colormap
    palette: Palette
    reason: str
    """Why this colormap, for people: ``chosen at conversion``, ``named like the layer``, ..."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory, estimated."""
        palette = self.palette
        return colormap_bytes(self.colormap) + palette.rgba.nbytes + palette.cuts.nbytes + palette.slots.nbytes


@dataclass(frozen=True, slots=True)
class StyleKey:
    """What a compiled style depends on: the layer's content, the request, and the colormap files."""

    owner: object
    """Keeps apart what different stores and catalogs have in one cache."""
    dataset: str
    generation: str
    variable: str
    name: str
    rescale_to: Rescale | None
    colormaps: str
    """Version of the listing of the colormap files."""


class StyleNotCompiledError(LazytileError):
    """A style is not compiled yet, where compiling it is not allowed."""

    def __init__(self, layer: Layer, name: str, rescale_to: Rescale | None) -> None:
        super().__init__(f"style {name!r} of {layer.name} is not compiled")
        self.layer = layer
        self.name = name
        self.rescale_to = rescale_to


class Styles:
    """The styles of every layer, each compiled once for each state of the colormap files. Thread-safe."""

    def __init__(
        self, catalog: ColormapCatalog, cache: BytesLru[Style] | None = None, owner: object | None = None
    ) -> None:
        """Compile styles from the colormaps of a catalog.

        Args:
            catalog: Where colormaps are found by name. A listing is taken as it is; the files of another catalog are
                listed at each call.
            cache: Cache of compiled styles; without one, the process's own.
            owner: Whose compiled styles to share; by default nobody's.
        """
        self._catalog = catalog
        self._cache: BytesLru[Style] = process.cache("styles") if cache is None else cache
        self._owner = self if owner is None else owner

    def names(self, layer: Layer) -> list[str]:
        """Return the names that ``style`` takes for a layer.

        Args:
            layer: The layer.

        Returns:
            The names, ``default`` first.
        """
        del layer  # any colormap may paint any layer; the range of the values decides which of its colours appear
        return [DEFAULT, *(name for name in self._catalog.names() if name != DEFAULT)]

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style of a layer. Compiling one takes some milliseconds.

        Args:
            layer: The layer.
            name: ``default``, or a colormap; with ``_r`` at its end, reversed.
            rescale_to: Range to spread the colours over; None for the colormap's own.

        Returns:
            The style, compiled once.

        Raises:
            InvalidParameterError: The name is unknown, or the colormap cannot be spread.
        """
        return self._cache.get(self.key(layer, name, rescale_to), lambda: self._compile(layer, name, rescale_to))

    def prepare(self, layer: Layer) -> Style:
        """Compile the default style of a layer before somebody asks for it; ``compiled`` does not know it yet.

        Args:
            layer: The layer.

        Returns:
            The style, which the first call of ``style`` returns, too.
        """
        return self._cache.get(self.key(layer, _PREPARED), lambda: self._compile(layer, DEFAULT, None))

    def compiled(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style | None:
        """Return a style of a layer if it is compiled already.

        Args:
            layer: The layer.
            name: ``default``, or a colormap.
            rescale_to: Range to spread the colours over; None for the colormap's own.

        Returns:
            The style, or None.
        """
        return self._cache.peek(self.key(layer, name, rescale_to))

    def key(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> StyleKey:
        """Return the key of a style.

        Args:
            layer: The layer.
            name: ``default``, or a colormap.
            rescale_to: Range to spread the colours over; None for the colormap's own.

        Returns:
            The key, equal for equal styles only.
        """
        dataset, variable = layer.dataset, layer.variable.name
        version = self._version()
        return StyleKey(self._owner, dataset.name, dataset.generation, variable, name or DEFAULT, rescale_to, version)

    def drop_dead(self, generations: Mapping[str, str]) -> int:
        """Drop the styles of colormap files and of datasets that are no longer there.

        Args:
            generations: Generation of each dataset there is, by name.

        Returns:
            Number of styles dropped.
        """
        version = self._version()

        def is_dead(key: object) -> bool:
            if not isinstance(key, StyleKey) or key.owner is not self._owner:
                return False
            return key.colormaps != version or generations.get(key.dataset) != key.generation

        return self._cache.drop(is_dead)

    def _version(self) -> str:
        catalog = self._catalog
        return (catalog if isinstance(catalog, ColormapListing) else ColormapListing.of(catalog)).version

    def _compile(self, layer: Layer, name: str, rescale_to: Rescale | None) -> Style:
        units = layer.variable.units
        key = self.key(layer, _PREPARED)
        if rescale_to is None and name in ("", DEFAULT) and (prepared := self._cache.peek(key, again=True)):
            self._cache.remove(key)
            return prepared
        if rescale_to is None:
            colormap, reason = self._fitted(layer, name)
        else:
            own = self.style(layer, name)  # finding or making it takes longer than spreading it
            try:
                colormap, reason = rescale_to.applied(own.colormap, units), own.reason
            except ColormapError as error:
                raise InvalidParameterError(RequestField.RESCALE, str(error)) from error
        return Style(name or DEFAULT, colormap, compile_colormap(colormap, data_units=units), reason)

    def _fitted(self, layer: Layer, name: str) -> tuple[Colormap, str]:
        """Return the colormap of a style in its own range, and why it is this one."""
        variable = layer.variable
        if name in ("", DEFAULT):
            colormap, reason = self._default(layer)
        elif name == DEFAULT + SUFFIX:
            colormap, reason = self._default(layer)
            colormap = reversed_colormap(colormap, name)
        else:
            try:
                colormap, reason = self._catalog.find(name), "requested"
            except ColormapNotFoundError as error:
                allowed = ", ".join(self.names(layer))
                raise InvalidParameterError(
                    RequestField.STYLE, f"style {name!r} is invalid for {layer.name}, it may be {allowed}"
                ) from error
            except ColormapError as error:
                raise InvalidParameterError(RequestField.STYLE, str(error)) from error
        minimum, maximum = variable.style_range
        return fitted(colormap, minimum, maximum, variable.units), reason

    def _default(self, layer: Layer) -> tuple[Colormap, str]:
        variable = layer.variable
        if variable.colormap is not None:
            try:
                return self._catalog.find(variable.colormap), "chosen at conversion"
            except ColormapNotFoundError:
                pass  # it was removed since then: other colours are better than none, and ``reason`` says so
        minimum, maximum = variable.style_range
        return self._catalog.default_for(
            names=(layer.name, layer.dataset.name, variable.name),
            units=variable.units,
            standard_name=variable.standard_name,
            minimum=minimum,
            maximum=maximum,
            is_classes=variable.is_classes,
            attributes=variable.attributes,
        )
