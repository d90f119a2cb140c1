"""The commands ``connect``: files with which clients find a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from lazytile.service.cli.options.common import JsonOption, print_json

app = typer.Typer(
    help="Write the files with which clients find a running server.", no_args_is_help=True, rich_markup_mode=None
)
DEFAULT_URL = "http://127.0.0.1:8080"


@app.callback()
def _group() -> None:
    """Keep ``qgis`` a command of its own while there is no other."""


@app.command("qgis", short_help="Write the connections of a server for QGIS.")
def qgis(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="Address of the server.")] = DEFAULT_URL,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the files.")] = Path(),
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the connections in QGIS.")] = "lazytile",
    as_json: JsonOption = False,
) -> None:
    """Write the connections of a server for QGIS: NAME-wms.xml (WMTS and WMS) and NAME-xyz.xml (XYZ).

    In QGIS: Layer > Data Source Manager, WMS/WMTS or XYZ, Load.
    """
    from lazytile.colormaps.core.atomic_write import write_atomically  # noqa: PLC0415 - only here
    from lazytile.service.cli.qgis_connections import (  # noqa: PLC0415 - heavy
        document_of,
        wms_connections,
        xyz_connections,
    )

    base = url.rstrip("/")
    layers = [
        (each["title"], each["id"], document_of(base, f"/xyz/{quote(each['id'], safe='')}.json")["maxzoom"])
        for each in document_of(base, "/ogc/collections")["collections"]
    ]
    output.mkdir(parents=True, exist_ok=True)
    files = {"wms": wms_connections(base, name), "xyz": xyz_connections(base, name, layers)}
    paths = {kind: output / f"{name}-{kind}.xml" for kind in files}
    for kind, document in files.items():
        write_atomically(paths[kind], document)
        if not as_json:
            typer.echo(str(paths[kind]))
    if as_json:
        print_json(files=list(paths.values()))
