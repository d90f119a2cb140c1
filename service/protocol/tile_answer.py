"""What the front of the request path and the handlers of tiles tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from lazytile.service.tiles.prepared_tile import PreparedTile


class TileResponse(web.Response):
    """A response with a tile, or 304, that says which tile it is."""

    def __init__(self, tile: PreparedTile, *, is_limited: bool, is_like_others: bool = True, **options: Any) -> None:
        """Respond with a tile.

        Args:
            tile: The tile.
            is_limited: Whether tiles outside the limits of the layer are errors at this address.
            is_like_others: Whether tiles at other rows and columns of the address are made in the same way.
            options: As for ``web.Response``.
        """
        super().__init__(**options)
        self.tile = tile
        self.is_limited = is_limited
        self.is_like_others = is_like_others


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why the tile of a request could not be made before routing: the handler raises it again."""

    error: Exception
    began: float
    """When the request began, by ``time.perf_counter``."""


ARRIVED: web.RequestKey[float] = web.RequestKey("arrived", float)
"""When the front read the request, by the clock of the loop."""
OUTCOME: web.RequestKey[Outcome] = web.RequestKey("outcome", Outcome)
