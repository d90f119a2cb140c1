"""Tiles rendered ahead: the next time step and the neighbours of what was requested, while there is nothing else to do.

One at a time, on a thread that Linux schedules after others, and only while no request waits: under load, everything
that was noted is dropped.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.stop_flag import StoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.tiles.prepared_tile import PreparedTile

NOTED = 64
"""Requests that are followed up; of more, the latest."""
AHEAD = 512
"""Tiles that are remembered as rendered ahead until they are requested."""
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Rows and columns to the neighbours of a tile."""


def following(request: TileRequest) -> Iterator[TileRequest]:
    """Yield what is likely to be requested after a tile.

    Args:
        request: The tile.

    Yields:
        Its next time step, then its neighbours.
    """
    variable, matrix = request.layer.variable, request.matrix
    for at, dimension in enumerate(variable.dimensions):
        index = request.dim_index[at] + 1
        if dimension is variable.time and index < len(dimension.labels):
            yield replace(request, dim_index=(*request.dim_index[:at], index, *request.dim_index[at + 1 :]))
    for down, across in STEPS:
        row, col = request.row + down, request.col + across
        if 0 <= row < matrix.matrix_height and 0 <= col < matrix.matrix_width:
            yield replace(request, row=row, col=col)


class Prefetcher:
    """Renders tiles ahead. Belongs to one event loop."""

    def __init__(
        self,
        prepare: Callable[[TileRequest], PreparedTile],
        render: Callable[[PreparedTile], Awaitable[bool]],
        has_room: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        """Render nothing yet.

        Args:
            prepare: Returns a request with its keys.
            render: Renders a tile into memory; returns False where it was there.
            has_room: Whether nothing else waits.
            metrics: Counts what is rendered ahead, and what of it is requested.
        """
        self._prepare = prepare
        self._render = render
        self._has_room = has_room
        self._metrics = metrics
        self._noted: deque[PreparedTile] = deque(maxlen=NOTED)
        self._ahead: OrderedDict[str, PreparedTile] = OrderedDict()
        self._work: asyncio.Task[None] | None = None

    def requested(self, prepared: PreparedTile) -> None:
        """Take note of a tile that was requested, and has been answered.

        Args:
            prepared: The tile.
        """
        if self._ahead.pop(prepared.key, None) is not None:
            self._metrics.prefetch_hits.inc()
        self._noted.append(prepared)
        if self._work is None:
            self._work = asyncio.create_task(self._follow_up())

    def found(self, key: str) -> None:
        """Take note of a tile that was requested and was in memory.

        Args:
            key: Its key.
        """
        prepared = self._ahead.get(key)
        if prepared is not None:
            self.requested(prepared)

    async def _follow_up(self) -> None:
        try:
            while self._noted:
                prepared = self._noted.pop()
                for request in following(prepared.request):
                    await asyncio.sleep(0)
                    if not self._has_room():
                        self._metrics.prefetch_dropped.inc(1 + len(self._noted))
                        self._noted.clear()
                        break
                    with suppress(LazytileError, StoppedError):  # whoever requests the tile is told
                        await self._render_ahead(self._prepare(request))
        finally:
            self._work = None

    async def _render_ahead(self, prepared: PreparedTile) -> None:
        if prepared.key in self._ahead or not await self._render(prepared):
            return
        self._metrics.prefetched.inc()
        self._ahead[prepared.key] = prepared
        while len(self._ahead) > AHEAD:
            self._ahead.popitem(last=False)

    async def close(self) -> None:
        """End the work."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
