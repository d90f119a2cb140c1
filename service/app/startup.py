"""What a server does in the background once it answers: fetch colormaps, tell which layers have none."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError, LazytileError
from lazytile.colormaps.core.names import is_name
from lazytile.colormaps.library.catalog import default_user_folder
from lazytile.colormaps.library.online import DEFAULT_SOURCES, OnlineColormaps, OnlineSource
from lazytile.colormaps.synthesis.named import named_colormap

if TYPE_CHECKING:
    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext
    from lazytile.service.wmts.capabilities import Capabilities

LOG = logging.getLogger(__name__)
MAX_FETCHED = 64
"""Names asked for at one start: the sources are other people's servers."""
MAX_TOLD = 12
NAME = "{name}"


async def fetch_missing_colormaps(context: AppContext) -> None:
    """Do all of it, one after the other. Never raises; what fails is logged in one line."""
    try:
        missing = await asyncio.to_thread(names_without_colormap, context)
        if missing and not context.settings.offline:
            await fetch_colormaps(context.settings, missing)
            missing = await asyncio.to_thread(names_without_colormap, context)
        if missing:
            LOG.info("%s have a default colormap: no colormap has their name", _some(missing))
    except (LazytileError, OSError) as error:
        LOG.warning("looking for the colormaps of the layers failed: %s", error)


async def prepare(capabilities: Capabilities) -> None:
    """Make the capabilities before anybody can ask: a thousand datasets take most of a second to open.

    Never raises; what fails is logged in one line, and fails again for the client that asks.
    """
    try:
        await asyncio.to_thread(capabilities.document, "")
    except (LazytileError, OSError) as error:
        LOG.warning("preparing the capabilities failed: %s", error)


def names_without_colormap(context: AppContext) -> list[str]:
    """Return the colormap names that layers ask for and the catalog has not: chosen at conversion, or the layer's."""
    names = dict.fromkeys(colormap_name(layer) for layer in context.store.layers())
    return [name for name in names if is_name(name) and not _has(context.catalog, name)]


def colormap_name(layer: Layer) -> str:
    """Return the name of the colormap that a layer is to have."""
    return layer.variable.colormap or layer.name


def _has(catalog: ColormapCatalog, name: str) -> bool:
    try:
        return catalog.path_of(name) is not None or named_colormap(name) is not None
    except ColormapError:
        return False


def sources_of(settings: Settings) -> tuple[OnlineSource, ...]:
    """Return where colormaps are asked for. Raises ``ColormapError``."""
    if not settings.colormap_urls:
        return DEFAULT_SOURCES
    parts = (url.partition(NAME) for url in settings.colormap_urls)
    return tuple(OnlineSource(base, suffix) for base, _, suffix in parts)


async def fetch_colormaps(settings: Settings, names: list[str]) -> None:
    """Bring what there is of these colormaps into the user's folder, and say in one line what came of it."""
    online = OnlineColormaps(
        settings.colormaps or default_user_folder(),
        sources_of(settings),
        timeout_s=settings.colormap_timeout_s,
        limit_bytes=settings.colormap_limit_bytes,
        allow_loopback_http=True,
    )
    asked = names[:MAX_FETCHED]
    fetched, failed = await online.prefetch(asked)
    new = [each.name for each in fetched]
    text = f"{len(new)} of {len(asked)} colormaps were fetched{': ' + _some(new) if new else ''}"
    LOG.info("%s%s", text, f"; not fetched: {failed[0]}" if failed else "")


def _some(names: list[str]) -> str:
    more = len(names) - MAX_TOLD
    return ", ".join(names[:MAX_TOLD]) + (f" and {more} more" if more > 0 else "")
