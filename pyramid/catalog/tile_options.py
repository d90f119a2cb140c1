"""The options of a tile request beyond those of WMTS: how values become colours. Every protocol takes the same.

``colormap=NAME``, ``rescale=MIN,MAX``, ``spacing=keep|even|log``, ``bands=``, ``below=``, ``above=``, ``resampling=``,
``filter=``, ``expression=``, ``rgb=RED,GREEN,BLUE`` (with ``rescale=MIN,MAX;MIN,MAX;MIN,MAX``), ``scale=2`` (or ``@2x``
before the extension) and ``scale=auto``, for the range of each tile's own values. Each is bounded, checked before any
work, and part of the tile's key. ``option_names`` has their other names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.synthesis.bands import MAX_BANDS, end_colour
from lazytile.pyramid.catalog.option_names import ALIASES, AUTO, translated
from lazytile.pyramid.core.errors import DatasetNotFoundError, InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.expression import Expression
from lazytile.pyramid.render.filters import Filter
from lazytile.pyramid.render.render_task import Channel, Rgb
from lazytile.pyramid.render.style import Rescale
from lazytile.pyramid.render.tile_request import PixelOptions
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.store.dataset import Variable
    from lazytile.pyramid.store.layer import Layer

NAMES = ALIASES | {
    "colormap", "rescale", "spacing", "bands", "below", "above", "resampling", "filter", "expression", "rgb", "scale",
}  # fmt: skip
"""Every option, in lower case, with its other names."""
SCALES = ("1", "2", AUTO)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a request, checked against its layer."""

    colormap: str
    """Replaces the style unless it is empty."""
    rescale_to: Rescale | None
    pixels: PixelOptions
    scale: int
    is_own_range: bool = False
    """Whether the colours are spread over the range of the tile's own values."""


def options_of(layer: Layer, parameters: Mapping[str, str]) -> Options:
    """Parse the options among the parameters of a request.

    Args:
        layer: The layer of the request.
        parameters: Values by lower-case name; those that are no options are ignored.

    Returns:
        The options.

    Raises:
        InvalidParameterError: An option is invalid, or does not suit the layer.
    """
    parameters = translated(layer, parameters)
    rescale, rgb, scale = (parameters.get(name, "") for name in ("rescale", "rgb", "scale"))
    pixels = PixelOptions(
        resampling=Resampling.parse(parameters["resampling"]) if parameters.get("resampling") else None,
        expression=_expression(layer, parameters.get("expression", "")),
        filter=Filter.parse(parameters["filter"]) if parameters.get("filter") else None,
        rgb=_rgb(layer, rgb, rescale) if rgb else None,
    )
    if rgb and pixels.expression is not None:
        raise InvalidParameterError(RequestField.RGB, "rgb and expression cannot be combined")
    spread = _spread(parameters, "" if rgb else rescale)
    if rgb and (spread is not None or scale == AUTO):
        raise InvalidParameterError(RequestField.RGB, "rgb has ranges, but no spacing, bands or colours beyond them")
    if scale == AUTO and rescale:
        raise InvalidParameterError(RequestField.SCALE, f"scale={AUTO} and a range cannot be combined")
    return Options(parameters.get("colormap", ""), spread, pixels, _scale(scale), is_own_range=scale == AUTO)


def _spread(parameters: Mapping[str, str], rescale: str) -> Rescale | None:
    """Return how the colours are spread; None where no option says so."""
    spacing, bands = parameters.get("spacing", "") or "keep", parameters.get("bands", "")
    below, above = (_end(parameters, name) for name in ("below", "above"))
    if bands and not (re.fullmatch(r"[0-9]{1,3}", bands, re.ASCII) and 1 <= int(bands) <= MAX_BANDS):
        raise InvalidParameterError(RequestField.BANDS, f"bands {bands[:20]!r} is invalid, it may be 1 to {MAX_BANDS}")
    parsed = Rescale.parse(rescale, spacing) if rescale else Rescale.spaced(spacing)
    spread = replace(parsed, bands=int(bands or 0), below=below, above=above)
    return None if spread == Rescale() else spread


def _end(parameters: Mapping[str, str], name: str) -> str:
    text = parameters.get(name, "")
    try:
        return "" if end_colour(text) is None else text
    except ColormapError as error:
        raise InvalidParameterError(name, f"{name} {error}") from error


def _scale(text: str) -> int:
    if text and text not in SCALES:
        raise InvalidParameterError(
            RequestField.SCALE, f"scale {text[:20]!r} is invalid, it may be {', '.join(SCALES)}"
        )
    return 1 if text in ("", AUTO) else int(text)


def _expression(layer: Layer, text: str) -> Expression | None:
    if not text:
        return None
    expression = Expression.parse(text, frozenset(variable.name for variable in layer.dataset.variables))
    for name in expression.variables:
        _same_dimensions(layer, layer.dataset.variable(name), RequestField.EXPRESSION)
    return expression


def _rgb(layer: Layer, text: str, rescale: str) -> Rgb:
    names = text.split(",")
    ranges = rescale.split(";") if rescale else [""] * len(names)
    if len(names) != 3 or len(ranges) != 3:
        raise InvalidParameterError(
            RequestField.RGB, "rgb is RED,GREEN,BLUE, three variables, with rescale=MIN,MAX;MIN,MAX;MIN,MAX"
        )
    red, green, blue = (_channel(layer, name, limits) for name, limits in zip(names, ranges, strict=True))
    if not rescale and _are_colours(layer, names):
        red, green, blue = (replace(channel, minimum=0.0, maximum=255.0) for channel in (red, green, blue))
    return Rgb(red, green, blue)


def _are_colours(layer: Layer, names: list[str]) -> bool:
    """Return whether variables are the bands of a picture, such as those of an RGB GeoTIFF: bytes named by colour."""
    if names != ["red", "green", "blue"]:
        return False
    variables = [layer.dataset.variable(name) for name in names]
    return all(
        each.packing.dtype in {"uint8", "int16"}  # int16: bytes and a mask
        and (each.packing.scale_factor, each.packing.add_offset, each.units) == (1.0, 0.0, "")
        and all(end is not None and 0 <= end <= 255 for end in each.style_range)
        for each in variables
    )


def _channel(layer: Layer, name: str, limits: str) -> Channel:
    try:
        variable = layer.dataset.variable(name)
    except DatasetNotFoundError as error:
        raise InvalidParameterError(RequestField.RGB, str(error)) from error
    _same_dimensions(layer, variable, RequestField.RGB)
    if limits:
        try:
            minimum, maximum = (float(part) for part in limits.split(","))
        except ValueError:
            raise InvalidParameterError(
                RequestField.RESCALE, f"rescale {limits[:60]!r} is invalid, it is MIN,MAX"
            ) from None
        return Channel(name, minimum, maximum)
    least, greatest = variable.style_range
    if least is None or greatest is None:
        raise InvalidParameterError(
            RequestField.RESCALE, f"the range of {name} is unknown, rescale=MIN,MAX;MIN,MAX;MIN,MAX must be given"
        )
    return Channel(name, least, greatest if greatest > least else least + 1.0)


def _same_dimensions(layer: Layer, variable: Variable, field: RequestField) -> None:
    if variable.dimensions != layer.variable.dimensions:
        raise InvalidParameterError(
            field, f"{variable.name} and {layer.variable.name} cannot be combined, their dimensions differ"
        )
