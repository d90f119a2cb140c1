"""The command ``mrf verify``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lazytile.service.cli.mrf.file_argument import UNSOUND_CODE
from lazytile.service.cli.options.common import JsonOption, counted
from lazytile.service.cli.options.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    found = inspect_files(file, decode=decode, onearth=onearth)
    if as_json:
        documents = [each.document() for each in found]
        typer.echo(json.dumps(documents if file.is_dir() else documents[0], indent=2))
    else:
        print_findings(found)
    if not all(each.is_sound for each in found):
        raise typer.Exit(UNSOUND_CODE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one MRF."""

    path: Path
    report: MrfReport | None
    """None where it cannot be read."""
    reason: str = ""
    """Why it cannot be read."""
    onearth: bool = False
    """Whether OnEarth's requirements were checked."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.report is not None and not self.report.problems

    def document(self) -> dict[str, Any]:
        """Return the members of its JSON object.

        Returns:
            Plain values by name; of an MRF that cannot be read, only its file and the problem.
        """
        if self.report is None:
            return {"file": str(self.path), "problems": [self.reason]}
        return {
            "file": str(self.report.path),
            "pages": self.report.pages,
            "empty": self.report.empty_pages,
            "shared": self.report.shared_pages,
            "data_bytes": self.report.data_bytes,
            "unused_bytes": self.report.unused_bytes,
            "checksums": self.report.has_checksums,
            "problems": self.report.problems,
            **({"onearth": self.report.onearth} if self.onearth else {}),
        }


def inspect_files(file: Path, *, decode: bool = False, onearth: bool = False) -> list[Finding]:
    """Check an MRF, or all in a folder.

    Args:
        file: The .mrf file, or a folder.
        decode: Whether to decode every page as well.
        onearth: Whether to report what mod_mrf cannot serve.

    Returns:
        What was found of each file. One that cannot be read ends the check of a file, but not that of a folder.

    Raises:
        MrfError: The folder holds no MRF, or the file cannot be read.
    """
    from lazytile.pyramid.core.errors import MrfError  # noqa: PLC0415
    from lazytile.pyramid.mrf.check import inspect_mrf  # noqa: PLC0415 - slow to import

    files = sorted(file.rglob("*.mrf")) if file.is_dir() else [file]
    if not files:
        raise MrfError(f"{file} holds no .mrf file")
    found = []
    for each in files:
        try:
            with progress_bar(f"verifying {each.name}", "pages") as progress:
                report = inspect_mrf(each, decode=decode, onearth=onearth, progress=progress)
        except MrfError as error:
            if not file.is_dir():
                raise
            found.append(Finding(each, None, str(error), onearth))
        else:
            found.append(Finding(each, report, onearth=onearth))
    return found


def print_findings(found: Sequence[Finding]) -> None:
    """Print what was found, problems to standard error.

    Args:
        found: Of each file.
    """
    for each in found:
        if each.report is None:
            typer.echo(each.reason, err=True)
        else:
            _print(each.report)


def _print(report: MrfReport) -> None:
    checked = "" if report.has_checksums else ", no checksums to compare with"
    typer.echo(
        f"{report.path}: {counted(report.pages, 'page')}, {report.empty_pages} of them empty, "
        f"{report.shared_pages} shared, {report.data_bytes / 1e6:.1f} MB, {report.unused_bytes} bytes unused{checked}"
    )
    if report.onearth:
        typer.echo(report.onearth)
    for problem in report.problems:
        typer.echo(problem, err=True)
