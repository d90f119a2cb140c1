"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath, store_location
from lazytile.pyramid.storage.pointer import POINTER
from lazytile.pyramid.storage.protocol import StorageError

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a dataset in the store.")]
LayerArgument = Annotated[str, typer.Argument(metavar="LAYER", help="Name of a layer, as listed by lazytile info.")]
OutdirArgument = Annotated[
    Path, typer.Argument(metavar="OUTDIR", help="Folder for the output; created if it does not exist.")
]
StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FOLDER",
        envvar="LAZYTILE_STORE",
        help="Folder of the datasets, or s3://BUCKET/PREFIX, gs:// or az://.",
        callback=store_location,
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="FOLDER", envvar="LAZYTILE_CACHE", help="Folder of the tile cache [default: cache]."
    ),
]
ColormapsOption = Annotated[
    Path | None,
    typer.Option(
        "--colormaps", metavar="FOLDER", envvar="LAZYTILE_COLORMAPS", help="Folder with additional colormaps."
    ),
]
TileMatrixSetsOption = Annotated[
    Path | None,
    typer.Option(
        "--tile-matrix-sets",
        metavar="FOLDER",
        envvar="LAZYTILE_TILE_MATRIX_SETS",
        help="Folder with additional tile matrix sets (OGC JSON).",
    ),
]
_ENGINES = "auto, threads, local, cuda, or the address of a Dask scheduler such as tcp://HOST:8786"
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="ENGINE", envvar="LAZYTILE_ENGINE", help=f"Where the work runs: {_ENGINES}.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Number of threads, worker processes or GPUs of the engine [default: all].",
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        envvar="LAZYTILE_MEMORY",
        help="Memory of all caches, in all processes together: 2GiB, 512MB or 25% [default: 1/8 of the machine's].",
    ),
]
ExportMemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        envvar="LAZYTILE_MEMORY",
        help="Memory of all caches, in all processes together: 2GiB, 512MB or 25% [default: 256 MiB for each process, "
        "at most 1/8 of the machine's].",
    ),
]
DashboardOption = Annotated[
    str | None,
    typer.Option(
        "--dashboard",
        metavar="HOST:PORT",
        help="Address of the Dask dashboard for the engines local and cuda, on 127.0.0.1: it has no password.",
    ),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        envvar="LAZYTILE_SETTINGS_FILE",
        help="TOML file of settings; a running server reads it again on SIGHUP.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_STORE = Path("store")
Value = TypeVar("Value")


def given(context: typer.Context, name: str, value: Value) -> Value | None:
    """Return the value of an option that was given.

    Args:
        context: The command's context.
        name: Parameter of the command.
        value: Its value.

    Returns:
        The value; None where it is only the default, so that a settings file may say otherwise.
    """
    source = context.get_parameter_source(name)
    return None if source is None or source.name.startswith("DEFAULT") else value


def print_json(**values: object) -> None:
    """Print what a command reports as a JSON object.

    Args:
        values: The members.
    """
    import json  # noqa: PLC0415 - only where it is asked for

    typer.echo(json.dumps(values, indent=2, default=str))


def print_json_line(**values: object) -> None:
    """Print a JSON object in one line, as a program reads it that goes on running.

    Args:
        values: The members.
    """
    import json  # noqa: PLC0415 - as above

    typer.echo(json.dumps(values, default=str))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Args:
        count: The number.
        noun: The noun in the singular; its plural ends in ``s``.

    Returns:
        Such as ``1 level`` or ``2 levels``.
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def existing(store: Path) -> Path:
    """Return the folder of a store.

    Args:
        store: The folder or URL.

    Returns:
        ``store``.

    Raises:
        StoreUnavailableError: Object storage cannot be reached.
        StoreError: There is no such store.
    """
    try:
        is_there = (store / POINTER).exists() if isinstance(store, ObjectPath) else store.is_dir()
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    if not is_there:
        raise StoreError(f"there is no store at {store}; lazytile convert FILE --store {store} makes one")
    return store
