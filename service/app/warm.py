"""Warm-up of the tile cache, by the code that answers requests."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_limits import tiles_with_data
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.engines.protocol import EngineSpec
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.times import lookup
from lazytile.service.admission.work_class import WorkClass
from lazytile.service.app.application import open_context
from lazytile.service.http.errors import CacheError
from lazytile.service.http.parameter_names import TIME
from lazytile.service.overview.layers import first_range

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.render.image import ImageFormat
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext

MAX_ZOOM = 30
ALL_TIMES = "all"
MOST_SLOTS = 1024
CLUSTER_METATILE = 4
"""Tiles per side of a metatile on a cluster: a Dask task of 16 tiles takes 50 ms or so, and its overhead 1 ms."""
TASKS_PER_PLACE = 4
"""Metatiles under way for each bulk task that the cluster runs at a time."""
VIEWER_RANGE = "viewer"


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The tiles to render in advance."""

    layer: str
    zooms: tuple[int, ...]
    """Indices of the matrices in their set, 0 being the coarsest."""
    tms: str
    style: str
    image_format: ImageFormat
    times: tuple[str, ...] = ()
    """Empty for the default time; ``all`` for every time; ``START/END`` for those between."""
    rescale: str = ""
    """MIN,MAX of the colours; ``viewer``: the range with which the viewer shows the layer at first; empty: none."""
    spacing: str = "keep"
    """Spacing of the colours in that range."""


def parse_zooms(text: str) -> tuple[int, ...]:
    """Parse zoom levels.

    Args:
        text: Such as ``3``, ``0-4`` or ``0,2,5-7``.

    Returns:
        The levels, ascending.

    Raises:
        InvalidParameterError: The text has another form.
    """
    zooms: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,2})(?:-([0-9]{1,2}))?", part.strip())
        if match is None or int(match[2] or match[1]) > MAX_ZOOM or int(match[1]) > int(match[2] or match[1]):
            raise InvalidParameterError("zoom", f"zoom {text!r} is invalid, it is such as 3, 0-4 or 0,2,5-7")
        zooms.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(zooms))


def warm(settings: Settings, warm_up: WarmUp, progress: Callable[[int, int], None]) -> Counter[str]:
    """Warm the cache.

    Args:
        settings: The settings.
        warm_up: The tiles.
        progress: Called with the number of tiles done and of all tiles.

    Returns:
        Number of tiles from each tier.

    Raises:
        LazytileError: The first tile that cannot be rendered.
        CacheError: The cache cannot be written; no further tiles are rendered.
    """
    return asyncio.run(_warm(settings, warm_up, progress))


async def _warm(settings: Settings, warm_up: WarmUp, progress: Callable[[int, int], None]) -> Counter[str]:
    # All of it is background work, which may have every thread here: nobody asks this process for anything else.
    own: dict[str, Any] = {"access_log": "off", "tracing": False, "background_slots": MOST_SLOTS}
    if settings.metatile is None and EngineSpec.parse(settings.engine).kind in {"local", "cuda", "scheduler"}:
        own["metatile"] = CLUSTER_METATILE
    context = await open_context(settings.model_copy(update=own), is_bulk=True)
    try:
        layer = context.snapshot.layer(warm_up.layer)
        matrices = _matrices(layer, warm_up)
        steps, options = _steps(layer, warm_up), _options(context.snapshot, layer, warm_up)
        total = len(steps) * sum(_count(layer, warm_up, matrix) for matrix in matrices)
        tiers: Counter[str] = Counter()
        addresses = (
            address
            for step in steps
            for matrix in matrices
            for address in _addresses(layer, warm_up, matrix, options | {TIME.lower(): step}, context.broker.metatile)
        )

        async def worker() -> None:
            for address in addresses:
                for attempt in generation_attempts():
                    with attempt:
                        snapshot = await context.catalogue.at(address.layer, again=attempt.is_repeated)
                        resolved = await context.styles.resolved(snapshot, partial(Resolver.resolve, address=address))
                        tile = await context.broker.tile(context.broker.prepare(resolved.request), is_background=True)
                await context.broker.flush()  # no tile is lost, however slow the disk is
                _check_cache(context, tiers, total)
                tiers[tile.tier] += 1
                progress(tiers.total(), total)

        _check_cache(context, tiers, total)
        await _first_error([worker() for _ in range(_width(context))])
        return tiers
    finally:
        await context.close()


