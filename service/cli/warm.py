"""The command ``warm``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    CacheOption,
    ColormapsOption,
    DashboardOption,
    EngineOption,
    LayerArgument,
    MemoryOption,
    StoreOption,
    TileMatrixSetsOption,
    WorkersOption,
    existing,
    given,
)
from lazytile.service.cli.options.progress import progress_bar

UNWRITTEN_CODE = 1
"""Exit code where tiles were rendered in vain."""


def warm(
    context: typer.Context,
    layer: LayerArgument,
    *,
    zoom: Annotated[str, typer.Option(metavar="ZOOMS", help="Zoom levels, such as 0-4 or 0,2,5-7.")] = "0-4",
    tms: Annotated[str, typer.Option("--tms", metavar="SET", help="Tile matrix set.")] = "WebMercatorQuad",
    style: Annotated[str, typer.Option(metavar="STYLE", help="Style: default, or a colormap.")] = "default",
    time: Annotated[
        list[str] | None, typer.Option(metavar="TIME", help="Time, or all; may be repeated [default: the latest].")
    ] = None,
    image_format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="png or jpg.")] = "png",
    store: StoreOption = DEFAULT_STORE,
    cache: CacheOption = None,
    memory: MemoryOption = None,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
    colormaps: ColormapsOption = None,
    tile_matrix_sets: TileMatrixSetsOption = None,
) -> None:
    """Fill the tile cache with the tiles of a layer that hold data. A server may run meanwhile.

    The exit code is 1 if the cache cannot be written, as on a full disk.
    """
    from lazytile.pyramid.render.image import ImageFormat  # noqa: PLC0415 - slow to import
    from lazytile.service.app import warm as warming  # noqa: PLC0415
    from lazytile.service.http.errors import CacheError  # noqa: PLC0415
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    settings = Settings.of(
        store=given(context, "store", store),
        cache=cache,
        memory_bytes=memory,
        engine=given(context, "engine", engine),
        workers=workers,
        dashboard=dashboard,
        colormaps=colormaps,
        tile_matrix_sets=tile_matrix_sets,
    )
    existing(settings.store)
    warm_up = warming.WarmUp(
        layer, warming.parse_zooms(zoom), tms, style, ImageFormat.from_extension(image_format), tuple(time or ())
    )
    try:
        with progress_bar(f"warming {layer}", "tiles") as progress:
            tiers = warming.warm(settings, warm_up, progress)
    except CacheError as error:
        typer.echo(f"lazytile: {error}", err=True)
        raise typer.Exit(UNWRITTEN_CODE) from error
    typer.echo(
        f"{tiers.total()} tiles: {tiers['computed']} computed, {tiers.total() - tiers['computed']} there already"
    )
