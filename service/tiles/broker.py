"""Tiles and numbers for requests: caches, single flight, admission, engine. Server and warm-up share it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from lazytile.pyramid.numbers.cost import numbers_ms
from lazytile.pyramid.subsets.task import SubsetTask
from lazytile.service.admission.work_class import WorkClass
from lazytile.service.tiles.cache import CachedGenerations
from lazytile.service.tiles.inline_tiles import InlineTiles
from lazytile.service.tiles.prefetch import Prefetcher
from lazytile.service.tiles.prepared_tile import PreparedTile, RenderedTiles, Tile
from lazytile.service.tiles.shared_turns import SharedTurns
from lazytile.service.tiles.slower_tiers import SlowerTiers

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import TileEngine
    from lazytile.pyramid.numbers.task import NumbersTask
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.service.admission.admission import Admission
    from lazytile.service.claims.claims import Claims
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings
    from lazytile.service.shared_cache.shared_tier import SharedTier
    from lazytile.service.tiles.cache import TileCache
    from lazytile.service.tiles.mrf_tier import MrfTier

REMOTE_METATILE = 2
"""On another process, a task of four tiles costs little more than one of one; in this one its client would wait."""


class TileBroker:
    """Finds tiles in the caches or has them rendered, equal ones once at a time."""

    def __init__(
        self,
        settings: Settings,
        cache: TileCache,
        engine: TileEngine,
        metrics: Metrics,
        *,
        admission: Admission,
        mrfs: MrfTier | None = None,
        claims: Claims | None = None,
        shared: SharedTier | None = None,
    ) -> None:
        """Serve tiles with these parts; ``close`` closes cache, engine and MRFs.

        Args:
            settings: Folders, size of metatiles.
            cache: The tiers in memory and on disk.
            engine: Renders tiles and computes numbers.
            metrics: Counts what is rendered and served.
            admission: The bounded queue in front of the engine.
            mrfs: Exported MRFs to serve from.
            claims: What this process and others of the machine render at the moment; None: nobody else renders.
            shared: The tiles of all hosts; None: there are no others.
        """
        self._store: Path = settings.store.resolve()
        self._settings = settings
        self._cache = cache
        self._slower = SlowerTiers(cache, mrfs, admission)
        self._engine = engine
        self._metrics = metrics
        self._admission = admission
        self._claims = claims
        self._turns = SharedTurns(shared, settings)
        self.metatile = settings.metatile or (1 if engine.in_process else REMOTE_METATILE)
        """Tiles on a side of the block that one task renders."""
        self._generations = CachedGenerations(cache)
        self._inline = InlineTiles(engine, admission, self._turns, claims, self._store_tiles)
        self._owns_engine = True
        self._prefetcher = (
            Prefetcher(self.prepare, self._render_ahead, lambda: admission.has_room, metrics)
            if settings.prefetch
            else None
        )

    @property
    def engine_description(self) -> str:
        """One line for people."""
        return self._engine.description

    @property
    def engine(self) -> TileEngine:
        """The engine that renders."""
        return self._engine

    def leave_engine_open(self) -> None:
        """Leave the engine open when this closes: another broker has taken it over."""
        self._owns_engine = False

    def prepare(self, request: TileRequest) -> PreparedTile:
        """Return a request with its task and its keys.

        Args:
            request: The request.

        Returns:
            The prepared tile.
        """
        task = request.task(self._store, metatile=self.metatile, background=self._settings.background)
        return PreparedTile.of(request, task)

    def peek(self, key: str) -> bytes | None:
        """Return a tile that is in memory, and count it as served.

        Args:
            key: Key of the tile.

        Returns:
            The tile, or None.
        """
        data = self._cache.peek(key)
        if data is not None:
            self._metrics.counts.tiles["memory"] += 1
            if self._prefetcher is not None:
                self._prefetcher.found(key)
        return data

    def now(self, prepared: PreparedTile) -> Tile | None:
        """Render a small tile that is nowhere yet, and count it as served, without waiting for anything.

        Args:
            prepared: The request with its keys, for a tile that is not in memory.

        Returns:
            The tile; None where ``tile`` is to be awaited.

        Raises:
            NotComputedError: Something else has to be computed for it first.
            GenerationChangedError: The dataset was replaced; resolve the request again.
            LazytileError: The tile cannot be rendered.
        """
        since_ns = self._slower.absent_since(prepared) if self.metatile == 1 and prepared.is_small else None
        rendered = None if since_ns is None else self._inline.at_once(prepared, since_ns)
        if rendered is None:
            return None
        self._metrics.counts.tiles["computed"] += 1
        if self._prefetcher is not None:
            self._prefetcher.requested(prepared)
        return Tile(rendered.tiles[prepared.key], "computed", rendered.stages_s)

    async def tile(
        self, prepared: PreparedTile, *, again: bool = False, is_background: bool = False, in_thread: bool = False
    ) -> Tile:
        """Find or render a tile.

        Args:
            prepared: The request with its keys.
            again: Whether the tile was not found in memory a moment ago.
            is_background: Whether everybody else comes first.
            in_thread: Whether something else has to be computed for it first, as ``now`` has found.

        Returns:
            The tile.

        Raises:
            BusyError: The queue is full.
            OverdueError: The tile was not ready within the time limit.
            GenerationChangedError: The dataset was replaced; resolve the request again.
            LazytileError: The tile cannot be rendered.
        """
        data = None if again else self.peek(prepared.key)
        if data is not None:
            return Tile(data, "memory")
        work_class = WorkClass.BACKGROUND if is_background else self._admission.class_of(prepared.cost.ms)
        since_ns = None if is_background else self._slower.absent_since(prepared)
        tile = None if since_ns is None or in_thread else await self._at_once(prepared, {}, since_ns, work_class)
        if tile is None:
            # Background work has its slot before anybody may join it, or wait for what it has claimed.
            slot = self._admission.slot(work_class) if is_background else nullcontext()
            async with self._admission.time_limit(work_class), slot:
                tile = await self._found_or_rendered(prepared, work_class, since_ns)
        self._metrics.counts.tiles[tile.tier] += 1
        if self._prefetcher is not None:
            self._prefetcher.requested(prepared)
        return tile

    async def _render_ahead(self, prepared: PreparedTile) -> bool:
        """Render a light tile that nobody has requested yet; False where it is in memory, or is not light."""
        is_light = self._admission.class_of(prepared.cost.ms) is WorkClass.LIGHT
        if not is_light or self._cache.peek(prepared.key, again=True) is not None:
            return False
        if await self._cache.load(prepared.key) is None:
            work_class, since_ns = WorkClass.BACKGROUND, time.monotonic_ns()
            async with self._admission.slot(work_class):
                await self._admission.shared(
                    prepared.work_key, lambda: self._claim_and_render(prepared, work_class, since_ns)
                )
        return True

    async def _found_or_rendered(self, prepared: PreparedTile, work_class: WorkClass, since_ns: int | None) -> Tile:
        """Find a tile in the slower tiers, or render it. ``since_ns``: since when it is known not to be there."""
        lookup: dict[str, float] = {}
        if since_ns is None:
            since_ns = time.monotonic_ns()
            tile = await self._slower.find(prepared, lookup) or await self._at_once(
                prepared, lookup, since_ns, work_class
            )
            if tile is not None:
                return tile
        began_ns = since_ns
        rendered = await self._admission.shared(
            prepared.work_key, lambda: self._claim_and_render(prepared, work_class, began_ns)
        )
        return Tile(rendered.tiles[prepared.key], rendered.tier, lookup | rendered.stages_s)

    async def _claim_and_render(self, prepared: PreparedTile, work_class: WorkClass, since_ns: int) -> RenderedTiles:
        """Render a task, or wait for another process of this machine, or another host, that renders it."""
        take_turn = partial(self._turns.rendered, prepared, partial(self._render, prepared, work_class), self._keep)
        if self._claims is None:
            return await take_turn()
        key, began = prepared.task_key, time.perf_counter()
        find = partial(self._slower.find_all, prepared)
        tiles = await self._claims.taken(key, since_ns, find, self._settings.timeout_s)
        if tiles is not None:
            self._metrics.shared_renders.inc()
            return RenderedTiles(tiles, {"wait": time.perf_counter() - began}, "disk")
        try:
            return await take_turn()
        except BaseException:
            self._claims.release(key)
            raise

    async def _render(self, prepared: PreparedTile, work_class: WorkClass) -> RenderedTiles:
        arrived = time.perf_counter()
        has_slot = work_class is WorkClass.BACKGROUND
        async with nullcontext() if has_slot else self._admission.slot(work_class):
            began = time.perf_counter()
            images = await self._engine.render(prepared.task, is_heavy=work_class is not WorkClass.LIGHT)
        return self._store_tiles(prepared, images, arrived, began)

    async def _at_once(
        self, prepared: PreparedTile, lookup: dict[str, float], since_ns: int, work_class: WorkClass
    ) -> Tile | None:
        """Render a small tile on the event loop, in a turn of it: nothing else runs meanwhile.

        None where that is not possible. ``lookup``: seconds spent on other tiers. ``since_ns``: when the search began.
        """
        if self.metatile == 1 and prepared.is_small:
            await self._admission.turn()
        # Another request may have rendered the tile meanwhile. From here on nothing is awaited until this request has
        # joined a task or started it.
        data = self._cache.peek(prepared.key, again=True)
        if data is not None:
            return Tile(data, "memory", lookup)
        rendered = self._inline.render(prepared, since_ns, work_class) if self.metatile == 1 else None
        return None if rendered is None else Tile(rendered.tiles[prepared.key], "computed", lookup | rendered.stages_s)

    def _store_tiles(
        self, prepared: PreparedTile, images: tuple[bytes, ...], arrived: float, began: float
    ) -> RenderedTiles:
        """Count and cache the tiles of a task that was queued and started at these times and has just ended."""
        ended = time.perf_counter()
        self._metrics.counts.rendered(len(images), ended - began)
        tiles = {prepared.key: images[0]} if prepared.is_single else dict(zip(prepared.tile_keys, images, strict=True))
        self._keep(prepared, tiles)
        stages = {"queue": began - arrived, "render": ended - began, "store": time.perf_counter() - ended}
        return RenderedTiles(tiles, stages)

    def _keep(self, prepared: PreparedTile, tiles: dict[str, bytes]) -> None:
        """Store the tiles of a task on this host, then end its claim."""
        self._generations.note(prepared.request.layer.dataset, prepared.task.generation)
        done = () if self._claims is None else (partial(self._claims.release, prepared.task_key),)
        self._cache.put(tiles, prepared.generation_tag, *done)

    async def compute(self, task: NumbersTask | SubsetTask, dataset: Dataset) -> bytes:
        """Compute numbers or write a box of cells on the engine, equal ones once at a time.

        Args:
            task: The numbers or the box. A box is heavy work, whatever its size: writing its file takes longest.
            dataset: The dataset that they are of.

        Returns:
            A JSON document, for ``read_statistics`` or ``read_values``; of a box its file.

        Raises:
            BusyError: The queue is full.
            OverdueError: The numbers were not ready within the time limit.
            GenerationChangedError: The dataset was replaced; make the task again.
            LazytileError: The computation failed.
        """
        kind = WorkClass.HEAVY if isinstance(task, SubsetTask) else self._admission.class_of(numbers_ms(task, dataset))
        async with self._admission.time_limit(kind):
            return await self._admission.shared(f"numbers {task.key}", lambda: self._compute(task, kind))

    async def _compute(self, task: NumbersTask | SubsetTask, work_class: WorkClass) -> bytes:
        async with self._admission.slot(work_class):
            (document,) = await self._engine.render(task, is_heavy=work_class is WorkClass.HEAVY)
        return document

    async def flush(self) -> None:
        """Return when every tile rendered so far is on disk, where other processes find it, or lost."""
        await self._cache.flush()

    async def recheck_cache(self) -> None:
        """Look whether what has failed in the cache works again."""
        await self._cache.recheck()
        await self._turns.recheck()

    async def close(self) -> None:
        """Cancel the work in progress, and close engine, MRFs and cache."""
        if self._prefetcher is not None:
            await self._prefetcher.close()
        await self._admission.close()
        await self._generations.close()
        if self._owns_engine:
            await self._engine.close()
        await self._slower.close()
        await self._turns.close()
        await self._cache.close()
        if self._claims is not None:
            self._claims.close()
