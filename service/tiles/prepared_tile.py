"""A tile request with its task and its keys, and the tile that answers it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.render.cost import tile_cost
from lazytile.service.http.reply import matches
from lazytile.service.tiles.tile_tag import TileTag

if TYPE_CHECKING:
    from lazytile.pyramid.render.cost import Cost
    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.render.tile_request import TileRequest


SMALL_MS = 2.5
"""Estimated time up to which a task may run on the event loop: the estimate is of a task with nothing in memory, and 95
of 100 took less than four fifths of it, so they stay below two milliseconds. Of a lazy dataset it is the time where
nothing has to be made or unpacked from a source first; a task that finds that it must, goes to a thread."""


_VARIANT = re.compile(r'"([0-9a-f]{64})-[0-9a-f]{8}"')
"""The entity tag of other bytes of the same pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """An encoded tile, and where it came from."""

    data: bytes
    tier: str
    """``memory``, ``mrf``, ``disk``, ``shared`` or ``computed``."""
    stages_s: dict[str, float] = field(default_factory=dict)
    """Seconds that each stage took."""
    variant: str = ""
    """As in ``MrfTile``: empty for the renderer's own bytes."""


@dataclass(frozen=True, slots=True)
class RenderedTiles:
    """The tiles of a task by key."""

    tiles: dict[str, bytes]
    stages_s: dict[str, float]
    tier: str = "computed"


@dataclass(frozen=True, slots=True)
class PreparedTile:
    """A request with its task and its keys. Preparing one looks into no cache."""

    request: TileRequest
    task: RenderTask
    key: str
    """Key of the tile in the caches and, quoted, its ETag."""
    is_single: bool
    """Whether the task renders this tile only: then both have one key, and a hash is saved."""
    is_small: bool
    """Whether the task may run on the event loop, for which it must not take long."""
    cost: Cost
    """Of the task."""
    generation_tag: str
    """Names dataset, generation, layers and time in the disk cache."""

    @classmethod
    def of(cls, request: TileRequest, task: RenderTask) -> PreparedTile:
        """Return a request with its keys and its cost.

        Args:
            request: The request.
            task: Its task.

        Returns:
            The prepared tile.
        """
        cost = tile_cost(request, task.block.rows * task.block.cols)
        is_small = cost.ready_ms <= SMALL_MS and request.is_light
        is_single, tag = task.block == request.tile, str(TileTag.of(request))
        return cls(request, task, task.tile_key(request.tile), is_single, is_small, cost, tag)

    @property
    def task_key(self) -> str:
        """Key of the task: equal for tiles of one metatile."""
        return self.key if self.is_single else self.task.key

    @property
    def work_key(self) -> str:
        """Key of the work that equal requests share."""
        return f"tile {self.task_key}"

    @property
    def tile_keys(self) -> list[str]:
        """Keys of the tiles that the task renders, row by row."""
        if self.is_single:
            return [self.key]
        return [self.task.tile_key(type(self.task.block)(row, col)) for row, col in self.task.block.addresses()]

    @property
    def etag(self) -> str:
        """Strong entity tag (RFC 9110, 8.8.3)."""
        return f'"{self.key}"'

    def etag_of(self, tile: Tile) -> str:
        """Return the strong entity tag of a tile: other bytes of the same pixels have another one.

        Args:
            tile: The tile that answers this request.

        Returns:
            The tag, quoted.
        """
        return f'"{self.key}-{tile.variant}"' if tile.variant else self.etag

    def matching_etag(self, if_none_match: str | None) -> str | None:
        """Return the entity tag in If-None-Match that is valid for this tile, whichever tier the client's copy is from.

        Args:
            if_none_match: The header, None without it.

        Returns:
            The tag, quoted; None where no tag is valid.
        """
        return matching_etag(self.key, if_none_match)


def matching_etag(key: str, if_none_match: str | None) -> str | None:
    """Return the entity tag in If-None-Match that is valid for a tile, whichever tier the client's copy is from.

    Args:
        key: Key of the tile.
        if_none_match: The header, None without it.

    Returns:
        The tag, quoted; None where no tag is valid.
    """
    etag = f'"{key}"'
    if if_none_match == etag or matches(if_none_match, etag):
        return etag
    variants = _VARIANT.finditer(if_none_match or "")
    return next((variant[0] for variant in variants if variant[1] == key), None)
