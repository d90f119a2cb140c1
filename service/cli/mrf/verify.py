"""The command ``mrf verify``."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.service.cli.mrf.file_argument import UNSOUND_CODE
from lazytile.service.cli.options.common import JsonOption  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.progress import progress_bar

if TYPE_CHECKING:
    from lazytile.pyramid.mrf.check import MrfReport


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .mrf file, or a folder with such files.")],
    *,
    decode: Annotated[bool, typer.Option("--decode", help="Decode every page as well.")] = False,
    onearth: Annotated[
        bool, typer.Option("--onearth", help="Report what OnEarth's mod_mrf cannot serve, and its SkippedLevels.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every record and page of an MRF against its checksum; exit with 0 if all is sound, with 1 if not."""
    if not are_sound(file, decode=decode, onearth=onearth, as_json=as_json):
        raise typer.Exit(UNSOUND_CODE)


def are_sound(file: Path, *, decode: bool = False, onearth: bool = False, as_json: bool = False) -> bool:
    """Check an MRF, or all in a folder, and print what is found.

    Args:
        file: The .mrf file, or a folder.
        decode: Whether to decode every page as well.
        onearth: Whether to report what mod_mrf cannot serve.
        as_json: Whether to print JSON.

    Returns:
        Whether all are sound.

    Raises:
        MrfError: The folder holds no MRF, or the file cannot be read.
    """
    from lazytile.pyramid.core.errors import MrfError  # noqa: PLC0415
    from lazytile.pyramid.mrf.check import inspect_mrf  # noqa: PLC0415 - slow to import

    files = sorted(file.rglob("*.mrf")) if file.is_dir() else [file]
    if not files:
        raise MrfError(f"{file} holds no .mrf file")
    is_sound = True
    for each in files:
        try:
            with progress_bar(f"verifying {each.name}", "pages") as progress:
                report = inspect_mrf(each, decode=decode, onearth=onearth, progress=progress)
        except MrfError as error:
            if not file.is_dir():
                raise
            typer.echo(str(error), err=True)
            is_sound = False
            continue
        _print(report, as_json=as_json, onearth=onearth)
        is_sound = is_sound and not report.problems
    return is_sound


def _print(report: MrfReport, *, as_json: bool, onearth: bool) -> None:
    if as_json:
        figures = {
            "file": str(report.path),
            "pages": report.pages,
            "empty": report.empty_pages,
            "shared": report.shared_pages,
            "data_bytes": report.data_bytes,
            "unused_bytes": report.unused_bytes,
            "checksums": report.has_checksums,
            "problems": report.problems,
            **({"onearth": report.onearth} if onearth else {}),
        }
        typer.echo(json.dumps(figures, indent=2))
        return
    checked = "" if report.has_checksums else ", no checksums to compare with"
    typer.echo(
        f"{report.path}: {report.pages} pages, {report.empty_pages} of them empty, {report.shared_pages} shared, "
        f"{report.data_bytes / 1e6:.1f} MB, {report.unused_bytes} bytes unused{checked}"
    )
    if report.onearth:
        typer.echo(report.onearth)
    for problem in report.problems:
        typer.echo(problem, err=True)
