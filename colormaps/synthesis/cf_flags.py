"""Classes that a variable's attributes describe: ``flag_values``, ``flag_meanings`` and ``flag_colors``.

CF conventions, section 3.5. ``flag_colors`` is not a CF attribute but one of ACDD-style land cover products: colours as
``#rrggbb``, separated by blanks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Diagnostic
from lazytile.colormaps.synthesis.continuous import class_colormap
from lazytile.colormaps.synthesis.ramps import CLASS_COLOURS, parse_hex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lazytile.colormaps.core.model import Colormap, Rgba

MAX_CLASSES = 255


def has_flags(attributes: Mapping[str, Any]) -> bool:
    """Return whether a variable's attributes describe classes by their values.

    Args:
        attributes: Of the variable.

    Returns:
        True where it has ``flag_values``.
    """
    return attributes.get("flag_values") is not None


def flags_colormap(name: str, attributes: Mapping[str, Any], title: str = "") -> Colormap:
    """Return the classification that a variable's attributes describe.

    Args:
        name: Of the colormap.
        attributes: Of the variable.
        title: Of the colormap; its name by default.

    Returns:
        The colormap. Missing meanings and colours are generated; spare ones become warnings.

    Raises:
        ColormapError: ``flag_values`` are not numbers, are none or more than ``MAX_CLASSES``.
    """
    codes = _codes(name, attributes.get("flag_values"))
    meanings = _words(attributes.get("flag_meanings"))
    flaws = []
    if meanings and len(meanings) != len(codes):
        flaws.append(Diagnostic(name, f"{len(codes)} flag_values and {len(meanings)} flag_meanings"))
    colours: list[Rgba] = []
    for text in _words(attributes.get("flag_colors")):
        try:
            colours.append(parse_hex(text))
        except ColormapError as error:
            flaws.append(Diagnostic(name, f"flag_colors: {error}; default colours are used"))
            colours = []
            break
    if colours and len(colours) != len(codes):
        flaws.append(Diagnostic(name, f"{len(codes)} flag_values and {len(colours)} flag_colors"))
    classes = []
    for position, code in enumerate(codes):
        text = meanings[position].replace("_", " ") if position < len(meanings) else f"{code:g}"
        colour = colours[position] if position < len(colours) else class_colour(position)
        classes.append(((code,), text, colour))
    return class_colormap(name, classes, title=title, origin="flag attributes").with_warnings(tuple(flaws))


def numbered_classes(name: str, codes: Sequence[float], title: str = "") -> Colormap:
    """Return a classification for codes of which nothing else is known.

    Args:
        name: Of the colormap.
        codes: Of the classes.
        title: Of the colormap; its name by default.

    Returns:
        The colormap.
    """
    classes = [((code,), f"{code:g}", class_colour(position)) for position, code in enumerate(codes)]
    return class_colormap(name, classes, title=title)


def class_colour(position: int) -> Rgba:
    """Return the colour of a class.

    Args:
        position: Of the class, from 0.

    Returns:
        One of the project's class colours, which repeat.
    """
    colours = CLASS_COLOURS.split()
    return parse_hex(colours[position % len(colours)])


def _codes(name: str, values: Any) -> list[float]:
    if isinstance(values, str):
        # Some writers put text: "1, 2, 3" or "0b 1b 2b".
        values = [word.rstrip("bBsSuUlL") for word in _words(values)]
    try:
        codes = np.atleast_1d(np.asarray(values, np.float64)).ravel().tolist()
    except (TypeError, ValueError) as error:
        raise ColormapError(f"{name}: flag_values must be numbers, got {values!r}") from error
    if not 1 <= len(codes) <= MAX_CLASSES or not np.isfinite(codes).all():
        raise ColormapError(f"{name}: 1 to {MAX_CLASSES} finite flag_values make a colormap, got {len(codes)}")
    return codes


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [word for word in re.split(r"[\s,;]+", value) if word]
    return [str(word) for word in value]
