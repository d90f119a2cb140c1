"""Fetching the colormap that an exported layer lacks, as a server does it at its start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.layer import Layer

OfflineOption = Annotated[
    bool,
    typer.Option(
        "--offline",
        envvar="LAZYTILE_OFFLINE",
        help="Never fetch the layer's colormap from the network, even if it is missing here.",
    ),
]


def fetch_missing_colormap(layer: Layer, colormaps: Path | None, *, offline: bool) -> None:
    """Fetch the colormap of a layer's default style if it is missing, from the servers that ``lazytile serve`` asks.

    Where that fails, the reason is logged, and the layer has the colours that it would have offline.

    Args:
        layer: The layer.
        colormaps: Folder with additional colormaps; None for the user's own.
        offline: Whether to leave the network alone.
    """
    import asyncio  # noqa: PLC0415 - these take a moment to import
    import logging  # noqa: PLC0415

    from lazytile.colormaps.core.errors import LazytileError  # noqa: PLC0415
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415
    from lazytile.service.app.startup import fetch_colormaps, names_without_colormap  # noqa: PLC0415
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    missing = names_without_colormap([layer], ColormapCatalog(colormaps or default_user_folder()))
    if offline or not missing:
        return

    async def fetch() -> None:
        async with asyncio.timeout(settings.colormap_timeout_s):
            await fetch_colormaps(settings, missing)

    log = logging.getLogger(__name__)
    try:
        settings = Settings.of(colormaps=colormaps)
        asyncio.run(fetch())
    except TimeoutError:
        log.warning("no server answered with a colormap %s in time; --offline asks none", missing[0])
    except (LazytileError, OSError) as error:
        log.warning("colormap %s cannot be fetched: %s", missing[0], error)
