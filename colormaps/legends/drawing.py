"""A legend as shapes and texts in pixels, which the SVG and PNG writers draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lazytile.colormaps.legends.text_metrics import TextMetrics

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Rgba

PAD = 10.0
"""Space to the left and right of a panel, pixels."""
_OUTLINE_ALPHA = 110


class Frame(NamedTuple):
    """A rectangle for one panel, in pixels from the top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled polygon."""

    points: tuple[tuple[float, float], ...]
    rgba: Rgba
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; ``y`` is its middle, ``x`` its start, middle or end by the ``anchor``."""

    x: float
    y: float
    text: str
    size: int
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A legend, planned."""

    width: int
    height: int
    ink: Rgba
    shapes: tuple[Shape, ...]
    texts: tuple[Text, ...]
    title: str


@dataclass(slots=True)
class Sheet:
    """The drawing while it is laid out."""

    ink: Rgba
    shapes: list[Shape] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    metrics: TextMetrics = field(default_factory=TextMetrics)

    @property
    def outline(self) -> Rgba:
        """Colour of the thin line around swatches, without which white on white would be invisible."""
        return self.ink._replace(alpha=_OUTLINE_ALPHA)

    def box(self, frame: Frame, rgba: Rgba, tooltip: str = "") -> None:
        """Add a filled rectangle.

        Args:
            frame: Where it lies.
            rgba: Its colour.
            tooltip: What SVG viewers show over it.
        """
        x, y, width, height = frame
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        self.shapes.append(Shape(corners, rgba, tooltip))

    def write(self, x: float, y: float, text: str, size: int, *, anchor: str = "start") -> None:
        """Add a line of text, unless it is empty.

        Args:
            x: Pixels, by the ``anchor``.
            y: The middle of the line, pixels.
            text: What to write.
            size: Of the font, pixels.
            anchor: ``start``, ``middle`` or ``end``.
        """
        if text:
            self.texts.append(Text(x, y, text, size, anchor))


def text_sizes(room: float, full: float) -> tuple[int, int]:
    """Return the sizes of heading and labels, smaller where there is less than the full room.

    Args:
        room: Pixels there are.
        full: Pixels that full sizes need.

    Returns:
        Sizes of heading and labels, pixels.
    """
    share = min(1.0, max(0.6, room / full))
    return round(14 * share), round(12 * share)
