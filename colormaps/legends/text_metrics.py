"""The letters of legends: how wide a text is, and what is written where the font has no such letter.

The font is the one inside Pillow, so that a legend is the same on every machine. It lacks a few signs.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

from lazytile.colormaps.core.errors import ColormapError

_INSTEAD = {"≥": ">=", "≤": "<=", "–": "-", "—": "-", "−": "-", "µ": "u", "μ": "u", "×": "x", "·": ".", "…": "..."}  # noqa: RUF001


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font in a size in pixels."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise ColormapError("this build of Pillow has no FreeType: legends can be had as SVG and JSON only")
    return loaded


@lru_cache(maxsize=4096)
def renderable_text(text: str) -> str:
    """Return the text with every letter that the font lacks replaced by what says the same."""
    return "".join(letter if _has(letter) else _replacement(letter) for letter in text)


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> float:
    """Return the width of a text in pixels."""
    return float(font(size).getlength(renderable_text(text)))


def elided(text: str, size: int, width: float) -> str:
    """Return the text, cut with dots where it is wider than ``width``; empty where not even that fits."""
    if text_width(text, size) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        cut = f"{text[:length].rstrip()}…"
        if text_width(cut, size) <= width:
            return cut
    return ""


@lru_cache(maxsize=1024)
def _has(letter: str) -> bool:
    if letter.isascii():
        return letter.isprintable()
    shape = font(24).getmask(letter)
    missing = font(24).getmask("\uffff")
    return (shape.size, bytes(shape)) != (missing.size, bytes(missing))


def _replacement(letter: str) -> str:
    if letter in _INSTEAD:
        return _INSTEAD[letter]
    plain = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in plain if part.isascii() and part.isprintable()) or "?"
