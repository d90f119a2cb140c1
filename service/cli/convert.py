"""The command ``convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.service.cli.fetch_options import (
    DEFAULT_LIMIT_GB,
    DEFAULT_TIMEOUT_S,
    ChecksumOption,
    DownloadsOption,
    FetchOptions,
    LimitOption,
    ListOption,
    NetrcOption,
    NexusBoxOption,
    NexusDatasetOption,
    NexusTimeOption,
    RefreshOption,
    SourcesArgument,
    TimeoutOption,
    TokenOption,
    nexus_sources,
    read_list,
)
from lazytile.service.cli.lazy_engine import LazyEngine
from lazytile.service.cli.options import (
    DEFAULT_STORE,
    DashboardOption,
    EngineOption,
    StoreOption,
    WorkersOption,
    edges_of,
    progress_bar,
)

if TYPE_CHECKING:
    from pathlib import Path


def convert(
    files: SourcesArgument = None,
    *,
    list_file: ListOption = None,
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the dataset; made of the file's without it.")
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="VARIABLE", help="Variable to take; may be given several times [default: all]."),
    ] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Group of the file to keep to.")] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="VARIABLE", help="Variable that holds x or longitude.")
    ] = None,
    y: Annotated[str | None, typer.Option("--y", metavar="VARIABLE", help="Variable that holds y or latitude.")] = None,
    crs: Annotated[
        str | None, typer.Option("--crs", metavar="CRS", help="Of x and y, such as EPSG:3413; WKT and PROJ texts too.")
    ] = None,
    bounds: Annotated[
        str | None,
        typer.Option(metavar="W,S,E,N", help="Outer edges of an array without coordinates (.npy, .npz)."),
    ] = None,
    nodata: Annotated[
        float | None, typer.Option(metavar="CODE", help="No data, where the file does not say it.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the dataset.")] = None,
    colormap: Annotated[
        str | None, typer.Option(metavar="COLORMAP", help="Colormap of the default style; found by name without it.")
    ] = None,
    codec: Annotated[
        str,
        typer.Option(
            metavar="CODEC", help="Compression: blosc-lz4, blosc-zstd, zstd, gzip or none, with :LEVEL where wanted."
        ),
    ] = "blosc-lz4:5",
    shard: Annotated[
        int, typer.Option(metavar="N", help="Store N x N chunks in a file; 0 gives each chunk its own.", min=0)
    ] = 0,
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Store level 0 alone; overviews are made when they are first looked at.")
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
    """Convert a file or URL to a dataset in the store; a dataset of the same name is replaced at the end."""
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.convert import Storage  # noqa: PLC0415
    from lazytile.pyramid.ingest.convert import convert as run  # noqa: PLC0415
    from lazytile.pyramid.store.codec import Codec  # noqa: PLC0415 - xarray and zarr take a second to import

    storage = Storage(Codec.parse(codec), shard, lazy)
    edges = None if bounds is None else edges_of(bounds)
    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    sources, checksums = _sources(files, list_file, checksum)
    local = fetch.fetched(nexus_sources(sources, nexus_dataset, bbox, time), checksums)
    label = f"converting {base_name(local[0])}"
    with LazyEngine(engine, workers, dashboard) as pool, progress_bar(label, "bytes") as progress:
        dataset = run(
            local,
            store,
            name,
            var or None,
            group=group,
            x=x,
            y=y,
            crs=crs,
            bounds=edges,
            nodata=nodata,
            title=title,
            colormap=colormap,
            storage=storage,
            engine=pool,
            progress=lambda at: progress(at.done_bytes, at.total_bytes),
        )
    layers = ", ".join(dataset.layer_name(variable) for variable in dataset.variables)
    shape = dataset.grid.shape
    typer.echo(
        f"{store / dataset.name}.zarr: {shape.cols} x {shape.rows} cells, {dataset.levels} levels, layers {layers}"
    )


def _sources(
    files: list[str] | None, list_file: Path | None, checksums: list[str] | None
) -> tuple[list[str], list[str]]:
    """Return what to convert and its checksums, from the command line or a list."""
    from lazytile.pyramid.sources.series import files_of  # noqa: PLC0415 - xarray takes a second to import

    if (list_file is None) == (not files):
        raise SourceError("say what to convert: FILE, a file or URL, or a --list of them")
    if list_file is None:
        # Checksums belong to the files in the order in which they are given, which patterns do not have.
        return (list(files or ()), checksums) if checksums else (files_of(files or ()), [])
    if checksums:
        raise SourceError(f"checksums of the files of {list_file} belong into it, behind each file")
    return read_list(list_file)
