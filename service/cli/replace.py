"""The command ``replace``."""

from __future__ import annotations

from typing import Annotated

import typer

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
from lazytile.service.cli.options.fetching import ChecksumOption, FetchOptions  # noqa: TC001
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import byte_progress
from lazytile.service.cli.options.source import SourceOptions  # noqa: TC001


@with_option_groups
def replace(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file or URL that convert can read.")],
    dataset: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    source: SourceOptions,
    as_json: JsonOption = False,
    checksum: ChecksumOption = None,
    fetch: FetchOptions,
    engine: BulkEngineOptions,
) -> None:
    """Replace the content of a dataset with that of a file.

    Layers, title, colormap and storage stay as they were. A running server shows the new content at once.
    """
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.replace import replace as run  # noqa: PLC0415 - xarray takes a second to import

    existing(store)
    local = fetch.local_files(fetch.requests([file]), store, checksum or ())
    with engine.open() as pool, byte_progress(f"converting {base_name(local[0])}") as progress:
        new = run(
            local, store, dataset, **source.arguments(), time=fetch.time_of([file]), engine=pool, progress=progress
        )
    shape = new.grid.shape
    if as_json:
        print_json(dataset=f"{store / new.name}.zarr", rows=shape.rows, cols=shape.cols, levels=new.levels)
        return
    levels = counted(new.levels, "level")
    typer.echo(f"{store / new.name}.zarr is replaced: {shape.cols} x {shape.rows} cells, {levels}")
