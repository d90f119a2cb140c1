"""Which chunks of the data the tiles of a matrix may show, so that tiles without data need not be rendered.

Both answers are cautious: a tile that is told to show no chunk shows none. Where x and y are independent, each axis has
ranges of chunks. Elsewhere a tile's corners and some points in it and around it are transformed exactly; the tile shows
no more than the rectangle of their images, widened by the largest step between two neighbours. Blocks of tiles are
tried first, so that large areas without data cost little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.render.location import TileBlock, locate
from lazytile.pyramid.tiling.reprojection import keeps_axes_apart, transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

MARGIN_CELLS = 2.0
"""Cells around a tile's own that resampling may read, besides those that its pixels cover."""
NODES = 8
"""Steps between the points along a side of a tile; one more step lies on either side of it."""
BLOCK_TILES = 16
"""Tiles along a side of a block that is tried first."""
FEW_TILES = 64
"""A matrix of so few tiles is rendered whole: one may show so much of the Earth that points miss what lies between."""
MAX_BLOCKS = 1024
"""Blocks that are tried together."""
MAX_COUNTS = 3
"""Variables of a picture."""
MAX_TURN = 45.0
"""Degrees between two neighbouring points from which on a pole may lie between them."""


class TileReach(Protocol):
    """The chunks of level 0 that the tiles of a matrix may show."""

    def holding(self, counts: NDArray[np.int64], row: int) -> NDArray[np.bool_]:
        """Return which tiles of a row may show data.

        Args:
            counts: Chunks with data above and left of each corner of a chunk, shape (chunks + 1, chunks + 1).
            row: Of the matrix.

        Returns:
            Shape (tiles,).
        """


def chunk_counts(dataset: Dataset) -> tuple[int, int]:
    """Return the number of chunks of level 0 in rows and in columns.

    Args:
        dataset: The data.

    Returns:
        Both numbers.
    """
    shape, chunk = dataset.grid.shape, dataset.chunk
    return math.ceil(shape.rows / chunk.rows), math.ceil(shape.cols / chunk.cols)


def tile_reach(dataset: Dataset, tms: TileMatrixSet, matrix: TileMatrix, tiles: Shape, chunk: Shape) -> TileReach:
    """Return the chunks that the tiles of a matrix may show.

    Args:
        dataset: The data.
        tms: The set.
        matrix: One of its matrices.
        tiles: Rows and columns of tiles.
        chunk: Cells of a chunk of level 0.

    Returns:
        The chunks of each tile.

    Raises:
        InvalidParameterError: There is no map between the CRSs.
    """
    grid = dataset.grid
    if not (tms.is_native or keeps_axes_apart(tms.crs, grid.crs)):
        return _MeshReach(grid, tms.crs, matrix, tiles, chunk)
    location = locate(grid, dataset.levels, tms, matrix, TileBlock(0, 0, tiles.rows, tiles.cols))
    scale = 1 << location.level
    return _AxesReach(
        _ChunkRanges.of(location.y, tiles.rows, scale, grid.shape.rows, chunk.rows),
        _ChunkRanges.of(location.x, tiles.cols, scale, grid.shape.cols, chunk.cols),
    )


