"""The letters of a legend: how wide a text is, and what stands in for characters that the font lacks.

The font is the one inside Pillow, without HarfBuzz's shaping, so that a legend has the same layout on every machine, as
SVG and as PNG.
"""

from __future__ import annotations

import unicodedata

from PIL import ImageFont

from lazytile.colormaps.core.errors import ColormapError

_SUBSTITUTES = {"≥": ">=", "≤": "<=", "–": "-", "—": "-", "−": "-", "µ": "u", "μ": "u", "×": "x", "·": ".", "…": "..."}  # noqa: RUF001
_PROBE_SIZE = 24
_UNASSIGNED = "\uffff"


class TextMetrics:
    """Widths of texts in Pillow's own font. One legend has one of these: it caches what that legend measures."""

    def __init__(self) -> None:
        self._fonts: dict[int, ImageFont.FreeTypeFont] = {}
        self._widths: dict[tuple[str, int], float] = {}
        self._substitutes: dict[str, str] = {}

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        """Return the font in one size.

        Args:
            size: Pixels.

        Returns:
            Pillow's own font.

        Raises:
            ColormapError: This build of Pillow has no FreeType.
        """
        if size not in self._fonts:
            loaded = ImageFont.load_default(size)
            if not isinstance(loaded, ImageFont.FreeTypeFont):
                raise ColormapError("this build of Pillow has no FreeType, which legends need")
            self._fonts[size] = loaded
        return self._fonts[size]

    def renderable(self, text: str) -> str:
        """Return a text with every character that the font lacks replaced by one of the same meaning.

        Args:
            text: Any text.

        Returns:
            The text as it is drawn.
        """
        return "".join(letter if _is_plain(letter) else self._drawn(letter) for letter in text)

    def width(self, text: str, size: int) -> float:
        """Measure a text.

        Args:
            text: Any text.
            size: Of the font, pixels.

        Returns:
            Its width, pixels.
        """
        key = (text, size)
        if key not in self._widths:
            self._widths[key] = float(self.font(size).getlength(self.renderable(text)))
        return self._widths[key]

    def elided(self, text: str, size: int, width: float) -> str:
        """Return a text, shortened with an ellipsis where it is too wide.

        Args:
            text: Any text.
            size: Of the font, pixels.
            width: Room for the text, pixels.

        Returns:
            The text, or its beginning and an ellipsis; empty where not even one letter fits.
        """
        if self.width(text, size) <= width:
            return text
        for length in range(len(text) - 1, 0, -1):
            shortened = f"{text[:length].rstrip()}…"
            if self.width(shortened, size) <= width:
                return shortened
        return ""

    def wrapped(self, text: str, size: int, width: float, most: int) -> list[str]:
        """Return a text broken into lines at its spaces.

        Args:
            text: Any text.
            size: Of the font, pixels.
            width: Room for each line, pixels.
            most: Number of lines at most; the last one takes the rest.

        Returns:
            The lines, each shortened to the width.
        """
        lines: list[str] = []
        for word in text.split():
            if lines and self.width(f"{lines[-1]} {word}", size) <= width:
                lines[-1] = f"{lines[-1]} {word}"
            else:
                lines.append(word)
        if len(lines) > most:
            lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
        return [self.elided(line, size, width) for line in lines]

    def _drawn(self, letter: str) -> str:
        if letter not in self._substitutes:
            self._substitutes[letter] = letter if self._has_glyph(letter) else _substitute(letter)
        return self._substitutes[letter]

    def _has_glyph(self, letter: str) -> bool:
        if letter.isascii():
            return False  # a control character
        # Pillow does not show which characters a font has; the ones it lacks all look like an unassigned one.
        glyph, missing = (self.font(_PROBE_SIZE).getmask(each) for each in (letter, _UNASSIGNED))
        return (glyph.size, bytes(glyph)) != (missing.size, bytes(missing))


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isprintable()


def _substitute(letter: str) -> str:
    if letter in _SUBSTITUTES:
        return _SUBSTITUTES[letter]
    return "".join(filter(_is_plain, unicodedata.normalize("NFKD", letter))) or "?"
