"""The command ``verify``."""

from __future__ import annotations

import typer

from lazytile.service.cli.lazy_engine import LazyEngine
from lazytile.service.cli.options import (
    DEFAULT_STORE,
    DashboardOption,
    DatasetArgument,
    EngineOption,
    StoreOption,
    WorkersOption,
    existing,
    progress_bar,
)

DAMAGED_CODE = 2
"""Exit code of ``verify`` for a dataset that is not what was written."""


def verify(
    dataset: DatasetArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
) -> None:
    """Check every chunk of a dataset by its checksum, and every level by the one it was made of.

    Damaged files are listed, and the exit code is then 2.
    """
    from lazytile.pyramid.store.verify import verify as run  # noqa: PLC0415 - numcodecs takes a moment to import

    existing(store)
    with LazyEngine(engine, workers, dashboard) as pool, progress_bar(f"verifying {dataset}", "tasks") as progress:
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
