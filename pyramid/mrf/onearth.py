"""Files for OnEarth beside an MRF: a layer configuration, the colormap, legends, an empty tile.

The layer configuration has the fields that NASA's OnEarth 2 reads (its ``oe2_wmts_configure``). YAML is a superset of
JSON, so strings are written as JSON strings without a YAML library.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.atomic_write import write_atomically
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.gibs_writer import gibs_xml
from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
from lazytile.colormaps.legends.png import legend_png
from lazytile.colormaps.legends.svg import legend_svg
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.header import OPEN_ENDED_SETS
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.modmrf import has_scraped_time, onearth_name
from lazytile.pyramid.tiling.tms import REGISTERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.mrf.plan import MrfPlan
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer

EMPTY_TILES = "/etc/onearth/empty_tiles"
"""Where OnEarth's containers keep empty tiles; the configuration tool takes no path that does not exist."""
_MIME = {Compression.PPNG: "image/png", Compression.PNG: "image/png", Compression.JPEG: "image/jpeg"}
_MIME |= {Compression.JPNG: "image/png", Compression.LERC: "image/lerc", Compression.TIF: "image/tiff"}


def write_onearth(plans: Sequence[MrfPlan], layer: Layer, style: Style, folder: Path) -> list[Path]:
    """Write OnEarth's files for the MRFs of a layer beside them.

    They are ``LAYER.yaml``, ``LAYER.xml`` (GIBS colormap), ``LAYER_H.svg``, ``LAYER_H.png``, ``LAYER_V.svg``,
    ``LAYER_V.png`` (legends), ``LAYER_empty.png`` or ``.jpg`` (a page without data).

    Args:
        plans: Of the MRFs.
        layer: That they show.
        style: Its colours.
        folder: Of the MRFs.

    Returns:
        The files' paths.

    Raises:
        MrfError: A file cannot be written, or OnEarth cannot serve the MRFs.
    """
    check_onearth(plans)
    header = plans[0].header
    name = layer.name
    content: dict[str, bytes] = {f"{name}.yaml": _yaml(_layer(plans, layer, folder)).encode()}
    if _has_palette(plans[0]):
        content[f"{name}.xml"] = gibs_xml(style.colormap)
        for letter, orientation in (("H", "horizontal"), ("V", "vertical")):
            drawing = plan_legend(style.colormap, LegendStyle(orientation))
            content[f"{name}_{letter}.svg"] = legend_svg(drawing)
            content[f"{name}_{letter}.png"] = legend_png(drawing)
    if plans[0].page_format.is_image:
        content[_empty_name(name, header)] = _empty_tile(plans[0])
    try:
        for file, data in content.items():
            write_atomically(folder / file, data)
    except ColormapError as error:
        raise MrfError(str(error)) from error
    return [folder / file for file in content]


def check_onearth(plans: Sequence[MrfPlan]) -> None:
    """Check that OnEarth can serve the MRFs, by their compression and the size of their pages.

    Args:
        plans: Of the MRFs.

    Raises:
        MrfError: It cannot.
    """
    header, tms = plans[0].header, plans[0].task.tms
    if header.compression not in _MIME:
        allowed = ", ".join(each.name for each in _MIME)
        raise MrfError(f"OnEarth serves no pages in {header.compression.name}, it serves {allowed}")
    known = REGISTERED.get(tms.identifier)
    if known is not None and header.page.cols != known.matrices[-1].tile_width:
        tile = known.matrices[-1].tile_width
        raise MrfError(f"OnEarth serves {tms.identifier} in tiles of {tile} pixels, not in pages of {header.page.cols}")


