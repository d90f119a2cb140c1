"""The command ``append``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.fetch_options import (
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
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.append import append as run  # noqa: PLC0415 - xarray takes a second to import

    existing(store)
    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    (local,) = fetch.fetched(nexus_sources([file], nexus_dataset, bbox, time), checksum or ())
    label = f"appending {base_name(local)}"
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
