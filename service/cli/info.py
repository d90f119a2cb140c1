"""The command ``info``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.service.cli.fetch_options import (
    DEFAULT_LIMIT_GB,
    DEFAULT_TIMEOUT_S,
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
from lazytile.service.cli.options import DEFAULT_STORE, StoreOption, existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.ingest.describe import Description


def info(
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|DATASET]", help="A source file or URL, or a dataset; all datasets without it."),
    ] = None,
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    nexus_dataset: NexusDatasetOption = None,
    bbox: NexusBoxOption = None,
    time: NexusTimeOption = None,
    downloads: DownloadsOption = None,
    netrc: NetrcOption = None,
    token_file: TokenOption = None,
    download_limit: LimitOption = DEFAULT_LIMIT_GB,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_S,
    refresh: RefreshOption = False,
) -> None:
    """Describe a source file or URL before it is converted, or what a store holds."""
    from lazytile.pyramid.ingest.describe import describe, format_description  # noqa: PLC0415 - xarray is slow to import

    fetch = FetchOptions(store, downloads, netrc, token_file, download_limit, timeout, refresh)
    if subject is not None:
        (subject,) = nexus_sources([subject], nexus_dataset, bbox, time)
    descriptions = [describe(path) for path in _subjects(subject, store, fetch)]
    if as_json:
        typer.echo(json.dumps([asdict(description) for description in descriptions], indent=2))
    elif descriptions:
        typer.echo("\n\n".join(f"{format_description(each)}{_layers(each)}" for each in descriptions))
    else:
        typer.echo(f"{store} holds no dataset; lazytile convert FILE makes one")


def _layers(description: Description) -> str:
    """Return the line that names a dataset's layers, as the other commands and WMTS want them."""
    from lazytile.pyramid.store.store import read_description  # noqa: PLC0415 - needed by this command alone

    if description.kind != "dataset":
        return ""
    dataset = read_description(Path(description.path))
    return f"\n  layers      {', '.join(dataset.layer_name(variable) for variable in dataset.variables)}"


def _subjects(subject: str | None, store: Path, fetch: FetchOptions) -> Sequence[str | Path]:
    """Return what to describe: everything in the store, or one dataset by name, or any file or URL."""
    from lazytile.pyramid.fetch.source_url import is_url  # noqa: PLC0415 - as below
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415 - needed by this command alone

    if subject is None:
        return [stored.path for stored in Store(existing(store)).datasets()]
    if is_url(subject) or (Path(subject).exists() and not (store / f"{subject}.zarr").exists()):
        return fetch.fetched([subject])
    if Path(subject).suffix:
        raise SourceError(f"there is no file {subject}")
    return [Store(existing(store)).dataset(subject).path]
