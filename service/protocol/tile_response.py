"""The answer to a request for a tile, the same for every tile protocol."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.service.http.reply import is_background, server_timing
from lazytile.service.protocol.own_range import with_own_range
from lazytile.service.protocol.tile_answer import OUTCOME, TileResponse
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.pyramid.catalog.tile_address import RawTileAddress, ResolvedTile
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext

_HARMLESS = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MAX_WARNED = 8
"""Ignored parameters named in one header."""


async def tile_response(request: web.Request, address: RawTileAddress) -> TileResponse:
    """Respond with a tile, or with 304 and no lookup where the client has it.

    Args:
        request: The HTTP request.
        address: The tile's address, split by its protocol.

    Returns:
        The response.

    Raises:
        LazytileError: The address is invalid, or the tile cannot be rendered.
    """
    context = context_of(request)
    outcome = request.get(OUTCOME)
    if outcome is not None:
        raise outcome.error
    began = time.perf_counter()
    for attempt in generation_attempts():
        with attempt:
            snapshot = await context.catalogue.at(address.layer, again=attempt.is_repeated)
            resolved = await context.styles.resolved(snapshot, lambda resolver: resolver.resolve(address))
            resolved = await with_own_range(context, snapshot, resolved)
            prepared = context.broker.prepare(resolved.request)
            resolved_s = time.perf_counter() - began
            known = prepared.matching_etag(request.headers.get("If-None-Match"))
            if known is not None:
                context.metrics.counts.tiles["client"] += 1
                context.metrics.counts.tile(resolved.request.layer.name, "client", {"resolve": resolved_s})
                timing = server_timing({"resolve": resolved_s}, cache="client")
                headers = {"ETag": known, **tile_headers(context, resolved), "Server-Timing": timing}
                return TileResponse(
                    prepared,
                    limit_margin=address.limit_margin if address.is_limited else None,
                    is_like_others=resolved.is_like_others,
                    status=304,
                    headers=headers,
                )
            await asyncio.sleep(0)  # resolving and rendering are two pieces of work
            tile = await context.broker.tile(prepared, is_background=is_background(request.headers))
    stages_s = {"resolve": resolved_s, **tile.stages_s}
    context.metrics.counts.tile(resolved.request.layer.name, tile.tier, {} if tile.tier == "memory" else stages_s)
    timing = server_timing(stages_s, cache=tile.tier)
    headers = {"ETag": prepared.etag_of(tile), **tile_headers(context, resolved), "Server-Timing": timing}
    return TileResponse(
        prepared,
        limit_margin=address.limit_margin if address.is_limited else None,
        is_like_others=resolved.is_like_others,
        body=tile.data,
        headers=headers,
        content_type=resolved.request.image_format.mime,
    )


def tile_headers(context: AppContext, tile: ResolvedTile) -> dict[str, str]:
    """Return the headers that describe what a tile shows: caching, times, warnings.

    Args:
        context: The running service.
        tile: The tile.

    Returns:
        Headers by name.
    """
    return {"Cache-Control": cache_control(context, tile), **time_headers(tile), **warning_headers(tile)}


def cache_control(context: AppContext, tile: ResolvedTile) -> str:
    """Return the Cache-Control header of a tile: the latest time soon has a successor, an older one stays as it is.

    Args:
        context: The running service.
        tile: The tile.

    Returns:
        The value of the header.
    """
    step = tile.time
    return layer_cache_control(context.settings, tile.request.layer, None if step is None else step.is_default)


def layer_cache_control(settings: Settings, layer: Layer, is_latest: bool | None) -> str:
    """Return the Cache-Control header of what shows or holds one time of a layer.

    Args:
        settings: How long clients may cache.
        layer: The layer.
        is_latest: Whether it is the latest time; None for a layer without times.

    Returns:
        The value of the header.
    """
    fixed = settings.layer_max_age_s.get(layer.name, settings.layer_max_age_s.get(layer.dataset.name))
    if fixed is not None:
        return f"public, max-age={fixed}" if fixed else "no-cache"
    if is_latest is None:
        return f"public, max-age={settings.max_age_s}"
    if is_latest:
        return f"public, max-age={settings.latest_max_age_s}"
    return f"public, max-age={settings.old_max_age_s}, immutable"


def warning_headers(tile: ResolvedTile) -> dict[str, str]:
    """Return the Warning header: parameters that were ignored (RFC 7234, 5.5) and nearest values (OGC 06-042, C.4.2).

    Args:
        tile: The tile.

    Returns:
        Headers by name, none without a warning.
    """
    texts = []
    if tile.unknown_parameters:
        names = [name if _HARMLESS.fullmatch(name) else "?" for name in tile.unknown_parameters[:MAX_WARNED]]
        texts.append(f"unknown parameters were ignored: {', '.join(names)}")
    approximate = [step for step in tile.steps if step.is_approximate and _HARMLESS.fullmatch(step.label)]
    texts += [f"nearest value used: {step.parameter}={step.label}" for step in approximate]
    return {"Warning": ", ".join(f'299 lazytile "{text}"' for text in texts)} if texts else {}


def time_headers(tile: ResolvedTile) -> dict[str, str]:
    """Return the headers in which GIBS names the requested time and the time shown.

    Args:
        tile: The tile.

    Returns:
        Headers by name, none for a layer without times.
    """
    step = tile.time
    if step is None:
        return {}
    headers = {"Layer-Time-Actual": step.label}
    if step.requested and step.requested.isascii() and step.requested.isprintable():
        headers["Layer-Time-Request"] = step.requested
    return headers
