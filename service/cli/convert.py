"""The command ``convert``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.service.cli.options.common import DEFAULT_STORE, JsonOption, StoreOption, counted, print_json
from lazytile.service.cli.options.engine import BulkEngineOptions  # noqa: TC001
from lazytile.service.cli.options.fetching import ChecksumOption, FetchOptions  # noqa: TC001
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import byte_progress
from lazytile.service.cli.options.replacement import OverwriteOption, check_replacement
from lazytile.service.cli.options.source import SourceOptions  # noqa: TC001
from lazytile.service.cli.options.source_list import read_list


@with_option_groups
def convert(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="A file (netCDF, HDF5, Zarr, GeoTIFF, GRIB or NumPy, also compressed with gzip or bzip2), a URL, or "
            "several of them that form one time series; patterns such as 'sst-*.nc' are expanded.",
            show_default=False,
        ),
    ] = None,
    *,
    list_file: Annotated[
        Path | None,
        typer.Option("--list", metavar="LIST", help="Text file with one file or URL per line, optionally a checksum."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the dataset [default: derived from the file name].")
    ] = None,
    source: SourceOptions,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the dataset.")] = None,
    colormap: Annotated[
        str | None, typer.Option(metavar="COLORMAP", help="Colormap of the default style [default: found by name].")
    ] = None,
    codec: Annotated[
        str,
        typer.Option(
            metavar="CODEC", help="Compression: blosc-lz4, blosc-zstd, zstd, gzip or none, optionally with :LEVEL."
        ),
    ] = "blosc-lz4:5",
    shard: Annotated[
        int, typer.Option(metavar="N", help="Store N x N chunks in one file; 0 means one file per chunk.", min=0)
    ] = 0,
    shard_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Store N time steps in one file; 0 means a file for each step [default: chosen by size, for 32 steps "
            "or more of a small grid].",
            min=0,
            show_default=False,
        ),
    ] = None,
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Store level 0 only; overviews are computed when first requested.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    checksum: ChecksumOption = None,
    fetch: FetchOptions,
    engine: BulkEngineOptions,
) -> None:
    """Convert a file or URL to a dataset in the store.

    A dataset of the same name is replaced once the conversion is complete: after a question, or with --overwrite. To
    resume an interrupted conversion, run the command again.
    """
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.convert import Storage  # noqa: PLC0415
    from lazytile.pyramid.ingest.convert import convert as run  # noqa: PLC0415
    from lazytile.pyramid.ingest.proposed_name import dataset_name  # noqa: PLC0415
    from lazytile.pyramid.store.codec import Codec  # noqa: PLC0415 - xarray and zarr take a second to import

    storage = Storage(Codec.parse(codec), shard, lazy, shard_steps=shard_steps)
    arguments = source.arguments()
    sources, checksums = _sources(files, list_file, checksum)
    local = fetch.local_files(fetch.requests(sources), store, checksums)
    chosen = name or dataset_name(local[0])
    check_replacement(store, chosen, base_name(local[0]), overwrite=overwrite)
    with engine.open() as pool, byte_progress(f"converting {base_name(local[0])}") as progress:
        dataset = run(
            local,
            store,
            chosen,
            **arguments,
            time=fetch.time_of(sources),
            title=title,
            colormap=colormap,
            storage=storage,
            engine=pool,
            progress=progress,
        )
    for remark in dataset.remarks:
        typer.echo(f"note: {remark}", err=True)
    layers = [dataset.layer_name(variable) for variable in dataset.variables]
    shape = dataset.grid.shape
    path = f"{store / dataset.name}.zarr"
    if as_json:
        print_json(dataset=path, rows=shape.rows, cols=shape.cols, levels=dataset.levels, layers=layers)
        return
    typer.echo(
        f"{path}: {shape.cols} x {shape.rows} cells, {counted(dataset.levels, 'level')}, "
        f"{'layers' if len(layers) > 1 else 'layer'} {', '.join(layers)}"
    )


def _sources(
    files: list[str] | None, list_file: Path | None, checksums: list[str] | None
) -> tuple[list[str], list[str]]:
    """Return what to convert and its checksums, from the command line or a list."""
    from lazytile.pyramid.sources.series import files_of  # noqa: PLC0415 - xarray takes a second to import

    if (list_file is None) == (not files):
        raise SourceError("name what to convert: FILE, a file or URL, or a --list of them")
    if list_file is None:
        # Checksums belong to the files in the order in which they are given, which patterns do not have.
        return (list(files or ()), checksums) if checksums else (files_of(files or ()), [])
    if checksums:
        raise SourceError(f"with --list, checksums go into {list_file}, one after each file")
    return read_list(list_file)
