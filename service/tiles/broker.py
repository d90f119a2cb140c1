"""Tiles for requests: cache, single flight, queue, engine. The server and the warm-up use this one way."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.engines.single_flight import SingleFlight
from lazytile.service.http.reply import matches
from lazytile.service.tiles.admission import WorkClass

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import TileEngine
    from lazytile.pyramid.numbers.task import NumbersTask
    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings
    from lazytile.service.tiles.admission import Admission
    from lazytile.service.tiles.cache import TileCache
    from lazytile.service.tiles.mrf_tier import MrfTier

REMOTE_METATILE = 2
"""Where a task has to travel, four tiles a task cost little more than one. In this process one is best: the other
three would make the client wait for what it may not want."""


@dataclass(frozen=True, slots=True)
class Tile:
    """An encoded tile, and how it was come by."""

    data: bytes
    tier: str
    """``memory``, ``mrf``, ``disk`` or ``computed``."""
    stages_s: dict[str, float] = field(default_factory=dict)
    """Seconds that each stage took."""
    variant: str = ""
    """As of ``MrfTile``: empty for the renderer's own bytes."""


@dataclass(frozen=True, slots=True)
class PreparedTile:
    """A request with the keys that its answer goes by. Made without looking at any cache."""

    request: TileRequest
    task: RenderTask
    key: str
    """Of the tile: names it in the caches and, quoted, is the ETag."""
    is_single: bool
    """Whether the task makes this tile and no other: then both have one key, and a hash is saved."""

    @property
    def flight(self) -> str:
        """Key of the task."""
        return self.key if self.is_single else self.task.key

    @property
    def etag(self) -> str:
        """Strong entity tag (RFC 9110, 8.8.3)."""
        return f'"{self.key}"'

    def etag_of(self, tile: Tile) -> str:
        """Strong entity tag of the bytes of a tile: other bytes of the same pixels have another one."""
        return f'"{self.key}-{tile.variant}"' if tile.variant else self.etag

    def matching_etag(self, if_none_match: str | None) -> str | None:
        """Return the entity tag of If-None-Match that still is this tile's, whichever way the client got it."""
        if matches(if_none_match, self.etag):
            return self.etag
        variant = re.search(f'"{self.key}-[0-9a-f]{{8}}"', if_none_match or "")
        return variant[0] if variant else None

    @property
    def generation_tag(self) -> str:
        """Names the dataset and the generation of the content shown in the disk cache."""
        return f"{self.task.dataset}:{self.task.generation}"


@dataclass(frozen=True, slots=True)
class _Rendered:
    tiles: dict[str, bytes]
    stages_s: dict[str, float]


