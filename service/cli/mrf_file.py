"""Looking at an MRF file: the commands ``mrf verify``, ``mrf info`` and ``mrf extract``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lazytile.pyramid.core.errors import MrfError
from lazytile.service.cli.options import progress_bar

UNSOUND_CODE = 1
"""Exit code of ``verify`` where something is wrong with the MRF; what is wrong with the request is 2."""

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The .mrf file.")]


def verify(
    file: FileArgument,
    *,
    decode: Annotated[bool, typer.Option("--decode", help="Decode every page as well.")] = False,
    onearth: Annotated[
        bool, typer.Option("--onearth", help="Report what OnEarth's mod_mrf cannot serve, and its SkippedLevels.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every record of an MRF: exit code 0 where all is well, 1 where something is wrong."""
    from lazytile.pyramid.mrf.check import inspect_mrf  # noqa: PLC0415 - needed by this command alone

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


def info(file: FileArgument, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Describe an MRF by its header: size, levels, compression, no data, and what it was made of."""
    from lazytile.pyramid.mrf.check import describe_header  # noqa: PLC0415 - needed by this command alone
    from lazytile.pyramid.mrf.reader import read_header  # noqa: PLC0415

    described = describe_header(read_header(file))
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    width = max(map(len, described))
    typer.echo("\n".join(f"{name:<{width}}  {value}" for name, value in described.items()))


def extract(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write the page to, as it is stored.")],
    *,
    level: Annotated[int, typer.Option(metavar="N", min=0, help="0 is full resolution.")] = 0,
    row: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    col: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    z: Annotated[int, typer.Option("--slice", metavar="N", min=0)] = 0,
    band: Annotated[int, typer.Option(metavar="N", min=0, help="Where a page holds one band.")] = 0,
) -> None:
    """Write one page of an MRF to a file; a page without data is said and exit code 1."""
    from lazytile.pyramid.mrf.reader import MrfReader  # noqa: PLC0415 - needed by this command alone

    with MrfReader(file) as mrf:
        data = mrf.page(level, row, col, z=z, band=band)
    if data is None:
        typer.echo(f"{file}: level {level} row {row} column {col} is empty", err=True)
        raise typer.Exit(UNSOUND_CODE)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise MrfError(f"{out} cannot be written: {error.strerror}") from error
    typer.echo(f"{out}: {len(data)} bytes")
