"""The command ``mrf verify``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lazytile.service.cli.mrf.file_argument import UNSOUND_CODE, FileArgument
from lazytile.service.cli.options.common import JsonOption  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.progress import progress_bar


def verify(
    file: FileArgument,
    *,
    decode: Annotated[bool, typer.Option("--decode", help="Decode every page as well.")] = False,
    onearth: Annotated[
        bool, typer.Option("--onearth", help="Report what OnEarth's mod_mrf cannot serve, and its SkippedLevels.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every record of an MRF; exit with 0 if it is sound, with 1 if it is damaged."""
    from lazytile.pyramid.mrf.check import inspect_mrf  # noqa: PLC0415 - slow to import

    with progress_bar(f"verifying {file.name}", "pages") as progress:
        report = inspect_mrf(file, decode=decode, onearth=onearth, progress=progress)
    if as_json:
        figures = {
            "file": str(file),
            "pages": report.pages,
            "empty": report.empty_pages,
            "shared": report.shared_pages,
            "data_bytes": report.data_bytes,
            "unused_bytes": report.unused_bytes,
            "problems": report.problems,
            **({"onearth": report.onearth} if onearth else {}),
        }
        typer.echo(json.dumps(figures, indent=2))
    else:
        typer.echo(
            f"{file}: {report.pages} pages, {report.empty_pages} of them empty, {report.shared_pages} shared, "
            f"{report.data_bytes / 1e6:.1f} MB, {report.unused_bytes} bytes unused"
        )
        if report.onearth:
            typer.echo(report.onearth)
        for problem in report.problems:
            typer.echo(problem, err=True)
    if report.problems:
        raise typer.Exit(UNSOUND_CODE)
