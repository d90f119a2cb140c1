"""Work at the start of a server: prepare the capabilities, fetch missing colormaps, log the layers without one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lazytile.colormaps.core.errors import ColormapError, LazytileError
from lazytile.colormaps.core.names import is_name
from lazytile.colormaps.library.catalog import default_user_folder
from lazytile.colormaps.library.online import DEFAULT_SOURCES, OnlineColormaps, OnlineSource
from lazytile.colormaps.synthesis.named import named_colormap
from lazytile.pyramid.kernel.code_tables import output_table
from lazytile.service.overview.layers import overview_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext
    from lazytile.service.wmts.capabilities import Capabilities

LOG = logging.getLogger(__name__)
MAX_FETCHED = 64
"""Most colormaps to request at one start, for the sake of the servers."""
MAX_LOGGED_NAMES = 12
STYLED_AHEAD = 16
"""Layers whose default styles are compiled before anybody asks, some 10 ms each."""
NAME = "{name}"


async def fetch_missing_colormaps(context: AppContext) -> None:
    """Fetch the colormaps that layers lack and log which are missing then. Never raises; failures are logged.

    Args:
        context: The running service.
    """
    try:
        missing = await asyncio.to_thread(_missing, context)
        if missing and not context.settings.offline:
            _announce(context.settings, missing)
            await fetch_colormaps(context.settings, missing)
            context.catalogue.note()
            await context.catalogue.whole()
            missing = await asyncio.to_thread(_missing, context)
        if missing:
            LOG.debug("layers without a colormap of their name have a default one: %s", _some(missing))
            await asyncio.to_thread(_warn_of_chosen, context, set(missing))
    except (LazytileError, OSError) as error:
        LOG.warning("cannot look up the colormaps of the layers: %s", error)


def _announce(settings: Settings, names: list[str]) -> None:
    """Log which servers are asked for which colormaps, and how to switch that off."""
    hosts = dict.fromkeys(urlsplit(source.base).hostname or "" for source in sources_of(settings))
    requested = _some(names[:MAX_FETCHED])
    LOG.info("asking %s for the colormaps %s; --offline switches this off", " and ".join(hosts), requested)


async def prepare(capabilities: Capabilities, snapshot: Snapshot, settings: Settings) -> None:
    """Build before the first request what it would wait for: opening a thousand datasets takes a second.

    Never raises; failures are logged, and occur again in the request.

    Args:
        capabilities: The capabilities.
        snapshot: The catalogue.
        settings: The settings.
    """
    try:
        await asyncio.to_thread(capabilities.document, snapshot, "")
        await asyncio.to_thread(overview_of, snapshot, settings)
    except (LazytileError, OSError) as error:
        LOG.warning("cannot prepare the documents: %s", error)
    await asyncio.to_thread(_prepare_styles, snapshot)


def _prepare_styles(snapshot: Snapshot) -> None:
    """Compile the default styles of some layers and their tables, which takes longer than their first tile else does.

    Whether a style colours anything is looked at in the first request: that reads data.
    """
    for layer in islice(snapshot.layers(), STYLED_AHEAD):
        with suppress(LazytileError, OSError):  # the request says what is wrong
            output_table(snapshot.styles.prepare(layer).palette, layer.variable.packing)


def _missing(context: AppContext) -> list[str]:
    return names_without_colormap(context.snapshot.layers(), context.snapshot.colormaps)


def _warn_of_chosen(context: AppContext, missing: set[str]) -> None:
    """Log the colormaps that somebody chose for a layer and that do not exist: an oversight, unlike a layer's name."""
    chosen: dict[str, list[str]] = {}
    for layer in context.snapshot.layers():
        if layer.variable.colormap in missing:
            chosen.setdefault(layer.variable.colormap, []).append(layer.name)
    for name, layers in islice(chosen.items(), MAX_LOGGED_NAMES):
        LOG.warning("there is no colormap %s, which was chosen for %s: a default one is shown", name, _some(layers))


def names_without_colormap(layers: Iterable[Layer], catalog: ColormapCatalog) -> list[str]:
    """Return the names of the colormaps that layers lack.

    Args:
        layers: The layers.
        catalog: The colormaps there are.

    Returns:
        Names chosen at conversion or equal to those of layers, for which the catalog has no colormap.
    """
    names = dict.fromkeys(colormap_name(layer) for layer in layers)
    return [name for name in names if is_name(name) and not _has(catalog, name)]


def colormap_name(layer: Layer) -> str:
    """Return the name of the colormap for a layer.

    Args:
        layer: The layer.

    Returns:
        The name chosen at conversion, else the layer's.
    """
    return layer.variable.colormap or layer.name


def _has(catalog: ColormapCatalog, name: str) -> bool:
    try:
        return catalog.path_of(name) is not None or named_colormap(name) is not None
    except ColormapError:
        return False


def sources_of(settings: Settings) -> tuple[OnlineSource, ...]:
    """Return the servers to fetch colormaps from.

    Args:
        settings: The settings.

    Returns:
        Those of ``colormap_urls``, else GIBS and the Sea Level Change Portal.

    Raises:
        ColormapError: A URL is invalid.
    """
    if not settings.colormap_urls:
        return DEFAULT_SOURCES
    parts = (url.partition(NAME) for url in settings.colormap_urls)
    return tuple(OnlineSource(base, suffix) for base, _, suffix in parts)


async def fetch_colormaps(settings: Settings, names: list[str]) -> None:
    """Fetch colormaps into the user's folder, as far as they exist, and log the outcome in one line.

    Args:
        settings: The settings.
        names: Names of the colormaps.

    Raises:
        LazytileError: The folder cannot be written.
    """
    online = OnlineColormaps(
        settings.colormaps or default_user_folder(),
        sources_of(settings),
        timeout_s=settings.colormap_timeout_s,
        limit_bytes=settings.colormap_limit_bytes,
        allow_loopback_http=True,
    )
    requested = names[:MAX_FETCHED]
    fetched, failed = await online.prefetch(requested)
    new = [each.name for each in fetched]
    text = f"{len(new)} of {len(requested)} colormaps fetched{': ' + _some(new) if new else ''}"
    LOG.debug("%s%s", text, f"; not fetched: {failed[0]}" if failed else "")


def _some(names: list[str]) -> str:
    more = len(names) - MAX_LOGGED_NAMES
    return ", ".join(names[:MAX_LOGGED_NAMES]) + (f" and {more} more" if more > 0 else "")
