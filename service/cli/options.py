"""Options that several commands share, and what they print."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a dataset in the store.")]


CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="FOLDER", envvar="LAZYTILE_CACHE", help="Folder of the tile cache [default: cache]."
    ),
]
ColormapsOption = Annotated[
    Path | None,
    typer.Option("--colormaps", metavar="FOLDER", envvar="LAZYTILE_COLORMAPS", help="Folder of further colormaps."),
]


ENGINES = "auto, threads, local, cuda, or the address of a Dask scheduler such as tcp://HOST:8786"

StoreOption = Annotated[
    Path, typer.Option("--store", metavar="FOLDER", envvar="LAZYTILE_STORE", help="Folder of the datasets.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="ENGINE", envvar="LAZYTILE_ENGINE", help=f"Where the work runs: {ENGINES}.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Threads, worker processes or GPUs of the engine; as many as there are without it.",
    ),
]
DashboardOption = Annotated[
    str | None,
    typer.Option(
        "--dashboard",
        metavar="HOST:PORT",
        help="Address of Dask's dashboard for the engines local and cuda; it asks for no password.",
    ),
]

# What the exports of a layer share.
LayerArgument = Annotated[str, typer.Argument(metavar="LAYER", help="Layer, as lazytile info lists them.")]
StyleOption = Annotated[str, typer.Option(metavar="STYLE", help="Style: default or a colormap.")]
FinestOption = Annotated[
    str | None, typer.Option(metavar="MATRIX", help="Tile matrix of full resolution; chosen by the data without it.")
]
TimesOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TIME", help="Time, or the start of one (2019-01); several may be given [default: all]."),
]
StepsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=LABEL", help="Step of another dimension; several may be given [default: all]."),
]

DEFAULT_STORE = Path("store")


def edges_of(text: str) -> tuple[float, float, float, float]:
    """Return the four numbers of ``--bounds``, or raise ``SourceError``."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SourceError(f"--bounds takes WEST,SOUTH,EAST,NORTH, not {text!r}") from error
    return west, south, east, north


def existing(store: Path) -> Path:
    """Return the folder of a store, or raise ``StoreError`` where there is none."""
    if not store.is_dir():
        raise StoreError(f"there is no store at {store}; lazytile convert FILE --store {store} makes one")
    return store


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[float, float], None]]:
    """Show a bar with rate and time left on standard error while the context lasts.

    Yields what is told how much is done, and of how much. Where standard error is no terminal there is no bar.
    """
    from rich.console import Console  # noqa: PLC0415 - only where a bar is shown
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Rate(ProgressColumn):
        """How many a second; nothing where that is not known yet."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.0f} {unit}/s")

    console = Console(stderr=True)
    amount: list[ProgressColumn] = (
        [DownloadColumn(binary_units=True), TransferSpeedColumn()]
        if unit == "bytes"
        else [MofNCompleteColumn(), Rate()]
    )
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=False) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
