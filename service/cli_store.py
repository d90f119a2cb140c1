"""The commands ``append``, ``replace``, ``remove`` and ``verify``: the life of a dataset after its conversion."""

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
    edges_of,
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


def replace(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="What takes the dataset's place, a file or a URL of one; as for convert."),
    ],
    dataset: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="VARIABLE", help="Variable to take; several may be given [default: the layers]."),
    ] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Group of the file to keep to.")] = None,
    x: Annotated[str | None, typer.Option("--x", metavar="VARIABLE", help="As for convert.")] = None,
    y: Annotated[str | None, typer.Option("--y", metavar="VARIABLE", help="As for convert.")] = None,
    crs: Annotated[str | None, typer.Option("--crs", metavar="CRS", help="As for convert.")] = None,
    bounds: Annotated[str | None, typer.Option(metavar="W,S,E,N", help="As for convert.")] = None,
    nodata: Annotated[float | None, typer.Option(metavar="CODE", help="As for convert.")] = None,
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
    """Convert a file in the place of a dataset, stored and shown as the old one; a running server shows it at once."""
    from lazytile.pyramid.replace import replace as run  # noqa: PLC0415 - xarray takes a second to import
    from lazytile.pyramid.sources.location import last_name  # noqa: PLC0415

    existing(store)
    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    local = fetch.fetched(nexus_sources([file], nexus_dataset, bbox, time), checksum or ())
    label = f"converting {last_name(local[0])}"
    with LazyEngine(engine, workers, dashboard) as pool, progress_bar(label, "bytes") as progress:
        new = run(
            local,
            store,
            dataset,
            var or None,
            group=group,
            x=x,
            y=y,
            crs=crs,
            bounds=None if bounds is None else edges_of(bounds),
            nodata=nodata,
            engine=pool,
            progress=lambda at: progress(at.done_bytes, at.total_bytes),
        )
    shape = new.grid.shape
    typer.echo(f"{store / new.name}.zarr is replaced: {shape.cols} x {shape.rows} cells, {new.levels} levels")


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