@dataclass(frozen=True, slots=True)
class _ChunkRanges:
    """The chunks of level 0 along one axis that each tile may show, with a margin: shapes (tiles,)."""

    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    """One past the last; equal to ``first`` where a tile shows none."""

    @classmethod
    def of(cls, positions: NDArray[np.float64], tiles: int, scale: int, cells: int, chunk: int) -> _ChunkRanges:
        """Return the ranges for the positions of all pixels, in cells of a level that is ``scale`` times coarser."""
        by_tile = positions.reshape(tiles, -1)
        is_inside = np.isfinite(by_tile)
        low = np.where(is_inside, by_tile, np.inf).min(axis=1)
        high = np.where(is_inside, by_tile, -np.inf).max(axis=1)
        steps = np.abs(np.diff(by_tile, axis=1))
        step = np.where(np.isfinite(steps), steps, 0.0).max(axis=1, initial=0.0)
        margin = MARGIN_CELLS + 2.0 * step
        count = math.ceil(cells / chunk)
        with np.errstate(invalid="ignore"):
            low, high = (low - margin) * scale, (high + margin) * scale
            # What reads past an edge may show the opposite one, where the grid closes around the globe.
            is_edge = (low < 0) | (high >= cells)
            first = np.where(is_edge, 0, low // chunk)
            stop = np.where(is_edge, count, high // chunk + 1)
        reached = is_inside.any(axis=1)
        return cls(
            np.where(reached, first, 0).astype(np.int64), np.where(reached, np.minimum(stop, count), 0).astype(np.int64)
        )


@dataclass(frozen=True, slots=True)
class _AxesReach:
    """The chunks of tiles whose axes are independent."""

    rows: _ChunkRanges
    cols: _ChunkRanges

    def holding(self, counts: NDArray[np.int64], row: int) -> NDArray[np.bool_]:
        """As ``TileReach.holding``."""
        band = counts[self.rows.stop[row]] - counts[self.rows.first[row]]
        found: NDArray[np.bool_] = band[self.cols.stop] > band[self.cols.first]
        return found


@dataclass(slots=True)
class _MeshReach:
    """The chunks of tiles in which every pixel has a position of its own."""

    grid: Grid
    crs: str
    matrix: TileMatrix
    tiles: Shape
    chunk: Shape
    _strip: int = -1
    """The rows of blocks that ``_held`` has: requests come row by row."""
    _held: dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]] = field(default_factory=dict)
    """Counts and result by the identity of the counts, of which a picture has one for each variable."""

    def holding(self, counts: NDArray[np.int64], row: int) -> NDArray[np.bool_]:
        """As ``TileReach.holding``."""
        if self.tiles.rows * self.tiles.cols <= FEW_TILES:
            return np.ones(self.tiles.cols, np.bool_)
        strip = row // BLOCK_TILES
        if strip != self._strip or len(self._held) > MAX_COUNTS:
            self._held, self._strip = {}, strip
        if id(counts) not in self._held:
            self._held[id(counts)] = counts, self._strip_of(counts, strip)
        held: NDArray[np.bool_] = self._held[id(counts)][1][row % BLOCK_TILES]
        return held

    def _strip_of(self, counts: NDArray[np.int64], strip: int) -> NDArray[np.bool_]:
        """Return which tiles of a row of blocks may show data, shape (BLOCK_TILES, cols)."""
        blocks = np.arange(math.ceil(self.tiles.cols / BLOCK_TILES))
        parts = np.array_split(blocks, math.ceil(len(blocks) / MAX_BLOCKS))
        is_held = np.concatenate(
            [self._shows_data(counts, np.full(len(part), strip), part, BLOCK_TILES, is_block=True) for part in parts]
        )
        held = np.zeros((BLOCK_TILES, len(blocks) * BLOCK_TILES), np.bool_)
        rows = np.arange(BLOCK_TILES)
        for block in blocks[is_held].tolist():
            cols = block * BLOCK_TILES + rows
            down, across = (each.ravel() for each in np.meshgrid(strip * BLOCK_TILES + rows, cols, indexing="ij"))
            held[:, cols] = self._shows_data(counts, down, across, 1, is_block=False).reshape(BLOCK_TILES, -1)
        return held[:, : self.tiles.cols]

    def _shows_data(
        self, counts: NDArray[np.int64], rows: NDArray[np.int64], cols: NDArray[np.int64], side: int, *, is_block: bool
    ) -> NDArray[Any]:
        """Return which squares of ``side`` tiles may show data, shape (squares,)."""
        matrix = self.matrix
        nodes = np.arange(-1, NODES + 2) / NODES
        across = (cols[:, None] + nodes) * (side * matrix.tile_width * matrix.cell_width)
        down = (rows[:, None] + nodes) * (side * matrix.tile_height * matrix.cell_height)
        shape = (len(rows), len(nodes), len(nodes))
        xs = np.broadcast_to(matrix.origin_x + across[:, None, :], shape)
        ys = np.broadcast_to(matrix.origin_y - down[:, :, None], shape)
        x, y = transform(self.crs, self.grid.crs, xs, ys)
        is_there = np.isfinite(x) & np.isfinite(y)
        is_known = is_there.all(axis=(1, 2))
        # Where the map ends within a square, its points say too little; where all of it lies outside, it shows nothing.
        # A block is so large that its points may lie outside and something between them does not.
        shown: NDArray[Any] = np.array(is_there.any(axis=(1, 2)) | is_block)
        if is_known.any():
            shown[is_known] = self._meets_data(counts, x[is_known], y[is_known])
        return shown

    def _meets_data(
        self, counts: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return which squares meet data, by the points in them: shape (squares, nodes, nodes), units of the grid."""
        has_pole = np.zeros(len(x), np.bool_)
        if self.grid.is_angular:
            turns = _steps(x - FULL_CIRCLE * np.round((x - x[:, :1, :1]) / FULL_CIRCLE), circle=FULL_CIRCLE)
            has_pole = turns > MAX_TURN
            x = np.unwrap(np.unwrap(x, axis=2, period=FULL_CIRCLE), axis=1, period=FULL_CIRCLE)
        top, bottom = _chunks(self.grid.y, y, self.chunk.rows)
        band = np.zeros((len(x), counts.shape[1]), np.int64)
        is_inside = top < bottom
        band[is_inside] = counts[bottom[is_inside]] - counts[top[is_inside]]
        met = np.zeros(len(x), np.bool_)
        met[has_pole] = band[has_pole, -1] > 0
        turns_round = (-2, -1, 0, 1, 2) if self.grid.is_angular else (0,)
        at = np.arange(len(x))
        if self.grid.is_angular:
            x = x - FULL_CIRCLE * np.floor((x[:, :1, :1] - self.grid.x.first_edge) / FULL_CIRCLE)
        for turn in turns_round:
            left, right = _chunks(self.grid.x, x + turn * FULL_CIRCLE, self.chunk.cols)
            met |= (left < right) & (band[at, right] > band[at, np.minimum(left, right)])
        return met


def _steps(values: NDArray[np.float64], *, circle: float | None = None) -> NDArray[np.float64]:
    """Return the largest step between neighbouring points of each square, shape (squares,)."""
    largest = np.zeros(len(values))
    for axis in (1, 2):
        step = np.abs(np.diff(values, axis=axis))
        if circle is not None:
            step = np.abs(step - circle * np.round(step / circle))
        largest = np.maximum(largest, step.max(axis=(1, 2)))
    return largest


def _chunks(axis: RegularAxis, values: NDArray[np.float64], chunk: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first chunk that squares may show along an axis, and one past the last; shapes (squares,)."""
    positions = (values - axis.first_edge) / axis.cell_size
    margin = MARGIN_CELLS + _steps(positions)
    low, high = positions.min(axis=(1, 2)) - margin, positions.max(axis=(1, 2)) + margin
    count = math.ceil(axis.length / chunk)
    first = np.clip(np.floor(low / chunk), 0, count).astype(np.int64)
    stop = np.clip(np.floor(high / chunk) + 1, 0, count).astype(np.int64)
    return first, np.where(stop > first, stop, first)
