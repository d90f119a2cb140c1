"""Styles: which palettes a layer may be painted with."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.compiled.palette import Palette, compile_colormap
from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.synthesis.rescale import SPACINGS, fitted, rescaled
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.layer import Layer

DEFAULT = "default"
ENTRY_OBJECT_BYTES = 600
"""An entry of a colormap with its interval and its texts."""
REREAD_S = 5.0
"""A colormap file that was changed is read anew after so long at most."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """Another range for the colours of a continuous colormap."""

    minimum: float
    """In the units of the layer."""
    maximum: float
    spacing: str = "keep"
    """``keep``, ``even`` or ``log``: see ``colormaps.rescaled``."""

    @classmethod
    def parse(cls, text: str, spacing: str = "keep") -> Rescale:
        """Read ``MIN,MAX``. Raises ``InvalidParameterError`` unless both are finite and ascend."""
        try:
            minimum, maximum = (float(part) for part in text.split(","))
        except ValueError:
            minimum = maximum = math.nan
        if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
            raise InvalidParameterError(
                RequestField.RESCALE, f"rescale {text[:60]!r} is invalid, it is MIN,MAX with MIN < MAX"
            )
        if spacing not in SPACINGS:
            raise InvalidParameterError(
                RequestField.SPACING, f"spacing {spacing[:40]!r} is invalid, it may be {', '.join(SPACINGS)}"
            )
        return cls(minimum, maximum, spacing)


def colormap_bytes(colormap: Colormap) -> int:
    """Return the bytes that a colormap takes in memory, about.

    Args:
        colormap: The colormap.

    Returns:
        Bytes, from the number of its entries.
    """
    return ENTRY_OBJECT_BYTES * len(colormap.entries)


@dataclass(frozen=True, slots=True)
class Style:
    """A named way to paint a layer."""

    name: str
    colormap: Colormap
    palette: Palette
    reason: str
    """Why this colormap, for people: ``asked for at conversion``, ``named like the layer``, ..."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        palette = self.palette
        return colormap_bytes(self.colormap) + palette.rgba.nbytes + palette.cuts.nbytes + palette.slots.nbytes


class Styles:
    """The styles of every layer, compiled once each. Thread-safe."""

    def __init__(self, catalog: ColormapCatalog, cache: BytesLru[Style] | None = None) -> None:
        """Make styles of a catalog's colormaps.

        Args:
            catalog: Where colormaps are found by name.
            cache: Cache of compiled styles; without one, the process's own.
        """
        self._catalog = catalog
        self._cache: BytesLru[Style] = process.cache("styles") if cache is None else cache

    def names(self, layer: Layer) -> list[str]:
        """Names that ``style`` takes for this layer, ``default`` first."""
        del layer  # any colormap may paint any layer; the range of the values decides how much of it is seen
        return [DEFAULT, *(name for name in self._catalog.names() if name != DEFAULT)]

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style of the layer, its colours spread over another range where ``rescale_to`` says so.

        Raises ``InvalidParameterError`` for an unknown name and for a colormap that cannot be spread.
        """
        now = int(time.monotonic() / REREAD_S)
        key = (self, layer.dataset.name, layer.dataset.generation, layer.variable.name, name, rescale_to, now)
        return self._cache.get(key, lambda: self._make(layer, name, rescale_to))

    def _make(self, layer: Layer, name: str, rescale_to: Rescale | None) -> Style:
        variable = layer.variable
        if name in ("", DEFAULT):
            colormap, reason = self._default(layer)
        else:
            try:
                colormap, reason = self._catalog.find(name), "asked for"
            except ColormapNotFoundError as error:
                allowed = ", ".join(self.names(layer))
                raise InvalidParameterError(
                    RequestField.STYLE, f"style {name!r} is invalid for {layer.name}, it may be {allowed}"
                ) from error
            except ColormapError as error:
                raise InvalidParameterError(RequestField.STYLE, str(error)) from error
        minimum, maximum = variable.style_range
        colormap = fitted(colormap, minimum, maximum, variable.units)
        if rescale_to is not None:
            try:
                colormap = rescaled(
                    colormap, rescale_to.minimum, rescale_to.maximum, spacing=rescale_to.spacing, units=variable.units
                )
            except ColormapError as error:
                raise InvalidParameterError(RequestField.RESCALE, str(error)) from error
        palette = compile_colormap(colormap, data_units=variable.units)
        return Style(name or DEFAULT, colormap, palette, reason)

    def _default(self, layer: Layer) -> tuple[Colormap, str]:
        variable = layer.variable
        if variable.colormap is not None:
            try:
                return self._catalog.find(variable.colormap), "asked for at conversion"
            except ColormapNotFoundError:
                pass  # it was removed since: a map in other colours is better than none, and the reason tells
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
