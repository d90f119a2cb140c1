"""The command ``bench``: how fast this installation is on this machine."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lazytile.service.cli.options.common import JsonOption  # noqa: TC001 - Typer reads annotations

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.render.render_task import RenderTask

STEP_DEGREES = 0.1
ZOOMS = (2, 3, 4, 5)


def bench(
    *,
    seconds: Annotated[
        float,
        typer.Option("--seconds", metavar="SECONDS", min=0.1, max=600, help="Time for each measurement of tiles."),
    ] = 3.0,
    as_json: JsonOption = False,
) -> None:
    """Measure this installation: converting a made-up grid of 0.1 degrees, and rendering tiles of it.

    It takes a quarter of a minute, and writes to a temporary folder only. Figures of a busy machine mean little.
    """
    import tempfile  # noqa: PLC0415 - only here
    from pathlib import Path as LocalPath  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="lazytile-bench-") as folder:
        figures = _measure(LocalPath(folder), seconds)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value}")


def _measure(folder: Path, seconds: float) -> dict[str, Any]:
    from lazytile import __version__  # noqa: PLC0415 - as below
    from lazytile.pyramid.core.processors import processor_count  # noqa: PLC0415
    from lazytile.pyramid.demo.sst_file import regular_grid, write_sst  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.pyramid.ingest.convert import convert  # noqa: PLC0415 - xarray takes a second to import
    from lazytile.pyramid.kernel.selection import current_kernel  # noqa: PLC0415

    write_sst(folder / "sst.nc", *regular_grid(STEP_DEGREES), 1)
    began = time.perf_counter()
    made = convert(folder / "sst.nc", folder / "store", "sst")
    converting = time.perf_counter() - began
    cells = made.grid.shape.rows * made.grid.shape.cols
    tasks = _tasks(folder / "store")
    first = _rate(tasks, 1, 0.0)
    return {
        "version": __version__,
        "kernel": type(current_kernel()).__name__,
        "processors": processor_count(),
        "cells": cells,
        "convert_seconds": round(converting, 2),
        "convert_cells_per_second": round(cells / converting),
        "tiles_per_second_first_pass": round(first),
        "tiles_per_second_one_thread": round(_rate(tasks, 1, seconds)),
        "tiles_per_second_all_threads": round(_rate(tasks, processor_count(), seconds)),
    }


def _tasks(store: Path) -> list[RenderTask]:
    """Return the tasks of all tiles of some zooms."""
    from lazytile.pyramid.reading.view import LayerView  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    view = LayerView(Store(store), "sst", "analysed_sst")
    return [
        view.tile_task(("WebMercatorQuad", str(zoom), str(row), str(col)))
        for zoom in ZOOMS
        for row in range(1 << zoom)
        for col in range(1 << zoom)
    ]


def _rate(tasks: list[RenderTask], threads: int, seconds: float) -> float:
    """Render all tasks, again until the time is up, and return the tiles per second."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only here

    from lazytile.pyramid.render.renderer import render  # noqa: PLC0415 - numpy takes a moment to import

    done, began = 0, time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        while not done or time.perf_counter() - began < seconds:
            done += sum(len(tiles) for tiles in pool.map(render, tasks))
    return done / (time.perf_counter() - began)
