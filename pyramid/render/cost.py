"""What a tile or a map will cost, from its plan: pixels, cells, chunks, and whether pixels need a mesh.

The coefficients were measured on one core of a server. They need not be exact: ordinary tiles take a millisecond, what
must not share their slots takes a hundred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.render.filters import MARGIN_PX, FilterKind
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.level import choose_level
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.tiling.reprojection import keeps_axes_apart
from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.pyramid.store.dataset import Dataset

TILE_MS = 0.3
"""Of any task."""
CHUNK_MS = 0.07
"""Of opening a chunk."""
CELL_NS = {1: 1.0, 2: 1.0, 4: 3.5, 8: 7.0}
"""Of unpacking a cell of a chunk, by its bytes: those of floats hardly compress."""
PIXEL_NS = dict.fromkeys(Resampling, 6.0) | {Resampling.NEAREST: 4.0, Resampling.MODE: 12.0}
"""Of colouring a pixel and packing it into a PNG."""
READ_NS = dict.fromkeys(Resampling, 1.0) | {Resampling.NEAREST: 0.0, Resampling.MODE: 4.0}
"""Of a cell under a pixel."""
MESH_NS = dict.fromkeys(Resampling, 170.0) | {Resampling.AVERAGE: 270.0, Resampling.MODE: 270.0}
"""Of locating a pixel of a mesh; the size of pixels is needed by means and modes."""
FILTER_NS = dict.fromkeys(FilterKind, 25.0) | {FilterKind.BLUR: 100.0}
VALUE_NS = 15.0
"""Of a pixel's value, for an expression or a picture of three variables, each variable."""
FORMAT_NS = dict.fromkeys(ImageFormat, 15.0) | {ImageFormat.PNG: 0.0, ImageFormat.WEBP: 50.0}
_NS = 1e-6
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of a task. ``ms`` decides with whom it shares slots, the counts say why."""

    ms: float
    """Time on one processor with nothing in memory, milliseconds: right within a factor of about three."""
    ready_ms: float
    """The same where every overview that the task needs has been made already. Less than ``ms`` in lazy datasets."""
    pixels: int
    """Pixels that are computed."""
    cells: int
    """Cells of the stored data that are read."""
    is_mesh: bool
    """Whether each pixel is located by itself, since the axes of pixels and data depend on each other."""


def tile_cost(request: TileRequest, tiles: int = 1) -> Cost:
    """Estimate what a tile costs. All tiles of a matrix have one estimate: that of a tile full of data.

    Args:
        request: The tile.
        tiles: How many of them its task renders.

    Returns:
        The cost of the task.
    """
    matrix, dataset, pixels = request.matrix, request.layer.dataset, request.pixels
    method, variables = request.resampling, len(request.shown_variables)
    margin = 0 if pixels.filter is None else 2 * MARGIN_PX
    rows, cols = matrix.tile_height + margin, matrix.tile_width + margin
    size = tiles * rows * cols
    is_mesh = not (request.tms.is_native or keeps_axes_apart(request.tms.crs, dataset.grid.crs))
    covered, held, opened, chunks = _cells_read(request, rows, cols)
    cell_ns = _cell_ns(request)
    ns = size * PIXEL_NS[method] + tiles * variables * (held * cell_ns + covered * READ_NS[method])
    if is_mesh:
        ns += size * MESH_NS[method]
    if pixels.filter is not None:
        ns += size * FILTER_NS[pixels.filter.kind]
    if pixels.expression is not None or pixels.rgb is not None:
        ns += size * VALUE_NS * variables
    ns += size * FORMAT_NS[request.image_format]
    ready_ms = TILE_MS + tiles * variables * chunks * CHUNK_MS + ns * _NS
    made_ns = tiles * variables * (opened - held) * cell_ns
    return Cost(ready_ms + made_ns * _NS, ready_ms, size, tiles * variables * opened, is_mesh)


def _cell_ns(request: TileRequest) -> float:
    """Return what unpacking a cell takes, of the largest type among the variables that are shown."""
    shown = map(request.layer.dataset.variable, request.shown_variables)
    return max(CELL_NS[np.dtype(variable.packing.dtype).itemsize] for variable in shown)


def _cells_read(request: TileRequest, rows: int, cols: int) -> tuple[int, int, int, int]:
    """Return the cells under the pixels, of the chunks that hold them, and that these are made from; and the chunks."""
    matrix, dataset, tms = request.matrix, request.layer.dataset, request.tms
    grid, level = dataset.grid, choose_level(dataset.grid, dataset.levels, tms, matrix)
    if tms.is_native:
        high, wide = float(rows), float(cols)
    else:
        ratio = metres_per_unit(tms.crs) / (metres_per_unit(grid.crs) * (1 << level))
        high = rows * matrix.cell_height * ratio / -grid.y.cell_size
        wide = cols * matrix.cell_width * ratio / grid.x.cell_size
    shape, chunk = grid.coarsen(level).shape, dataset.chunk
    high, wide = min(high, shape.rows), min(wide, shape.cols)
    down = _chunks(high, shape.rows, chunk.rows)
    across = _chunks(wide, shape.cols, chunk.cols)
    held = down * across * chunk.rows * chunk.cols
    return math.ceil(high * wide), held, held * _lazy_factor(dataset, level), down * across


def _chunks(length: float, cells: int, chunk: int) -> int:
    """Return how many chunks along an axis a piece of it touches, wherever it begins."""
    return min(math.ceil(length / chunk) + 1, -(-cells // chunk))


def _lazy_factor(dataset: Dataset, level: int) -> int:
    """Return how many cells are read for one of a level: those below it, where overviews are computed when needed."""
    return 4 ** max(0, level - max(0, dataset.linked - 1)) if dataset.lazy else 1
