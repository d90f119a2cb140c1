"""``lazytile colormap``: look at colormaps, fetch them, and convert them. The main command adds this one to itself.

What a command needs it imports when it runs, so that help comes at once.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.colormaps.core.errors import ColormapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from lazytile.colormaps.core.model import Colormap, Entry
    from lazytile.colormaps.library.catalog import ColormapCatalog

app = typer.Typer(help="Look at colormaps, fetch them, convert them.", no_args_is_help=True)

Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="Your own colormaps [default: ~/.config/lazytile/colormaps]."),
]
Source = Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="A colormap's name, or a file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Rescale = Annotated[
    str | None, typer.Option(metavar="MIN,MAX", help="Rescale a continuous map over this range, in its own units.")
]
Spacing = Annotated[str, typer.Option(metavar="KIND", help="Widths of the bins: keep, even or log.")]


@app.command()
def show(
    source: Source,
    *,
    folder: Folder = None,
    as_json: AsJson = False,
    rescale: Rescale = None,
    spacing: Spacing = "keep",
) -> None:
    """Print what a colormap holds and what is wrong with it."""
    from lazytile.colormaps.core.json_document import colormap_document

    colormap = _spread(_load(source, folder), rescale, spacing)
    if as_json:
        typer.echo(json.dumps(colormap_document(colormap), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        _print(colormap)


@app.command("list")
def list_names(*, folder: Folder = None, as_json: AsJson = False) -> None:
    """Print the colormaps that are on this machine."""
    from rich.console import Console
    from rich.table import Column, Table

    catalog = _catalog(folder)
    rows = [_row(catalog, name) for name in catalog.names()]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    columns = ("name", "title", "units", "entries", "from")
    table = Table(Column(columns[0], no_wrap=True), *columns[1:], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names as GIBS spells them.")],
    *,
    folder: Folder = None,
    refresh: Annotated[bool, typer.Option(help="Ask again for those that are here.")] = False,
) -> None:
    """Fetch colormaps from GIBS or the Sea Level Change Portal into your folder."""
    import asyncio

    from lazytile.colormaps.library.catalog import default_user_folder
    from lazytile.colormaps.library.online import OnlineColormaps

    online = OnlineColormaps(folder or default_user_folder())
    for name in names:
        fetched = asyncio.run(online.fetch(name, refresh=refresh))
        typer.echo(f"{fetched.outcome}: {fetched.path}")


@app.command()
def convert(
    source: Source,
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="File to write; .xml .sld .txt .json .png .svg says what.")
    ],
    *,
    folder: Folder = None,
    rescale: Rescale = None,
    spacing: Spacing = "keep",
    orientation: Annotated[str, typer.Option(help="Of a legend: horizontal or vertical.")] = "horizontal",
    text: Annotated[str, typer.Option(help="Text of a legend: dark or light.")] = "dark",
    width: Annotated[int | None, typer.Option(help="Of a legend, pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Of a legend, pixels.")] = None,
) -> None:
    """Write a colormap as GIBS XML v1.3, SLD or a GDAL colour table, or its legend as PNG, SVG or JSON."""
    from lazytile.colormaps.core.atomic_write import write_atomically
    from lazytile.colormaps.formats.gibs_writer import gibs_xml
    from lazytile.colormaps.formats.step_writers import sld_xml, table_text
    from lazytile.colormaps.legends.layout import LegendStyle, plan_legend
    from lazytile.colormaps.legends.panels import legend_document
    from lazytile.colormaps.legends.png import legend_png
    from lazytile.colormaps.legends.svg import legend_svg

    colormap = _spread(_load(source, folder), rescale, spacing)
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
    _warn(colormap)
    typer.echo(str(target))


def _catalog(folder: Path | None) -> ColormapCatalog:
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder

    return ColormapCatalog(folder or default_user_folder())


def _load(source: str, folder: Path | None) -> Colormap:
    from lazytile.colormaps.formats.readers import SUFFIXES, read_colormap

    path = Path(source)
    if path.is_file():
        return read_colormap(path)
    if path.suffix in SUFFIXES or path.parent != Path():
        raise ColormapError(f"{source}: there is no such file")
    return _catalog(folder).find(source)


def _spread(colormap: Colormap, rescale: str | None, spacing: str) -> Colormap:
    from lazytile.colormaps.synthesis.rescale import rescaled

    if rescale is None:
        return colormap if spacing == "keep" else rescaled(colormap, spacing=spacing)
    try:
        minimum, maximum = (float(number) for number in rescale.split(","))
    except ValueError as error:
        raise ColormapError(f"--rescale is MIN,MAX, two numbers, not {rescale!r}") from error
    return rescaled(colormap, minimum, maximum, spacing=spacing)


def _row(catalog: ColormapCatalog, name: str) -> dict[str, str | int]:
    from lazytile.colormaps.formats.readers import read_colormap

    path = catalog.path_of(name)
    assert path is not None
    row: dict[str, str | int] = {"name": name, "title": "", "units": "", "entries": 0}
    try:
        colormap = read_colormap(path, name)
        row |= {"title": colormap.title, "units": colormap.units, "entries": len(colormap.entries)}
    except ColormapError as error:
        row["title"] = f"cannot be read: {error}"
    row["from"] = "bundled" if path.parent == catalog.bundled_folder else str(path.parent)
    return row


def _print(colormap: Colormap) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

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
    _warn(colormap)


def _cells(entry: Entry) -> tuple[str | Text, ...]:
    from rich.text import Text

    swatch = Text("░░" if entry.rgba.alpha == 0 else "██", entry.rgba.hex())
    values = ",".join(interval.text() for interval in entry.value or entry.source)
    label = f"{entry.label} (no data)" if entry.nodata else entry.label
    return str(entry.index), swatch, Text(values), ",".join(map(str, entry.rgba)), Text(label)


def _warn(colormap: Colormap) -> None:
    for flaw in colormap.warnings:
        typer.echo(f"warning: {flaw}", err=True)
