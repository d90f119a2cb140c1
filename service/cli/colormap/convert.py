"""The command ``colormap convert``."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.colormaps.core.errors import ColormapError
from lazytile.service.cli.colormap.source import (
    FolderOption,
    RescaleOption,
    SourceArgument,
    SpacingOption,
    print_warnings,
    read_source,
)
from lazytile.service.cli.options.common import JsonOption, print_json

if TYPE_CHECKING:
    from collections.abc import Callable


def convert(
    source: SourceArgument,
    target: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to write; its suffix selects what: .xml .sld .txt .json .png .svg."),
    ],
    *,
    folder: FolderOption = None,
    rescale: RescaleOption = None,
    spacing: SpacingOption = "keep",
    orientation: Annotated[str, typer.Option(help="Of a legend: horizontal or vertical.")] = "horizontal",
    text: Annotated[str, typer.Option(help="Text colour of a legend: dark or light.")] = "dark",
    width: Annotated[int | None, typer.Option(help="Width of a legend in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height of a legend in pixels.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a colormap as GIBS XML v1.3, SLD or a GDAL colour table, or its legend as PNG, SVG or JSON."""
    from lazytile.colormaps.core.atomic_write import write_atomically  # noqa: PLC0415
    from lazytile.colormaps.formats.gibs_writer import gibs_xml  # noqa: PLC0415
    from lazytile.colormaps.formats.step_writers import sld_xml, table_text  # noqa: PLC0415
    from lazytile.colormaps.legends.layout import LegendStyle, plan_legend  # noqa: PLC0415
    from lazytile.colormaps.legends.panels import legend_document  # noqa: PLC0415
    from lazytile.colormaps.legends.png import legend_png  # noqa: PLC0415
    from lazytile.colormaps.legends.svg import legend_svg  # noqa: PLC0415

    colormap = read_source(source, folder, rescale, spacing)
    style = LegendStyle(orientation, text, width, height)
    writers: dict[str, Callable[[], bytes]] = {
        ".xml": lambda: gibs_xml(colormap),
        ".sld": lambda: sld_xml(colormap),
        ".txt": lambda: table_text(colormap),
        ".json": lambda: json.dumps(legend_document(colormap), ensure_ascii=False, indent=1).encode(),
        ".png": lambda: legend_png(plan_legend(colormap, style)),
        ".svg": lambda: legend_svg(plan_legend(colormap, style)),
    }
    writer = writers.get(target.suffix.lower())
    if writer is None:
        raise ColormapError(f"{target}: a colormap is written as {', '.join(writers)}, not {target.suffix!r}")
    write_atomically(target, writer())
    print_warnings(colormap)
    if as_json:
        print_json(file=target)
        return
    typer.echo(str(target))
