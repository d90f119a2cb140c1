"""The command ``warm``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    CacheOption,
    ColormapsOption,
    DashboardOption,
    EngineOption,
    JsonOption,
    LayerArgument,
    MemoryOption,
    StoreOption,
    TileMatrixSetsOption,
    WorkersOption,
    counted,
    existing,
    given,
    print_json,
)
from lazytile.service.cli.options.progress import progress_bar

SHOWN_FAILURES = 10
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
        list[str] | None,
        typer.Option(
            metavar="TIME|START/END",
            help="Time, all from START to END, or all; may be repeated [default: the latest]. With --url only times.",
        ),
    ] = None,
    rescale: Annotated[
        str,
        typer.Option(
            metavar="RANGE",
            help="Range of the colours, MIN,MAX in the units of the layer; viewer: that of the viewer at first.",
        ),
    ] = "",
    spacing: Annotated[
        str, typer.Option(metavar="HOW", help="With --rescale, how to space the colours: keep, even or log.")
    ] = "keep",
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="URL", help="Warm a running server over HTTP, instead of a cache on this machine."
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=512, help="With --url, requests at the same time.")
    ] = 16,
    as_json: JsonOption = False,
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

    The exit code is 1 if the cache cannot be written, as on a full disk, or if a server answers with an error. To
    resume an interrupted warm-up, run the command again.
    """
    from lazytile.pyramid.render.image import ImageFormat  # noqa: PLC0415 - slow to import
    from lazytile.service.app import warm as warming  # noqa: PLC0415
    from lazytile.service.http.errors import CacheError  # noqa: PLC0415
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    if url is not None:
        _warm_remote(url, layer, zoom, tms, style, image_format, time, concurrency, (rescale, spacing), as_json=as_json)
        return
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
        layer,
        warming.parse_zooms(zoom),
        tms,
        style,
        ImageFormat.from_extension(image_format),
        tuple(time or ()),
        rescale,
        spacing,
    )
    try:
        with progress_bar(f"warming {layer}", "tiles") as progress:
            tiers = warming.warm(settings, warm_up, progress)
    except CacheError as error:
        typer.echo(f"lazytile: {error}", err=True)
        raise typer.Exit(UNWRITTEN_CODE) from error
    if as_json:
        print_json(tiles=tiers.total(), tiers=dict(tiers))
        return
    total, computed = tiers.total(), tiers["computed"]
    typer.echo(f"{counted(total, 'tile')}: {computed} computed, {total - computed} there already")


def _warm_remote(  # noqa: PLR0917 - the options of the command
    url: str,
    layer: str,
    zoom: str,
    tms: str,
    style: str,
    image_format: str,
    times: list[str] | None,
    concurrency: int,
    colours: tuple[str, str],
    *,
    as_json: bool,
) -> None:
    """Warm a running server."""
    import asyncio  # noqa: PLC0415 - only here

    from lazytile.pyramid.core.errors import InvalidParameterError  # noqa: PLC0415 - slow to import
    from lazytile.pyramid.core.request_field import RequestField  # noqa: PLC0415
    from lazytile.pyramid.render.image import ImageFormat  # noqa: PLC0415
    from lazytile.service.app.remote_warm import RemoteWarmUp, warm_remote  # noqa: PLC0415
    from lazytile.service.app.warm import ALL_TIMES, parse_zooms  # noqa: PLC0415

    mime = ImageFormat.from_extension(image_format).mime
    chosen = tuple(times or ("default",))
    several = [text for text in chosen if "/" in text or text == ALL_TIMES]
    if several:
        raise InvalidParameterError(RequestField.TIME, f"with --url, --time takes single times, not {several[0]!r}")
    warm_up = RemoteWarmUp(url, layer, parse_zooms(zoom), tms, style, mime, chosen, concurrency)
    warm_up = replace(warm_up, rescale=colours[0], spacing=colours[1])
    with progress_bar(f"warming {layer}", "tiles") as progress:
        found = asyncio.run(warm_remote(warm_up, progress))
    if as_json:
        print_json(tiles=found.done, bytes=found.size_bytes, tiers=dict(found.tiers), failures=found.failures)
    else:
        tiers = ", ".join(f"{count} {tier}" for tier, count in sorted(found.tiers.items())) or "none"
        typer.echo(f"{counted(found.done, 'tile')}, {found.size_bytes / 1e6:.1f} MB: {tiers}; {found.failed} failed")
        for line in found.failures[:SHOWN_FAILURES]:
            typer.echo(f"failed: {line}", err=True)
    if found.failed:
        raise typer.Exit(UNWRITTEN_CODE)
