"""The command ``serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    CacheOption,
    ColormapsOption,
    DashboardOption,
    EngineOption,
    JsonOption,
    MemoryOption,
    SettingsOption,
    StoreOption,
    TileMatrixSetsOption,
    existing,
    given,
    print_json_line,
)


def serve(
    context: typer.Context,
    *,
    store: StoreOption = DEFAULT_STORE,
    cache: CacheOption = None,
    cache_limit: Annotated[
        int | None,
        typer.Option(
            "--cache-limit",
            metavar="MB",
            min=1,
            help="Maximum size of the tile cache on disk in megabytes [default: 2048].",
        ),
    ] = None,
    memory: MemoryOption = None,
    no_tile_cache: Annotated[
        bool, typer.Option("--no-tile-cache", help="Cache no tiles at all, to measure the renderer.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on [default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0 selects a free one [default: 8080]."),
    ] = None,
    engine: EngineOption = "auto",
    engine_fallback: Annotated[
        str | None,
        typer.Option(
            "--engine-fallback",
            metavar="ENGINE",
            help="What renders tiles while a Dask engine is not available: threads, or none, so that clients get 503 "
            "[default: none].",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="With the engine threads or a scheduler, server processes that share the port; "
            "with local and cuda, Dask workers behind one server process.",
        ),
    ] = None,
    dashboard: DashboardOption = None,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="URL of the server as clients see it, if it is behind a proxy."),
    ] = None,
    colormaps: ColormapsOption = None,
    tile_matrix_sets: TileMatrixSetsOption = None,
    mrf: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of exported MRFs to serve from [default: mrf, next to the store]."),
    ] = None,
    mrf_unchecked: Annotated[
        Path | None,
        typer.Option(
            "--mrf-unchecked", metavar="FOLDER", help="Folder of MRFs to serve from although they have no checksums."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Never fetch colormaps from the network, even if layers name them.")
    ] = False,
    metatile: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=16, help="Compute N x N tiles per task [default: 1; on a cluster 2]."),
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(
            "--queue",
            metavar="N",
            min=0,
            help="Maximum number of waiting tasks; beyond it clients get 503 [default: 1024].",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", metavar="SECONDS", help="Maximum time of a request; beyond it clients get 504 [default: 30]."
        ),
    ] = None,
    client_timeout: Annotated[
        float | None,
        typer.Option(
            "--client-timeout",
            metavar="SECONDS",
            help="Maximum time that a client takes to send a request or to read a response [default: 20].",
        ),
    ] = None,
    memory_watermark: Annotated[
        str | None,
        typer.Option(
            "--memory-watermark",
            metavar="SIZE",
            help="Resident memory above which no heavy work begins: 8GiB, 512MB, 80% [default: 9/10 of the machine's].",
        ),
    ] = None,
    prefetch: Annotated[
        bool,
        typer.Option("--prefetch", help="Render the next time step and the neighbours of requested tiles when idle."),
    ] = False,
    max_connections: Annotated[
        int | None,
        typer.Option(
            "--max-connections",
            metavar="N",
            min=1,
            help="Maximum connections of a server process [default: what the limit of open files leaves].",
        ),
    ] = None,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, to standard error.")] = False,
    settings_file: SettingsOption = None,
) -> None:
    """Serve a store: WMTS at /wmts, XYZ at /xyz, the viewer at /.

    Every setting can also be set in the environment, as LAZYTILE_ and its name (LAZYTILE_PORT=8081), and in the file
    of --settings; lazytile config shows and checks them. SIGHUP reloads.
    """
    from lazytile.service.app.processes import run_server  # noqa: PLC0415 - slow to import
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    def read() -> Settings:
        settings = Settings.of(
            settings_file=settings_file,
            log_level="debug" if verbose or context.find_root().params.get("verbose") else None,
            store=given(context, "store", store),
            cache=cache,
            cache_limit_bytes=None if cache_limit is None else cache_limit << 20,
            memory_bytes=memory,
            no_tile_cache=no_tile_cache or None,
            host=host,
            port=port,
            engine=given(context, "engine", engine),
            engine_fallback=engine_fallback,
            workers=workers,
            dashboard=dashboard,
            public_url=public_url,
            colormaps=colormaps,
            tile_matrix_sets=tile_matrix_sets,
            offline=offline or None,
            mrf_folder=mrf,
            mrf_unchecked_folder=mrf_unchecked,
            metatile=metatile,
            queue_length=queue,
            timeout_s=timeout,
            client_timeout_s=client_timeout,
            max_connections=max_connections,
            memory_watermark_bytes=memory_watermark,
            prefetch=prefetch or None,
        )
        existing(settings.store)
        return settings

    run_server(read(), partial(_announce, as_json=as_json), read)


def _announce(address: str, engine: str, *, as_json: bool) -> None:
    if as_json:
        print_json_line(address=address, engine=engine)
        return
    typer.echo(f"lazytile is at {address}\nengine: {engine}; Ctrl-C stops the server")