def _check_cache(context: AppContext, tiers: Counter[str], total: int) -> None:
    """Raise ``CacheError`` where tiles cannot be written to disk: to render more of them is in vain."""
    if context.metrics.cache_failures() == 0:
        return
    standing = [each.problem for each in Conditions.current().all() if each.key.startswith("tile cache")]
    reason = f": {standing[0]}" if standing else ""
    raise CacheError(
        f"the tile cache in {context.settings.cache} cannot be written{reason}; "
        f"{tiers.total()} of {total} tiles are done"
    )


async def _first_error(work: list[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines together; the first exception cancels the others and is raised, not in a group."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _width(context: AppContext) -> int:
    """Return the number of concurrent requests that keeps the engine supplied with new metatiles."""
    tasks = context.admission.limits(WorkClass.LIGHT).running
    if context.broker.metatile > 1:
        tasks = max(tasks, TASKS_PER_PLACE * context.broker.engine.capacity)
    return min(MOST_SLOTS, tasks * context.broker.metatile**2)


def _matrices(layer: Layer, warm_up: WarmUp) -> list[TileMatrix]:
    tms = layer.tile_matrix_set(warm_up.tms)
    if warm_up.zooms[-1] >= len(tms.matrices):
        raise InvalidParameterError(
            "zoom", f"zoom {warm_up.zooms[-1]} is not in {tms.identifier}, it may be 0 to {len(tms.matrices) - 1}"
        )
    return [tms.matrices[zoom] for zoom in warm_up.zooms]


def _steps(layer: Layer, warm_up: WarmUp) -> list[str]:
    if not warm_up.times:
        return [lookup.DEFAULT]
    if layer.variable.time is None:
        raise InvalidParameterError(RequestField.TIME, f"layer {layer.name} has no time")
    labels = layer.variable.time.labels
    if warm_up.times == (ALL_TIMES,):
        return list(labels)
    steps: list[str] = []
    for text in warm_up.times:
        within = lookup.indices_within(layer.variable.time, text) if "/" in text else None
        steps += [text] if within is None else [labels[at] for at in within]
    return list(dict.fromkeys(steps))


def _options(snapshot: Snapshot, layer: Layer, warm_up: WarmUp) -> dict[str, str]:
    """Return the options of the tiles, spelled as the viewer spells them."""
    if warm_up.rescale != VIEWER_RANGE:
        return range_options(warm_up.rescale, warm_up.spacing)
    found = first_range(snapshot, layer)
    return {} if found is None else range_options(",".join(map(repr, found[0])), found[1])


def range_options(rescale: str, spacing: str) -> dict[str, str]:
    """Return the options of tiles in a range of colours.

    Args:
        rescale: ``MIN,MAX``; empty for the colormap's own.
        spacing: ``keep``, ``even`` or ``log``.

    Returns:
        Values by name of the option.
    """
    return ({"rescale": rescale} if rescale else {}) | ({"spacing": spacing} if rescale and spacing != "keep" else {})


def _count(layer: Layer, warm_up: WarmUp, matrix: TileMatrix) -> int:
    tiles = tiles_with_data(layer, layer.tile_matrix_set(warm_up.tms), matrix)
    return (tiles.max_row - tiles.min_row + 1) * (tiles.max_col - tiles.min_col + 1)


def _addresses(
    layer: Layer, warm_up: WarmUp, matrix: TileMatrix, parameters: dict[str, str], metatile: int
) -> Iterator[RawTileAddress]:
    """Yield every tile with data, metatile by metatile, so that neighbours are requested together."""
    tiles = tiles_with_data(layer, layer.tile_matrix_set(warm_up.tms), matrix)
    for top in range(tiles.min_row // metatile * metatile, tiles.max_row + 1, metatile):
        for left in range(tiles.min_col // metatile * metatile, tiles.max_col + 1, metatile):
            for row in range(max(top, tiles.min_row), min(top + metatile, tiles.max_row + 1)):
                for col in range(max(left, tiles.min_col), min(left + metatile, tiles.max_col + 1)):
                    yield RawTileAddress(
                        warm_up.layer,
                        warm_up.style,
                        warm_up.tms,
                        matrix.identifier,
                        str(row),
                        str(col),
                        warm_up.image_format,
                        parameters,
                    )