class TileBroker:
    """Where tiles are asked for: finds them in the caches or has them rendered, each once at a time."""

    def __init__(
        self,
        settings: Settings,
        cache: TileCache,
        engine: TileEngine,
        metrics: Metrics,
        *,
        admission: Admission,
        mrfs: MrfTier | None = None,
    ) -> None:
        self._store: Path = settings.store.resolve()
        self._settings = settings
        self._cache = cache
        self._mrfs = mrfs
        self._engine = engine
        self._metrics = metrics
        self._admission = admission
        self._flights: SingleFlight[_Rendered] = SingleFlight()
        self._documents: SingleFlight[bytes] = SingleFlight()
        self.metatile = settings.metatile or (1 if engine.in_process else REMOTE_METATILE)
        """Tiles on a side of the block that is one task."""
        self._generations: dict[str, str] = {}
        """Of each dataset, as last seen."""
        self._kept: dict[str, set[str]] = {}
        """Generations of each dataset's content that tiles were kept of."""
        self._drops: set[asyncio.Task[None]] = set()

    @property
    def engine_description(self) -> str:
        """One line for people."""
        return self._engine.description

    def prepare(self, request: TileRequest) -> PreparedTile:
        """Return a request with its keys."""
        task = request.task(self._store, metatile=self.metatile, background=self._settings.background)
        tile = request.tile
        return PreparedTile(request, task, task.tile_key(tile), task.block == tile)

    async def tile(self, prepared: PreparedTile) -> Tile:
        """Return the tile. Raises ``BusyError``, ``OverdueError``, and what the renderer raises.

        ``GenerationChangedError`` means that the request is to be resolved anew.
        """
        data = self._cache.peek(prepared.key)
        if data is not None:
            self._metrics.tiles.labels("memory").inc()
            return Tile(data, "memory")
        async with self._admission.time_limit(WorkClass.TILE):
            tile = await self._slower(prepared)
        self._metrics.tiles.labels(tile.tier).inc()
        return tile

    async def _slower(self, prepared: PreparedTile) -> Tile:
        began = time.perf_counter()
        found = None if self._mrfs is None else await self._mrfs.find(prepared.request)
        looked = time.perf_counter()
        lookup = {"mrf": looked - began}
        if found is not None:
            return Tile(found.data, "mrf", lookup, found.variant)
        data = await self._cache.load(prepared.key)
        lookup["disk"] = time.perf_counter() - looked
        if data is not None:
            return Tile(data, "disk", lookup)
        # While the disk was looked at, a neighbour's flight may have landed. From here on nothing else runs before
        # this request has joined its flight or begun it.
        data = self._cache.peek(prepared.key)
        if data is not None:
            return Tile(data, "memory", lookup)
        if self.metatile == 1 and prepared.request.is_light and prepared.key not in self._flights:
            rendered = await self._render_at_once(prepared)
            if rendered is not None:
                return Tile(rendered.tiles[prepared.key], "computed", lookup | rendered.stages_s)
        rendered = await self._flights.run(prepared.flight, lambda: self._render(prepared))
        return Tile(rendered.tiles[prepared.key], "computed", lookup | rendered.stages_s)

    async def _render(self, prepared: PreparedTile) -> _Rendered:
        arrived = time.perf_counter()
        async with self._admission.slot(WorkClass.TILE):
            began = time.perf_counter()
            images = await self._engine.render(prepared.task)
        return await self._keep(prepared, images, arrived, began)

    async def _render_at_once(self, prepared: PreparedTile) -> _Rendered | None:
        """Render without queue or flight: nothing else runs meanwhile. None where the engine would rather not."""
        began = time.perf_counter()
        images = self._engine.render_inline(prepared.task)
        return None if images is None else await self._keep(prepared, images, began, began)

    async def _keep(self, prepared: PreparedTile, images: tuple[bytes, ...], arrived: float, began: float) -> _Rendered:
        """Count and keep the tiles of a task that arrived and began at those times and has just ended."""
        task, ended = prepared.task, time.perf_counter()
        self._metrics.renders.inc()
        self._metrics.rendered_tiles.inc(len(images))
        self._metrics.render_seconds.observe(ended - began)
        if prepared.is_single:
            keys = [prepared.key]
        else:
            keys = [task.tile_key(type(task.block)(row, col)) for row, col in task.block.addresses()]
        tiles = dict(zip(keys, images, strict=True))
        self._note_generation(prepared)
        await self._cache.keep(tiles, prepared.generation_tag)
        stages = {"queue": began - arrived, "render": ended - began, "store": time.perf_counter() - ended}
        return _Rendered(tiles, stages)

    def _note_generation(self, prepared: PreparedTile) -> None:
        """Have the tiles of content that a dataset no longer has dropped once a new generation of it is seen."""
        task, dataset = prepared.task, prepared.request.layer.dataset
        kept = self._kept.setdefault(dataset.name, set())
        kept.add(task.generation)
        known = self._generations.get(dataset.name)
        self._generations[dataset.name] = dataset.generation
        if known is None or known == dataset.generation:
            return
        live = dataset.live_generations()
        gone = {each for each in kept if not live.issuperset(each.split("+"))}
        kept -= gone
        for generation in gone:
            drop = asyncio.create_task(self._cache.drop(f"{dataset.name}:{generation}"))
            self._drops.add(drop)
            drop.add_done_callback(self._drops.discard)

    async def compute(self, task: NumbersTask) -> bytes:
        """Compute numbers on the engine, equal ones once at a time.

        Args:
            task: The numbers.

        Returns:
            A JSON document, for ``read_statistics`` or ``read_values``.

        Raises:
            BusyError: The queue is full.
            OverdueError: The numbers were not ready within the time limit.
            GenerationChangedError: The dataset was replaced; the task must be made anew.
            LazytileError: The computation failed.
        """
        async with self._admission.time_limit(WorkClass.NUMBERS):
            return await self._documents.run(task.key, lambda: self._compute(task))

    async def _compute(self, task: NumbersTask) -> bytes:
        async with self._admission.slot(WorkClass.NUMBERS):
            (document,) = await self._engine.render(task)
        return document

    async def close(self) -> None:
        """Stop what is under way, and close cache and engine."""
        await self._flights.cancel()
        await self._documents.cancel()
        await asyncio.gather(*self._drops, return_exceptions=True)
        await self._engine.close()
        if self._mrfs is not None:
            await self._mrfs.close()
        await self._cache.close()
