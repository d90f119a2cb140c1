"""The command ``replace``."""

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
    edges_of,
    existing,
    progress_bar,
)


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
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.replace import replace as run  # noqa: PLC0415 - xarray takes a second to import

    existing(store)
    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    local = fetch.fetched(nexus_sources([file], nexus_dataset, bbox, time), checksum or ())
    label = f"converting {base_name(local[0])}"
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
