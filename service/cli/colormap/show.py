"""The command ``colormap show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from lazytile.service.cli.colormap.source import (
    FolderOption,
    RescaleOption,
    SourceArgument,
    SpacingOption,
    print_warnings,
    read_source,
)
from lazytile.service.cli.options.common import JsonOption  # noqa: TC001

if TYPE_CHECKING:
    from rich.text import Text

    from lazytile.colormaps.core.model import Colormap, Entry


def show(
    source: SourceArgument,
    *,
    folder: FolderOption = None,
    as_json: JsonOption = False,
    rescale: RescaleOption = None,
    spacing: SpacingOption = "keep",
) -> None:
    """Print the entries of a colormap, and its flaws."""
    from lazytile.colormaps.core.json_document import colormap_document  # noqa: PLC0415

    colormap = read_source(source, folder, rescale, spacing)
    if as_json:
        typer.echo(json.dumps(colormap_document(colormap), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        _print(colormap)


def _print(colormap: Colormap) -> None:
    from rich.console import Console  # noqa: PLC0415 - takes a moment to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    about = " · ".join(part for part in (colormap.title, colormap.units, colormap.origin) if part)
    console.print(Text.assemble((colormap.name, "bold"), f"  {about}"))
    for part in colormap.parts:
        kind = part.legend.type if part.legend else "no legend"
        console.print(Text(f"\n{part.title or 'entries'} ({kind}{', ' + part.units if part.units else ''})", "bold"))
        table = Table("index", "", "values", "rgba", "label", box=None, pad_edge=False)
        for entry in part.entries:
            table.add_row(*_cells(entry))
        console.print(table)
    print_warnings(colormap)


def _cells(entry: Entry) -> tuple[str | Text, ...]:
    from rich.text import Text  # noqa: PLC0415

    swatch = Text("░░" if entry.rgba.alpha == 0 else "██", entry.rgba.hex())
    values = ",".join(interval.text() for interval in entry.value or entry.source)
    label = f"{entry.label} (no data)" if entry.nodata else entry.label
    return str(entry.index), swatch, Text(values), ",".join(map(str, entry.rgba)), Text(label)