def onearth_warnings(plans: Sequence[MrfPlan]) -> Iterator[str]:
    """Yield what OnEarth cannot use as it comes, one line each.

    Args:
        plans: Of the MRFs.

    Yields:
        The warnings.
    """
    tms = plans[0].task.tms
    if tms.identifier in OPEN_ENDED_SETS or REGISTERED.get(tms.identifier) is None:
        names = ", ".join(
            onearth_name(each)
            for each in REGISTERED.values()
            if each.crs == tms.crs and each.identifier not in OPEN_ENDED_SETS
        )
        advice = f"; for {tms.crs} it has {names}" if names else ""
        yield f"OnEarth's tilematrixsets.xml has no set {tms.identifier}, add it there{advice}"
    late = [plan.path.name for plan in plans if not has_scraped_time(plan.path.stem)]
    if late:
        yield (
            f"OnEarth's oe_scrape_time takes times of whole seconds and ignores {len(late)} files, such as {late[0]}"
        )


def _has_palette(plan: MrfPlan) -> bool:
    """Return whether pages show a colormap; a picture of three variables has none."""
    return plan.page_format.is_image and plan.task.rgb is None


def _empty_name(name: str, header: MrfHeader) -> str:
    return f"{name}_empty.{'jpg' if header.compression is Compression.JPEG else 'png'}"


def _empty_tile(plan: MrfPlan) -> bytes:
    """Return a page without data."""
    page = np.zeros((plan.header.page.rows, plan.header.page.cols), np.uint8)
    if plan.task.rgb is not None:
        return plan.page_format.pixels(np.zeros((*page.shape, 4), np.uint8))
    return plan.page_format.image(page, plan.task.palette.rgba)


def _layer(plans: Sequence[MrfPlan], layer: Layer, folder: Path) -> dict[str, Any]:
    plan = plans[0]
    header = plan.header
    bounds = header.bounds
    assert bounds is not None
    is_static = layer.variable.time is None
    extension = header.compression.extension
    archive = plan.task.tms.crs.lower().replace(":", "")
    # OnEarth itself appends layer, year and file name where there is a time.
    own = ("", "") if not is_static else tuple(f"/{layer.name}/{plan.path.stem}.{end}" for end in ("idx", extension))
    source: dict[str, Any] = {
        "size_x": header.size.cols,
        "size_y": header.size.rows,
        "bands": header.bands,
        "tile_size_x": header.page.cols,
        "tile_size_y": header.page.rows,
        "idx_path": f"/onearth/idx/{archive}{own[0]}",
        "data_file_uri": f"/onearth/mrf-archive/{archive}{own[1]}",
        "year_dir": plan.path.parent != folder,
        "bbox": f"{bounds.west:.10g},{bounds.south:.10g},{bounds.east:.10g},{bounds.north:.10g}",
    }
    if plan.page_format.is_image:
        source["empty_tile"] = f"{EMPTY_TILES}/{_empty_name(layer.name, header)}"
    described: dict[str, Any] = {
        "layer_id": layer.name,
        "layer_title": layer.title,
        "layer_name": layer.name,
        "projection": plan.task.tms.crs,
        "tilematrixset": onearth_name(plan.task.tms),
        "mime_type": _MIME[header.compression],
        "static": is_static,
        "abstract": layer.title,
    }
    if not is_static:
        described["time_config"] = ["DETECT"]
    if _has_palette(plan):
        described["metadata"] = [
            {
                "xlink:type": "simple",
                "xlink:role": "http://earthdata.nasa.gov/gibs/metadata-type/colormap/1.3",
                "xlink:href": f"{layer.name}.xml",
                "xlink:title": "GIBS Color Map: Data - RGB Mapping",
            }
        ]
    return described | {"source_mrf": source}


def _yaml(value: dict[str, Any], indent: str = "") -> str:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{indent}{key}:\n{_yaml(item, indent + '  ')}")
        elif isinstance(item, list):
            lines.append(f"{indent}{key}:\n")
            for each in item:
                if not isinstance(each, dict):
                    lines.append(f"{indent}  - {json.dumps(each)}\n")
                    continue
                block = _yaml(each, indent + "    ")
                lines.append(f"{indent}  - {block[len(indent) + 4 :]}")
        else:
            text = json.dumps(item)
            lines.append(f"{indent}{json.dumps(key) if ':' in key else key}: {text}\n")
    return "".join(lines)
