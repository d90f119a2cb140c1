"""The command ``verify``."""

from __future__ import annotations

import typer

from lazytile.service.cli.options.common import DEFAULT_STORE, DatasetArgument, StoreOption, existing
from lazytile.service.cli.options.engine import BulkEngineOptions  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import progress_bar

DAMAGED_CODE = 2
"""Exit code for a dataset that differs from what was written."""


@with_option_groups
def verify(dataset: DatasetArgument, *, store: StoreOption = DEFAULT_STORE, engine: BulkEngineOptions) -> None:
    """Check every chunk of a dataset against its checksum, and every level against the level below it.

    Damaged files are listed; the exit code is then 2.
    """
    from lazytile.pyramid.store.verify import verify as run  # noqa: PLC0415 - numcodecs takes a moment to import

    existing(store)
    with engine.open() as pool, progress_bar(f"verifying {dataset}", "tasks") as progress:
        found = run(store, dataset, engine=pool, progress=progress)
    for line in found.problems:
        typer.echo(line)
    unknown = f", {found.unknown} files have no checksum" if found.unknown else ""
    state = f"{len(found.problems)} problems" if found.problems else "all is well"
    typer.echo(
        f"{dataset}: {found.files} checksums compared, {found.chunks} overview chunks computed again{unknown}: {state}"
    )
    if found.problems:
        raise typer.Exit(DAMAGED_CODE)
