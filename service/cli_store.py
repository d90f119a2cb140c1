"""The commands ``append``, ``remove`` and ``verify``: the life of a dataset after its conversion."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli_data import LazyEngine
from lazytile.service.cli_fetch import (
    DEFAULT_LIMIT_GB,
    DEFAULT_TIMEOUT_S,
    ChecksumOption,
    DownloadsOption,
    FetchOptions,
    LimitOption,
    NetrcOption,
    NexusBoxOption,
    NexusDatasetOption,
    NexusTimeOption,
    RefreshOption,
    TimeoutOption,
    TokenOption,
    nexus_sources,
)
from lazytile.service.cli_options import (
    DEFAULT_STORE,
    DashboardOption,
    EngineOption,
    StoreOption,
    WorkersOption,
    existing,
    progress_bar,
)

DAMAGED_CODE = 2
"""Exit code of ``verify`` for a dataset that is not what was written."""
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a dataset in the store.")]


def append(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file, or a URL of one, with later times on the dataset's grid.")
    ],
    dataset: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    replace_steps: Annotated[
        bool, typer.Option("--replace-steps", help="Let times that the dataset has take the place of the old steps.")
    ] = False,
    nexus_dataset: NexusDatasetOption = None,
    bbox: NexusBoxOption = None,
    time: NexusTimeOption = None,
    checksum: ChecksumOption = None,
    downloads: DownloadsOption = None,
    netrc: NetrcOption = None,
    token_file: TokenOption = None,
    download_limit: LimitOption = DEFAULT_LIMIT_GB,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_S,
    refresh: RefreshOption = False,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
) -> None:
    """Add the time steps of a file to a dataset; a running server shows them at once, tiles of other times stay."""
    from lazytile.pyramid.append import append as run  # noqa: PLC0415 - xarray takes a second to import
    from lazytile.pyramid.sources.location import last_name  # noqa: PLC0415

    existing(store)
    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    (local,) = fetch.fetched(nexus_sources([file], nexus_dataset, bbox, time), checksum or ())
    label = f"appending {last_name(local)}"
    with LazyEngine(engine, workers, dashboard) as pool, progress_bar(label, "bytes") as progress:
        grown = run(
            local,
            store,
            dataset,
            replace_steps=replace_steps,
            engine=pool,
            progress=lambda at: progress(at.done_bytes, at.total_bytes),
        )
    labels = next(variable.time.labels for variable in grown.variables if variable.time is not None)
    typer.echo(f"{store / grown.name}.zarr: {len(labels)} time steps, the last {labels[-1]}")


def remove(dataset: DatasetArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Remove a dataset from the store."""
    from lazytile.pyramid.publish import remove as run  # noqa: PLC0415 - needed by this command alone

    run(existing(store), dataset)
    typer.echo(f"{store / dataset}.zarr is removed")


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
    from lazytile.pyramid.verify import verify as run  # noqa: PLC0415 - numcodecs takes a moment to import

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
