"""A planned legend as PNG with a transparent background."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from lazytile.colormaps.legends.text_metrics import font, renderable_text

if TYPE_CHECKING:
    from lazytile.colormaps.legends.layout import Drawing

_FINE = 4
"""Shapes are drawn this many times larger and then reduced, so that slopes are smooth."""
_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def legend_image(drawing: Drawing) -> Image.Image:
    """Return the drawing as an RGBA image."""
    fine = _FINE if drawing.width * drawing.height <= 1 << 22 else 1
    shapes = Image.new("RGBA", (drawing.width * fine, drawing.height * fine))
    draw = ImageDraw.Draw(shapes)
    for shape in drawing.shapes:
        # Pillow fills the pixel under a polygon's far edges as well: half a fine pixel less keeps sizes true.
        points = [(round(x * fine), round(y * fine)) for x, y in shape.points]
        right, bottom = max(x for x, _ in points), max(y for _, y in points)
        draw.polygon([(x - (x == right), y - (y == bottom)) for x, y in points], fill=tuple(shape.rgba))
    if fine > 1:
        shapes = shapes.resize((drawing.width, drawing.height), Image.Resampling.BOX)
    # Letters are smoothed against what is below them: against the ink's own colour, only alpha changes.
    letters = Image.new("RGBA", shapes.size, (*drawing.ink[:3], 0))
    draw = ImageDraw.Draw(letters)
    for text in drawing.texts:
        place = (text.x, text.y)
        draw.text(
            place,
            renderable_text(text.text),
            fill=tuple(drawing.ink),
            font=font(text.size),
            anchor=_ANCHORS[text.anchor],
        )
    return Image.alpha_composite(shapes, letters)


def legend_png(drawing: Drawing) -> bytes:
    """Return the drawing as a PNG file."""
    file = io.BytesIO()
    legend_image(drawing).save(file, "PNG", optimize=True)
    return file.getvalue()
