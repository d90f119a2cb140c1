"""Legends as PNG with a transparent background."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from lazytile.colormaps.legends.text_metrics import TextMetrics

if TYPE_CHECKING:
    from lazytile.colormaps.legends.drawing import Drawing

_FINE = 4
"""Shapes are drawn this many times larger and then reduced, which smooths slanted edges."""
_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def legend_image(drawing: Drawing) -> Image.Image:
    """Draw a legend.

    Args:
        drawing: The legend, laid out.

    Returns:
        An RGBA image.

    Raises:
        ColormapError: This build of Pillow has no FreeType.
    """
    metrics = TextMetrics()
    fine = _FINE if drawing.width * drawing.height <= 1 << 22 else 1
    shapes = Image.new("RGBA", (drawing.width * fine, drawing.height * fine))
    draw = ImageDraw.Draw(shapes)
    for shape in drawing.shapes:
        # Pillow also fills the pixels under a polygon's right and bottom edges: one fine pixel less keeps sizes true.
        points = [(round(x * fine), round(y * fine)) for x, y in shape.points]
        right, bottom = max(x for x, _ in points), max(y for _, y in points)
        draw.polygon([(x - (x == right), y - (y == bottom)) for x, y in points], fill=tuple(shape.rgba))
    if fine > 1:
        shapes = shapes.resize((drawing.width, drawing.height), Image.Resampling.BOX)
    # Pillow smooths letters against what is below them: over the ink's own colour only alpha changes.
    letters = Image.new("RGBA", shapes.size, (*drawing.ink[:3], 0))
    draw = ImageDraw.Draw(letters)
    for text in drawing.texts:
        draw.text(
            (text.x, text.y),
            metrics.renderable(text.text),
            fill=tuple(drawing.ink),
            font=metrics.font(text.size),
            anchor=_ANCHORS[text.anchor],
        )
    return Image.alpha_composite(shapes, letters)


def legend_png(drawing: Drawing) -> bytes:
    """Write a legend as PNG.

    Args:
        drawing: The legend, laid out.

    Returns:
        A PNG file.

    Raises:
        ColormapError: This build of Pillow has no FreeType.
    """
    file = io.BytesIO()
    legend_image(drawing).save(file, "PNG", optimize=True)
    return file.getvalue()


def legend_picture(drawing: Drawing, media_type: str, background: tuple[int, int, int]) -> bytes:
    """Write a legend as JPEG or WebP.

    Args:
        drawing: The legend, laid out.
        media_type: ``image/jpeg`` or ``image/webp``.
        background: Below a JPEG, which has no transparency: red, green and blue.

    Returns:
        The picture.

    Raises:
        ColormapError: This build of Pillow has no FreeType.
    """
    image, buffer = legend_image(drawing), io.BytesIO()
    if media_type == "image/webp":
        image.save(buffer, "WEBP", lossless=True)
    else:
        below = Image.new("RGBA", image.size, (*background, 255))
        Image.alpha_composite(below, image).convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
