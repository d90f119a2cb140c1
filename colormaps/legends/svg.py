"""Legends as SVG. Swatches carry tooltips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Rgba
    from lazytile.colormaps.legends.drawing import Drawing

_NAMESPACE = "http://www.w3.org/2000/svg"
_FONTS = "Aileron, Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


def legend_svg(drawing: Drawing) -> bytes:
    """Write a legend as SVG.

    Args:
        drawing: The legend, laid out.

    Returns:
        An SVG document in UTF-8.
    """
    root = etree.Element("svg", nsmap={None: _NAMESPACE})
    for key, value in (
        ("width", str(drawing.width)),
        ("height", str(drawing.height)),
        ("viewBox", f"0 0 {drawing.width} {drawing.height}"),
        ("role", "img"),
    ):
        root.set(key, value)
    etree.SubElement(root, "title").text = drawing.title
    shapes = etree.SubElement(root, "g")
    # Neighbours must touch without a seam.
    shapes.set("shape-rendering", "crispEdges")
    for shape in drawing.shapes:
        points = " ".join(f"{x:g},{y:g}" for x, y in ((round(x, 3), round(y, 3)) for x, y in shape.points))
        element = etree.SubElement(shapes, "polygon", points=points)
        _fill(element, shape.rgba)
        if shape.tooltip:
            etree.SubElement(element, "title").text = shape.tooltip
    texts = etree.SubElement(root, "g")
    texts.set("font-family", _FONTS)
    texts.set("dominant-baseline", "central")
    _fill(texts, drawing.ink)
    for text in drawing.texts:
        element = etree.SubElement(texts, "text", x=f"{text.x:.2f}", y=f"{text.y:.2f}")
        element.set("font-size", str(text.size))
        if text.anchor != "start":
            element.set("text-anchor", text.anchor)
        element.text = text.text
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _fill(element: etree._Element, rgba: Rgba) -> None:
    element.set("fill", rgba.hex())
    if rgba.alpha < 255:
        element.set("fill-opacity", f"{rgba.alpha / 255:.3g}")
