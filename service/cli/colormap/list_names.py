"""The command ``colormap list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from lazytile.colormaps.core.errors import ColormapError
from lazytile.service.cli.colormap.source import FolderOption, open_catalog
from lazytile.service.cli.options.common import JsonOption  # noqa: TC001 - Typer reads annotations

if TYPE_CHECKING:
    from lazytile.colormaps.library.catalog import ColormapCatalog


def list_names(*, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the colormaps on this machine: files, then ramps that are computed and spread over a layer's range."""
    from rich.console import Console  # noqa: PLC0415 - takes a moment to import
    from rich.table import Column, Table  # noqa: PLC0415

    from lazytile.colormaps.synthesis.named import named_colormap_names  # noqa: PLC0415 - as below

    catalog = open_catalog(folder)
    files = catalog.names()
    rows = [_row(catalog, name) for name in files]
    rows += [_computed(name) for name in named_colormap_names() if name not in files]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    columns = ("name", "title", "units", "entries", "from")
    table = Table(Column(columns[0], no_wrap=True), *columns[1:], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


def _computed(name: str) -> dict[str, str | int]:
    from lazytile.colormaps.synthesis.named import named_colormap  # noqa: PLC0415 - numpy takes a moment to import

    colormap = named_colormap(name)
    assert colormap is not None
    title = "random-SEED for other colours" if name == "random" else "spread over the layer's range"
    return {"name": name, "title": title, "units": "", "entries": len(colormap.entries), "from": "computed"}


def _row(catalog: ColormapCatalog, name: str) -> dict[str, str | int]:
    from lazytile.colormaps.formats.readers import read_colormap  # noqa: PLC0415

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
