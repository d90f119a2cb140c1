"""The command ``remove``."""

from __future__ import annotations

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    DatasetArgument,
    JsonOption,
    StoreOption,
    existing,
    print_json,
)


def remove(dataset: DatasetArgument, *, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Remove a dataset from the store."""
    from lazytile.pyramid.store.publish import remove as run  # noqa: PLC0415 - slow to import

    run(existing(store), dataset)
    if as_json:
        print_json(removed=f"{store / dataset}.zarr")
        return
    typer.echo(f"{store / dataset}.zarr is removed")
