"""Filling the tile cache before anybody asks, through the same code that answers requests."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_limits import tiles_with_data
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.times import lookup
from lazytile.service.app.application import open_context
from lazytile.service.http.parameter_names import TIME
from lazytile.service.tiles.admission import WorkClass

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from lazytile.pyramid.render.image import ImageFormat
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext

MAX_ZOOM = 30
ALL_TIMES = "all"


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What to warm."""

    layer: str
    zooms: tuple[int, ...]
    """Positions of the matrices in their set, coarsest 0."""
    tms: str
    style: str
    image_format: ImageFormat
    times: tuple[str, ...] = ()
    """Empty for the default time; ``all`` for every one."""


def parse_zooms(text: str) -> tuple[int, ...]:
    """Read ``3``, ``0-4`` or ``0,2,5-7``. Raises ``InvalidParameterError``."""
    zooms: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,2})(?:-([0-9]{1,2}))?", part.strip())
        if match is None or int(match[2] or match[1]) > MAX_ZOOM or int(match[1]) > int(match[2] or match[1]):
            raise InvalidParameterError("zoom", f"zoom {text!r} is invalid, it may be such as 3, 0-4 or 0,2,5-7")
        zooms.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(zooms))


def warm(settings: Settings, what: WarmUp, progress: Callable[[int, int], None]) -> Counter[str]:
    """Warm the cache; returns how many tiles came from each tier. ``progress`` is told the tiles done and in all.

    Raises ``LazytileError`` for the first tile that cannot be made.
    """
    return asyncio.run(_warm(settings, what, progress))


async def _warm(settings: Settings, what: WarmUp, progress: Callable[[int, int], None]) -> Counter[str]:
    context = await open_context(settings)
    try:
        layer = context.store.layer(what.layer)
        matrices = _matrices(layer, what)
        steps = _steps(layer, what)
        total = len(steps) * sum(_count(layer, what, matrix) for matrix in matrices)
        tiers: Counter[str] = Counter()
        addresses = (
            address
            for step in steps
            for matrix in matrices
            for address in _addresses(layer, what, matrix, step, context.broker.metatile)
        )

        async def worker() -> None:
            for address in addresses:
                for attempt in generation_attempts():
                    with attempt:
                        request = context.resolver.resolve(address).request
                        tile = await context.broker.tile(context.broker.prepare(request))
                tiers[tile.tier] += 1
                progress(tiers.total(), total)

        await _first_error([worker() for _ in range(_width(context))])
        return tiers
    finally:
        await context.broker.close()


async def _first_error(work: list[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines together; the first exception stops the others and is raised alone, not in a group."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _width(context: AppContext) -> int:
    """Requests at a time: enough that the engine always has a metatile that nobody has asked for yet."""
    return context.admission.limits(WorkClass.TILE).running * context.broker.metatile**2


def _matrices(layer: Layer, what: WarmUp) -> list[TileMatrix]:
    tms = layer.tile_matrix_set(what.tms)
    if what.zooms[-1] >= len(tms.matrices):
        raise InvalidParameterError(
            "zoom", f"zoom {what.zooms[-1]} is not in {tms.identifier}, it may be 0 to {len(tms.matrices) - 1}"
        )
    return [tms.matrices[zoom] for zoom in what.zooms]


def _steps(layer: Layer, what: WarmUp) -> list[str]:
    if not what.times:
        return [lookup.DEFAULT]
    if layer.variable.time is None:
        raise InvalidParameterError(RequestField.TIME, f"layer {layer.name} has no time")
    return list(layer.variable.time.labels) if what.times == (ALL_TIMES,) else list(what.times)


def _count(layer: Layer, what: WarmUp, matrix: TileMatrix) -> int:
    tiles = tiles_with_data(layer, layer.tile_matrix_set(what.tms), matrix)
    return (tiles.max_row - tiles.min_row + 1) * (tiles.max_col - tiles.min_col + 1)


def _addresses(layer: Layer, what: WarmUp, matrix: TileMatrix, step: str, metatile: int) -> Iterator[RawTileAddress]:
    """Yield every tile that holds data, metatile by metatile, so that neighbours are asked for together."""
    tiles = tiles_with_data(layer, layer.tile_matrix_set(what.tms), matrix)
    for top in range(tiles.min_row // metatile * metatile, tiles.max_row + 1, metatile):
        for left in range(tiles.min_col // metatile * metatile, tiles.max_col + 1, metatile):
            for row in range(max(top, tiles.min_row), min(top + metatile, tiles.max_row + 1)):
                for col in range(max(left, tiles.min_col), min(left + metatile, tiles.max_col + 1)):
                    yield RawTileAddress(
                        what.layer,
                        what.style,
                        what.tms,
                        matrix.identifier,
                        str(row),
                        str(col),
                        what.image_format,
                        {TIME.lower(): step},
                    )
