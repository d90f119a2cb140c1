"""The group of commands ``colormap``."""

from __future__ import annotations

import typer

from lazytile.service.cli.colormap.convert import convert
from lazytile.service.cli.colormap.fetch import fetch
from lazytile.service.cli.colormap.list_names import list_names
from lazytile.service.cli.colormap.show import show

app = typer.Typer(help="Show, list, fetch and convert colormaps.", no_args_is_help=True)
app.command()(show)
app.command("list", short_help="List the colormaps on this machine.")(list_names)
app.command(short_help="Download colormaps by name.")(fetch)
app.command(short_help="Write a colormap or its legend as a file.")(convert)
