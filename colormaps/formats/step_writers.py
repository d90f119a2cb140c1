"""Writers of formats with steps: SLD ``intervals`` and colour tables for ``gdaldem color-relief``.

Both are written from the compiled cuts, so they colour every value as a tile does, edges included: a cut is a number at
and above which the next colour holds.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.colormaps.compiled.palette import Palette, compile_colormap
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Rgba

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap

_SLD = "http://www.opengis.net/sld"


def sld_xml(colormap: Colormap) -> bytes:
    """Return a colormap as SLD 1.0.0, with a ``ColorMap`` of type ``intervals``. Later versions have no opacity.

    Args:
        colormap: To write.

    Returns:
        The document, in UTF-8. Values that no entry holds have the colour of no data.

    Raises:
        ColormapError: The colormap cannot be compiled.
    """
    palette = compile_colormap(colormap)
    root = etree.Element(f"{{{_SLD}}}StyledLayerDescriptor", nsmap={None: _SLD}, version="1.0.0")
    parent = root
    for tag in ("NamedLayer", "UserStyle", "FeatureTypeStyle", "Rule", "RasterSymbolizer"):
        parent = etree.SubElement(parent, f"{{{_SLD}}}{tag}")
        if tag == "NamedLayer":
            etree.SubElement(parent, f"{{{_SLD}}}Name").text = colormap.name
    color_map = etree.SubElement(parent, f"{{{_SLD}}}ColorMap", type="intervals")
    # An entry colours what is below its quantity: the last one what is below the largest float64.
    cuts, slots = _finite(palette)
    for end, slot in zip([*cuts, sys.float_info.max], slots, strict=True):
        rgba, entry = Rgba(*palette.rgba[slot].tolist()), palette.entries[slot]
        element = etree.SubElement(color_map, f"{{{_SLD}}}ColorMapEntry", color=rgba.hex(), quantity=repr(end))
        element.set("opacity", f"{rgba.alpha / 255:.4g}")
        label = colormap.entries[entry].label if entry >= 0 and slot else ""
        if label:
            element.set("label", label)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def table_text(colormap: Colormap) -> bytes:
    """Return a colormap as a GDAL colour table: each cut twice, with the colours below it and from it on.

    Args:
        colormap: To write.

    Returns:
        The table, in UTF-8.

    Raises:
        ColormapError: The colormap cannot be compiled or has no finite edge.
    """
    palette = compile_colormap(colormap)
    cuts, slots = _finite(palette)
    if not cuts:
        raise ColormapError(f"colormap {colormap.name} has no finite edge, which a colour table cannot express")
    colours = [" ".join(map(str, row)) for row in palette.rgba.tolist()]
    lines = [f"# {colormap.title or colormap.name} {colormap.units}".rstrip(), f"nv {colours[0]}"]
    for position, cut in enumerate(cuts):
        lines += [f"{cut!r} {colours[slots[position]]}", f"{cut!r} {colours[slots[position + 1]]}"]
    return ("\n".join(lines) + "\n").encode()


def _finite(palette: Palette) -> tuple[list[float], list[int]]:
    """Return the cuts, and the slots below the first and from each on, without those that only infinities reach."""
    cuts, slots = palette.cuts.tolist(), palette.slots.tolist()[:-1]
    if cuts and cuts[0] == -sys.float_info.max:
        cuts, slots = cuts[1:], slots[1:]
    if cuts and cuts[-1] == math.inf:
        cuts, slots = cuts[:-1], slots[:-1]
    return cuts, slots
