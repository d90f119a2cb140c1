"""What was learned of the addresses of tiles: their families, and single targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.tile_limits import limits_in
from lazytile.pyramid.render.tile_template import TileKeys, TileTemplate
from lazytile.service.front.heads import Heads
from lazytile.service.tiles.prepared_tile import PreparedTile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.protocol.tile_answer import TileResponse

FAMILY_BYTES = 3000
"""Estimate for the parts of a family besides its texts."""


class Family:
    """The tiles whose targets differ in row and column only: everything else was resolved once."""

    __slots__ = (
        "_cost", "_is_single", "_is_small", "_tag", "_template", "cols", "dataset", "heads", "keys", "layer", "nbytes",
        "route", "rows",
    )  # fmt: skip

    def __init__(self, response: TileResponse, headers: Mapping[str, str], route: str, metatile: int) -> None:
        """Learn from the response to one tile.

        Args:
            response: The response.
            headers: Its headers, those of the middleware included.
            route: The route of its address.
            metatile: Tiles on a side of the block that a task renders.

        Raises:
            ValueError: The headers, or the key of the tile, cannot be reproduced.
        """
        prepared = response.tile
        request, task = prepared.request, prepared.task
        self.dataset = request.layer.dataset.name
        self.layer = request.layer.name
        self.route = route
        self.heads = Heads(headers.items(), request.image_format.mime)
        self.keys = TileKeys(task)
        self._is_small = prepared.is_small
        self._template = TileTemplate(request, task, metatile)
        self._is_single = metatile == 1
        self._cost, self._tag = prepared.cost, prepared.generation_tag
        self.rows, self.cols = range(request.matrix.matrix_height), range(request.matrix.matrix_width)
        margin = response.limit_margin
        limits = None if margin is None else limits_in(request.layer, request.tms, request.matrix)
        if margin is not None and limits is not None:
            self.rows = _within(self.rows, limits.min_row - margin, limits.max_row + margin)
            self.cols = _within(self.cols, limits.min_col - margin, limits.max_col + margin)
        if self.keys.key(request.row, request.col) != prepared.key:
            raise ValueError("the key of the tile is not that of its family")
        self.nbytes = FAMILY_BYTES + self.heads.nbytes

    def prepared(self, row: int, col: int, key: str) -> PreparedTile | None:
        """Return a tile of the family, ready to be found or rendered.

        Args:
            row: Row of the tile, one of ``rows``.
            col: Column of the tile, one of ``cols``.
            key: Its key.

        Returns:
            The tile; None once its style has left the cache.
        """
        made = self._template.at(row, col)
        if made is None:
            return None
        request, task = made
        is_single = self._is_single or task.block == request.tile
        return PreparedTile(request, task, key, is_single, self._is_small, self._cost, self._tag)


def _within(tiles: range, first: int, last: int) -> range:
    return range(max(tiles.start, first), min(tiles.stop, last + 1))


@dataclass(slots=True)
class KnownTarget:
    """A target of a known family."""

    family: Family
    row: int
    col: int
    key: str
    nbytes: int
    is_kept: bool = False
    """Whether it is in the cache."""
