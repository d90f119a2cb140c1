"""The command ``remove``."""

from __future__ import annotations

import typer

from lazytile.service.cli.options.common import DEFAULT_STORE, DatasetArgument, StoreOption, existing


def remove(dataset: DatasetArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Remove a dataset from the store."""
    from lazytile.pyramid.store.publish import remove as run  # noqa: PLC0415 - slow to import

    run(existing(store), dataset)
    typer.echo(f"{store / dataset}.zarr is removed")
