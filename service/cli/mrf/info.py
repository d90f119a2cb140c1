"""The command ``mrf info``."""

from __future__ import annotations

import json

import typer

from lazytile.service.cli.mrf.file_argument import FileArgument  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.common import JsonOption  # noqa: TC001


def info(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Describe an MRF by its header: size, levels, compression, no data and provenance."""
    from lazytile.pyramid.mrf.check import describe_header  # noqa: PLC0415 - slow to import
    from lazytile.pyramid.mrf.reader import read_header  # noqa: PLC0415

    described = describe_header(read_header(file))
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    width = max(map(len, described))
    typer.echo("\n".join(f"{name:<{width}}  {value}" for name, value in described.items()))
