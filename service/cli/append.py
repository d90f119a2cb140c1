"""The command ``append``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    DatasetArgument,
    JsonOption,
    StoreOption,
    existing,
    print_json,
)
from lazytile.service.cli.options.engine import BulkEngineOptions  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.fetching import ChecksumOption, FetchOptions  # noqa: TC001
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import byte_progress


@with_option_groups
def append(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file or URL with later times on the grid of the dataset.")
    ],
    dataset: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    replace_steps: Annotated[
        bool, typer.Option("--replace-steps", help="Replace the time steps that the dataset already has.")
    ] = False,
    time_pattern: Annotated[
        str | None,
        typer.Option(
            "--time-pattern", metavar="PATTERN", help="Where the name of a file that states no time holds it."
        ),
    ] = None,
    as_json: JsonOption = False,
    checksum: ChecksumOption = None,
    fetch: FetchOptions,
    engine: BulkEngineOptions,
) -> None:
    """Append the time steps of a file to a dataset.

    A running server shows them at once and keeps its tiles of other times.
    """
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.append import append as run  # noqa: PLC0415 - xarray takes a second to import

    existing(store)
    (local,) = fetch.local_files(fetch.requests([file]), store, checksum or ())
    with engine.open() as pool, byte_progress(f"appending {base_name(local)}") as progress:
        grown = run(
            local,
            store,
            dataset,
            time=fetch.time_of([file]),
            time_pattern=time_pattern,
            replace_steps=replace_steps,
            engine=pool,
            progress=progress,
        )
    labels = next(variable.time.labels for variable in grown.variables if variable.time is not None)
    if as_json:
        print_json(dataset=f"{store / grown.name}.zarr", times=len(labels), latest=labels[-1])
        return
    typer.echo(f"{store / grown.name}.zarr: {len(labels)} time steps, the last {labels[-1]}")
