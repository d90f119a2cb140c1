"""What the front of the request path and the handlers of tiles tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from lazytile.service.tiles.prepared_tile import PreparedTile


class TileResponse(web.Response):
    """A response with a tile, or 304, that says which tile it is."""

    def __init__(
        self, tile: PreparedTile, *, limit_margin: int | None, is_like_others: bool = True, **options: Any
    ) -> None:
        """Respond with a tile.

        Args:
            tile: The tile.
            limit_margin: Tiles by which one may lie outside the limits of the layer at this address; None where
                none is an error.
            is_like_others: Whether tiles at other rows and columns of the address are made in the same way.
            options: As for ``web.Response``.
        """
        super().__init__(**options)
        self.tile = tile
        self.limit_margin = limit_margin
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
