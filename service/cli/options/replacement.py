"""Whether a conversion may replace a dataset that is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError, StoreUnavailableError
from lazytile.pyramid.storage.pointer import dataset_folder

if TYPE_CHECKING:
    from pathlib import Path

OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a dataset of the same name without asking.")
]


def check_replacement(store: Path, name: str, source: str, *, overwrite: bool) -> None:
    """Ask before a dataset is replaced; without a terminal, refuse to replace that of another source.

    Args:
        store: Folder of the datasets.
        name: Of the new dataset.
        source: Name of the file that it is made of, without its folder.
        overwrite: Whether it may be replaced anyway.

    Raises:
        StoreError: The dataset must not be replaced, or the storage does not tell what it is.
    """
    from lazytile.pyramid.store.store import read_description  # noqa: PLC0415 - numpy takes a moment to import

    path = store / f"{name}.zarr"
    if overwrite:
        return
    try:
        there = read_description(dataset_folder(store, name))
    except DatasetNotFoundError:
        return
    except StoreUnavailableError:
        raise  # nobody knows what would be replaced
    except StoreError:
        return  # damaged, or nobody's: the conversion replaces the one and refuses the other
    other = there.source or "an unknown source"
    if sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm(f"{path} holds {other}; replace it?", err=True):
            return
        raise StoreError(f"{path} is left as it is; --name gives the new dataset another name")
    if there.source and there.source != source:
        raise StoreError(f"{path} holds {other}; --overwrite replaces it, --name gives the new dataset another name")
