"""Overviews by the nearest cell, as plain subsampling makes them, for exports that request it.

Every pixel of an overview shows the cell of level 0 under its centre. The centre of a native overview's pixel lies on
the corner of four blocks of cells and takes the one to the lower right; past the grid's edge, the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.render.block_reader import read_codes
from lazytile.pyramid.render.level import choose_level
from lazytile.pyramid.render.location import locate
from lazytile.pyramid.render.renderer import check_generation
from lazytile.pyramid.resampling.location import Location
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.resampling.value_tile import ValueTile
    from lazytile.pyramid.store.dataset import Dataset


def nearest_tile(task: RenderTask) -> ValueTile:
    """Read the codes of level 0 that a task's block shows.

    Args:
        task: To render.

    Returns:
        The codes. ``GenerationChangedError`` is raised as ``render`` does.
    """
    return _nearest_tiles(task, [task.variable])[0]


def nearest_rgba(task: RenderTask) -> NDArray[np.uint8]:
    """Read the cells of level 0 of three variables that a task's block shows, as colours.

    Args:
        task: To render; it has ``rgb``.

    Returns:
        Shape (height, width, 4), uint8. ``GenerationChangedError`` is raised as ``render`` does.
    """
    assert task.rgb is not None
    return task.rgb.pixels([tile.decode() for tile in _nearest_tiles(task, task.variables)])


def _nearest_tiles(task: RenderTask, variables: Sequence[str]) -> list[ValueTile]:
    store = store_at(task.store)
    stored = store.dataset(task.dataset)
    description = stored.description
    location = _native(description, task) if task.tms.is_native else _located(description, task)
    tiles = [read_codes(stored, description.variable(name), task.dim_index, location) for name in variables]
    for seen in (stored, store.dataset(task.dataset)):
        check_generation(task, seen)
    return tiles


def _located(description: Dataset, task: RenderTask) -> Location:
    return locate(description.grid, 1, task.tms, task.matrix, task.block)


def _native(description: Dataset, task: RenderTask) -> Location:
    grid, matrix, block = description.grid, task.matrix, task.block
    level = choose_level(grid, 64, task.tms, matrix)
    rows = _cells(block.row * matrix.tile_height, block.rows * matrix.tile_height, grid.shape.rows, level)
    cols = _cells(block.col * matrix.tile_width, block.cols * matrix.tile_width, grid.shape.cols, level)
    return Location(0, cols, rows)


def _cells(first: int, count: int, length: int, level: int) -> NDArray[np.float64]:
    """Return each pixel's position on level 0: the centre of a cell; NaN past the level's last pixel."""
    pixels = np.arange(first, first + count, dtype=np.int64)
    cells = np.minimum((pixels << level) + (1 << level >> 1), length - 1)
    return np.where(pixels << level < length, cells + 0.5, np.nan)
