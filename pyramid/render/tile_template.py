"""What the tiles of one layer, style, time, matrix and format have in common, to make requests, tasks and keys from.

Making one of them from a checked template takes a few microseconds; resolving an address takes a hundred.
"""

from __future__ import annotations

import hashlib
import weakref
from typing import TYPE_CHECKING

from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.render_task import RenderTask
from lazytile.pyramid.render.tile_request import TileRequest, metatile_of

if TYPE_CHECKING:
    from lazytile.pyramid.render.style import Style


class TileTemplate:
    """Makes the request and the task of any tile of a matrix.

    The style is large and belongs to its cache: the template does not keep it alive, and makes nothing without it.
    """

    __slots__ = ("_matrix", "_metatile", "_request", "_style", "_task")

    def __init__(self, request: TileRequest, task: RenderTask, metatile: int) -> None:
        """Take over everything but row, column and style.

        Args:
            request: The request for any tile.
            task: Its task.
            metatile: Tiles on a side of the block that a task renders.
        """
        self._matrix = request.matrix
        self._metatile = metatile
        self._style: weakref.ref[Style] = weakref.ref(request.style)
        self._request = {name: value for name, value in vars(request).items() if name not in {"row", "col", "style"}}
        self._task = {name: value for name, value in vars(task).items() if name not in {"block", "palette"}}

    def at(self, row: int, col: int) -> tuple[TileRequest, RenderTask] | None:
        """Return the request and the task of a tile.

        Args:
            row: Row of the tile; it must be in the matrix.
            col: Column of the tile; it must be in the matrix.

        Returns:
            The two; None once the style has left its cache.
        """
        style = self._style()
        if style is None:
            return None
        side = self._metatile
        block = TileBlock(row, col) if side == 1 else metatile_of(self._matrix, row, col, side)
        put = object.__setattr__  # the dataclasses are frozen, and what they check has been checked
        request, task = object.__new__(TileRequest), object.__new__(RenderTask)
        put(request, "__dict__", {**self._request, "row": row, "col": col, "style": style})
        put(task, "__dict__", {**self._task, "block": block, "palette": style.palette})
        return request, task


class TileKeys:
    """The keys of the tiles of a matrix; what they share is hashed once."""

    __slots__ = ("_end", "_start")

    def __init__(self, task: RenderTask) -> None:
        """Hash what precedes the block in a key.

        Args:
            task: The task of any tile.
        """
        before, _, after = task.key_text(_Placeholder()).partition(_PLACE)
        self._start = hashlib.sha256(before.encode())
        self._end = after.encode()

    def key(self, row: int, col: int) -> str:
        """Return the key of a tile.

        Args:
            row: Row of the tile.
            col: Column of the tile.

        Returns:
            The key, as ``RenderTask.tile_key`` returns it.
        """
        state = self._start.copy()
        state.update(b"TileBlock(row=%d, col=%d, rows=1, cols=1)%b" % (row, col, self._end))
        return state.hexdigest()


_PLACE = "\0"
"""Stands for the block; no ``repr`` contains it."""


class _Placeholder:
    def __repr__(self) -> str:
        return _PLACE
