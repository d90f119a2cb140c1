"""The command ``info``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import DatasetNotFoundError, SourceError, StoreError, StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.service.cli.options.common import DEFAULT_STORE, JsonOption, StoreOption, existing
from lazytile.service.cli.options.fetching import FetchOptions  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.groups import with_option_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.ingest.describe import Description
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.store import Store


@with_option_groups
def info(
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|DATASET]", help="A source file or URL, or a dataset [default: all datasets]."),
    ] = None,
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    fetch: FetchOptions,
) -> None:
    """Describe a source file or URL, or the datasets of a store."""
    from lazytile.pyramid.ingest.describe import describe, format_description  # noqa: PLC0415 - xarray is slow to import
    from lazytile.pyramid.sources.overrides import Overrides  # noqa: PLC0415

    overrides = None
    if subject is not None:
        overrides = Overrides(time=fetch.time_of([subject]))
        (subject,) = fetch.requests([subject])
    descriptions = [describe(path, overrides=overrides) for path in _subjects(subject, store, fetch)]
    if as_json:
        typer.echo(json.dumps([asdict(description) for description in descriptions], indent=2))
    elif descriptions:
        typer.echo("\n\n".join(f"{format_description(each)}{_layers(each)}" for each in descriptions))
    else:
        typer.echo(f"{store} holds no dataset; lazytile convert FILE makes one")


def _layers(description: Description) -> str:
    """Return the line that lists a dataset's layers by the names that other commands and WMTS take."""
    from lazytile.pyramid.store.store import read_description  # noqa: PLC0415 - slow to import

    if description.kind != "dataset":
        return ""
    dataset = read_description(location(description.path))
    layers = ", ".join(dataset.layer_name(variable) for variable in dataset.variables)
    return f"{_source(dataset, location(description.path))}\n  layers      {layers}"


def _source(dataset: Dataset, folder: Path) -> str:
    """Return the line that names the source of a linked dataset."""
    if not dataset.linked:
        return ""
    from lazytile.pyramid.linked.record import read_record  # noqa: PLC0415 - as above

    paths = read_record(folder).paths
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"\n  source      {paths[0]}{more}"


def _readable(store: Store) -> list[Path]:
    """Return the datasets that can be read; say what is wrong with each other one, or raise it where all are such."""
    found: list[Path] = []
    damaged: list[StoreError] = []
    for name in store.names():
        try:
            found.append(store.dataset(name).path)
        except DatasetNotFoundError:
            continue  # it was removed meanwhile
        except StoreUnavailableError:
            raise
        except StoreError as error:
            damaged.append(error)
    if damaged and not found:
        raise damaged[0]
    for each in damaged:
        typer.echo(f"lazytile: {each}", err=True)
    return found


def _subjects(subject: str | None, store: Path, fetch: FetchOptions) -> Sequence[str | Path]:
    """Return what to describe: all datasets of the store, one dataset by name, or a file or URL."""
    from lazytile.pyramid.fetch.source_url import is_url  # noqa: PLC0415 - as below
    from lazytile.pyramid.ingest.opening import stored_names  # noqa: PLC0415 - as below
    from lazytile.pyramid.storage.pointer import dataset_folder  # noqa: PLC0415 - as below
    from lazytile.pyramid.store.dataset import SUFFIX  # noqa: PLC0415 - as below
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415 - slow to import

    if subject is None:
        return _readable(Store(existing(store)))
    is_remote = isinstance(store, ObjectPath)
    is_stored = subject in Store(store).names() if is_remote else (store / f"{subject}{SUFFIX}").exists()
    is_path = Path(subject).name != subject or not is_stored
    if is_url(subject) or (is_path and Path(subject).suffix != SUFFIX):
        named = stored_names(subject)
        if named:
            return [dataset_folder(each.store, each.name) for each in named]
    if is_url(subject) or (Path(subject).exists() and not is_stored):
        return fetch.local_files([subject], store)
    if Path(subject).suffix:
        raise SourceError(f"there is no file {subject}")
    return [Store(existing(store)).dataset(subject).path]
