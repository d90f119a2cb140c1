"""Rendering as one of several hosts: what another host has rendered is taken, what this one renders is waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lazytile.service.shared_cache.shared_tier import Turn
from lazytile.service.tiles.prepared_tile import RenderedTiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lazytile.service.http.settings import Settings
    from lazytile.service.shared_cache.shared_tier import SharedTier
    from lazytile.service.tiles.prepared_tile import PreparedTile


class SharedTurns:
    """The turns of this host, if there are others."""

    def __init__(self, shared: SharedTier | None, settings: Settings) -> None:
        """Take turns.

        Args:
            shared: The tiles of all hosts; None: there are no others.
            settings: From which estimated time on hosts wait for each other, and how long the end may take.
        """
        self._shared = shared
        self._least_ms = settings.shared_lease_ms
        self._drain_s = settings.shutdown_s

    @property
    def is_on(self) -> bool:
        """Whether there are others, whose tiles can be reached at the moment."""
        return self._shared is not None and self._shared.is_on

    async def rendered(
        self,
        prepared: PreparedTile,
        render: Callable[[], Awaitable[RenderedTiles]],
        keep: Callable[[PreparedTile, dict[str, bytes]], object],
    ) -> RenderedTiles:
        """Return the tiles of a task.

        Args:
            prepared: The task.
            render: Renders the task, and keeps its tiles on this host.
            keep: Keeps tiles of another host on this one.

        Returns:
            The tiles; those that were rendered here are written to the shared tier afterwards.
        """
        if self._shared is None or not self._shared.is_on:
            return await render()
        key, began = prepared.task_key, time.perf_counter()
        if prepared.cost.ms < self._least_ms:
            turn = Turn(await self._shared.find(prepared.tile_keys))
        else:
            turn = await self._shared.turn(key, prepared.tile_keys)
        waited = {"shared": time.perf_counter() - began}
        if turn.tiles is not None:
            keep(prepared, turn.tiles)
            return RenderedTiles(turn.tiles, waited, "shared")
        try:
            rendered = await render()
        except BaseException:
            self._shared.give_up(key, turn.owner)
            raise
        self._shared.put(rendered.tiles, key, turn.owner)
        return RenderedTiles(rendered.tiles, waited | rendered.stages_s)

    async def recheck(self) -> None:
        """Look whether the shared tier answers again after it has failed."""
        if self._shared is not None:
            await self._shared.recheck()

    async def close(self) -> None:
        """Write what waits to the shared tier, and close it."""
        if self._shared is not None:
            await self._shared.close(self._drain_s)
