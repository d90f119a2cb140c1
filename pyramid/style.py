"""Styles: which palettes a layer may be painted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.colormaps.errors import ColormapNotFoundError
from lazytile.colormaps.palette import Palette, compile_colormap
from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.memory import BytesLru

if TYPE_CHECKING:
    from lazytile.colormaps.catalog import ColormapCatalog
    from lazytile.colormaps.model import Colormap
    from lazytile.pyramid.layer import Layer

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Style:
    """A named way to paint a layer."""

    name: str
    colormap: Colormap
    palette: Palette
    reason: str
    """Why this colormap, for people: ``asked for at conversion``, ``named like the layer``, ..."""


class Styles:
    """The styles of every layer, compiled once each. Thread-safe."""

    def __init__(self, catalog: ColormapCatalog) -> None:
        self._catalog = catalog
        self._styles: BytesLru[Style] = BytesLru(1024, lambda _: 1)

    def names(self, layer: Layer) -> list[str]:
        """Names that ``style`` takes for this layer, ``default`` first."""
        del layer  # any colormap may paint any layer; the range of the values decides how much of it is seen
        return [DEFAULT, *(name for name in self._catalog.names() if name != DEFAULT)]

    def style(self, layer: Layer, name: str) -> Style:
        """Return a style of the layer. Raises ``InvalidParameterError`` for an unknown name."""
        key = (layer.dataset.name, layer.dataset.generation, layer.variable.name, name)
        return self._styles.get(key, lambda: self._make(layer, name))

    def _make(self, layer: Layer, name: str) -> Style:
        variable = layer.variable
        if name in ("", DEFAULT):
            colormap, reason = self._default(layer)
        else:
            try:
                colormap, reason = self._catalog.find(name), "asked for"
            except ColormapNotFoundError as error:
                allowed = ", ".join(self.names(layer))
                raise InvalidParameterError(
                    "Style", f"Style {name!r} is invalid for {layer.name}, it may be {allowed}"
                ) from error
        palette = compile_colormap(colormap, data_units=variable.units)
        return Style(name or DEFAULT, colormap, palette, reason)

    def _default(self, layer: Layer) -> tuple[Colormap, str]:
        variable = layer.variable
        if variable.colormap is not None:
            try:
                return self._catalog.find(variable.colormap), "asked for at conversion"
            except ColormapNotFoundError:
                pass  # it was removed since: a map in other colours is better than none, and the reason tells
        statistics = variable.statistics
        return self._catalog.default_for(
            names=(layer.name, layer.dataset.name, variable.name),
            units=variable.units,
            standard_name=variable.standard_name,
            minimum=None if statistics is None else statistics.minimum,
            maximum=None if statistics is None else statistics.maximum,
            is_classes=variable.is_classes,
            attributes=variable.attributes,
        )
