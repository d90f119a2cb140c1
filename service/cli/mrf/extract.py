"""The command ``mrf extract``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.pyramid.core.errors import MrfError
from lazytile.service.cli.mrf.file_argument import UNSOUND_CODE, FileArgument
from lazytile.service.cli.options.common import JsonOption, print_json


def extract(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write the page to, exactly as it is stored.")],
    *,
    level: Annotated[int, typer.Option(metavar="N", min=0, help="0 is full resolution.")] = 0,
    row: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    col: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    z: Annotated[int, typer.Option("--slice", metavar="N", min=0)] = 0,
    band: Annotated[int, typer.Option(metavar="N", min=0, help="For MRFs with one band per page.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write one page of an MRF to a file; exit with 1 if the page holds no data."""
    from lazytile.pyramid.mrf.reader import MrfReader  # noqa: PLC0415 - slow to import

    with MrfReader(file) as mrf:
        data = mrf.page(level, row, col, z=z, band=band)
    if data is None:
        if as_json:
            print_json(file=None, bytes=0)
        typer.echo(f"{file}: level {level} row {row} column {col} is empty", err=True)
        raise typer.Exit(UNSOUND_CODE)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise MrfError(f"{out} cannot be written: {error.strerror}") from error
    if as_json:
        print_json(file=out, bytes=len(data))
        return
    typer.echo(f"{out}: {len(data)} bytes")
