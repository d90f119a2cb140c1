"""The command ``verify``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.service.cli.mrf.verify import inspect_files, print_findings
from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    DatasetArgument,
    JsonOption,
    StoreOption,
    counted,
    existing,
    print_json,
)
from lazytile.service.cli.options.engine import BulkEngineOptions  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import progress_bar

if TYPE_CHECKING:
    from lazytile.pyramid.verification.verify import Verification

DAMAGED_CODE = 2
"""Exit code for a dataset that differs from what was written."""


@with_option_groups
def verify(
    dataset: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    mrf: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also check the exported MRFs in this folder, as mrf verify does."),
    ] = None,
    as_json: JsonOption = False,
    engine: BulkEngineOptions,
) -> None:
    """Check every chunk of a dataset against its checksum, and every level against the level below it.

    Damaged files are listed; the exit code is then 2.
    """
    from lazytile.pyramid.verification.verify import verify as run  # noqa: PLC0415 - numcodecs takes a moment to import

    existing(store)
    _check_source(store, dataset)
    with engine.open() as pool, progress_bar(f"verifying {dataset}", "tasks") as progress:
        found = run(store, dataset, engine=pool, progress=progress)
    if not as_json:
        _print(dataset, found)
    exports = None if mrf is None else inspect_files(mrf)
    if as_json:
        print_json(
            dataset=dataset,
            checksums=found.files,
            without_checksum=found.unknown,
            overviews=found.chunks,
            problems=found.problems,
            **({} if exports is None else {"mrfs": [each.document() for each in exports]}),
        )
    elif exports is not None:
        print_findings(exports)
    is_sound = all(each.is_sound for each in exports or ())
    if found.problems or not is_sound:
        raise typer.Exit(DAMAGED_CODE)


def _check_source(store: Path, name: str) -> None:
    """Raise ``StoreError`` where a dataset is linked and its source is not what was linked: nothing else is wrong."""
    from lazytile.pyramid.store.store import read_description  # noqa: PLC0415 - as above

    folder = dataset_folder(store, name)
    if not read_description(folder).linked:
        return
    from lazytile.pyramid.linked.record import read_record  # noqa: PLC0415
    from lazytile.pyramid.linked.source_version import version_of  # noqa: PLC0415 - imports xarray

    record = read_record(folder)
    if version_of(record.paths) != record.version:
        raise StoreError(f"the source of dataset {name} has changed; a server or lazytile link links it again")


def _print(dataset: str, found: Verification) -> None:
    for line in found.problems:
        typer.echo(line)
    unknown = f", {counted(found.unknown, 'file')} without a checksum" if found.unknown else ""
    state = counted(len(found.problems), "problem") if found.problems else "all is well"
    typer.echo(
        f"{dataset}: {found.files} checksums compared, {found.chunks} overview chunks computed again{unknown}: {state}"
    )
