"""Where the pixels of a block of tiles lie in the CRS of the data, where the axes of the two depend on each other.

The map is a surface (``MeshMap``): exact pyproj points at the nodes of a control grid, bilinear in between. A control
cell whose interpolation misses an exact check point by too much (a pole, the seam, the horizon of a geostationary view)
gets a finer control grid, and what still misses is computed pixel by pixel. The error is at most ``MAX_ERROR_PX`` of a
tile pixel. Control cells are counted from the matrix's origin and each is judged independently, so that a pixel has one
position in every tile, metatile and margin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.grid import FULL_CIRCLE
from lazytile.pyramid.tiling.reprojection import transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.tiling.reprojection import PixelAxis

MAX_ERROR_PX = 0.125
"""The error that is promised. Control cells of twice the size in use are checked against it: the error of a bilinear
interpolation falls with the square of the spacing, so the actual one is about a quarter of it."""
COARSE_PX, FINE_PX = 8, 2
"""Spacing of the nodes, coarse and in control cells that need a finer grid. Control cells are twice as wide."""
_CELL_PX = 2 * COARSE_PX
_STRIP_PX = 1 << 18
"""Pixels that are mapped between two looks at a stop flag: some tens of milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshMap:
    """A map in which each pixel has coordinates of its own."""

    x: NDArray[np.float64]
    """Shape (height, width): x of each pixel in the CRS of the data; NaN or infinite where there is none."""
    y: NDArray[np.float64]
    """Shape (height, width)."""
    exact_share: float
    """Share of the pixels that were computed individually, for benchmarks and tests."""


def map_mesh(
    tile_crs: str,
    data_crs: str,
    cols: PixelAxis,
    rows: PixelAxis,
    stop: StopFlag | None = None,
    *,
    wraps: bool,
) -> MeshMap:
    """Map pixel centres between any two CRSs.

    Args:
        tile_crs: CRS of the pixels.
        data_crs: CRS of the data.
        cols: Columns of pixels.
        rows: Rows of pixels.
        stop: Looked at between strips of rows, or None.
        wraps: Whether x of the result is an angle in degrees; it may then leave -180..180, modulo 360.

    Returns:
        The map.

    Raises:
        StoppedError: ``stop`` was set.
    """
    strips = []
    for part in _strips(rows, cols.count):
        if stop is not None:
            stop.check()
        strips.append(_map_strip(tile_crs, data_crs, cols, part, wraps=wraps))
    if len(strips) == 1:
        return strips[0]
    share = sum(strip.exact_share * len(strip.x) for strip in strips) / rows.count
    return MeshMap(np.concatenate([strip.x for strip in strips]), np.concatenate([strip.y for strip in strips]), share)


def _strips(rows: PixelAxis, width: int) -> Iterator[PixelAxis]:
    """Cut rows of pixels between control cells, which are mapped independently, into strips of ``_STRIP_PX``."""
    height = max(1, _STRIP_PX // (width * _CELL_PX)) * _CELL_PX
    first, end = rows.first, rows.first + rows.count
    while first < end:
        following = min(first // _CELL_PX * _CELL_PX + height, end)
        yield replace(rows, first=first, count=following - first)
        first = following


def _map_strip(tile_crs: str, data_crs: str, cols: PixelAxis, rows: PixelAxis, *, wraps: bool) -> MeshMap:
    top, down = _cells_over(rows)
    left, across = _cells_over(cols)
    node_cols = np.arange(left * _CELL_PX, (left + across) * _CELL_PX + 1, COARSE_PX)
    node_rows = np.arange(top * _CELL_PX, (top + down) * _CELL_PX + 1, COARSE_PX)
    node_x, node_y = transform(tile_crs, data_crs, *np.meshgrid(cols.at(node_cols), rows.at(node_rows)))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        smooth = _is_smooth(node_x, node_y, _CELL_PX, wraps=wraps)
        x = _interpolate(node_x, COARSE_PX, wraps=wraps)
        y = _interpolate(node_y, COARSE_PX, wraps=False)
    window = np.s_[
        rows.first - top * _CELL_PX : rows.first + rows.count - top * _CELL_PX,
        cols.first - left * _CELL_PX : cols.first + cols.count - left * _CELL_PX,
    ]
    exact = 0
    if not smooth.all():
        wanted = np.zeros(x.shape, np.bool_)
        wanted[window] = True
        cell_rows, cell_cols = np.nonzero(~smooth)
        # Pixels of the cells that need a finer grid, shape (cells, _CELL_PX): rows and columns of ``x`` and ``y``.
        at_rows = cell_rows[:, None] * _CELL_PX + np.arange(_CELL_PX)
        at_cols = cell_cols[:, None] * _CELL_PX + np.arange(_CELL_PX)
        pixels = (at_rows[:, :, None], at_cols[:, None, :])
        x[pixels], y[pixels], bad = _refined(
            (tile_crs, data_crs), cols, rows, (cell_rows + top, cell_cols + left), wraps=wraps
        )
        cells, i, j = np.nonzero(bad & wanted[pixels])
        i, j = at_rows[cells, i], at_cols[cells, j]
        x[i, j], y[i, j] = transform(tile_crs, data_crs, cols.at(j + left * _CELL_PX), rows.at(i + top * _CELL_PX))
        exact = i.size
    return MeshMap(x[window], y[window], exact / (rows.count * cols.count))


def _cells_over(axis: PixelAxis) -> tuple[int, int]:
    """Return the number of the first control cell that contains pixels of an axis, and the number of cells."""
    first = axis.first // _CELL_PX
    return first, (axis.first + axis.count - 1) // _CELL_PX + 1 - first


def _refined(
    between: tuple[str, str],
    cols: PixelAxis,
    rows: PixelAxis,
    cells: tuple[NDArray[np.intp], NDArray[np.intp]],
    *,
    wraps: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Map the pixels of control cells by finer grids: x, y and where they are not accurate enough.

    ``between``: CRS of the tile and of the data. ``cells``: row and column of each control cell, shape (cells,).
    Returns shapes (cells, _CELL_PX, _CELL_PX).
    """
    cell_rows, cell_cols = cells
    nodes = np.arange(0, _CELL_PX + 1, FINE_PX)
    node_x, node_y = np.broadcast_arrays(
        cols.at(cell_cols[:, None] * _CELL_PX + nodes)[:, None, :],
        rows.at(cell_rows[:, None] * _CELL_PX + nodes)[:, :, None],
    )
    node_x, node_y = transform(*between, node_x, node_y)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        smooth = _is_smooth(node_x, node_y, 2 * FINE_PX, wraps=wraps)
        x = _interpolate(node_x, FINE_PX, wraps=wraps)
        y = _interpolate(node_y, FINE_PX, wraps=False)
    return x, y, ~smooth.repeat(2 * FINE_PX, axis=1).repeat(2 * FINE_PX, axis=2)


def _near(values: NDArray[np.float64], reference: NDArray[np.float64], *, wraps: bool) -> NDArray[np.float64]:
    """Shift angles by full circles to within half a circle of a reference."""
    return values - FULL_CIRCLE * np.round((values - reference) / FULL_CIRCLE) if wraps else values


def _interpolate(nodes: NDArray[np.float64], spacing_px: int, *, wraps: bool) -> NDArray[np.float64]:
    """Interpolate node values, shape (..., n + 1, m + 1), bilinearly: shape (..., n * spacing_px, m * spacing_px)."""
    share = np.arange(spacing_px) / spacing_px
    above = nodes[..., :-1, :]
    drop = _near(nodes[..., 1:, :], above, wraps=wraps) - above
    lines = above[..., None, :] + drop[..., None, :] * share[:, None]
    lines = lines.reshape(*nodes.shape[:-2], -1, nodes.shape[-1])
    left = lines[..., :-1]
    rise = _near(lines[..., 1:], left, wraps=wraps) - left
    return np.asarray((left[..., None] + rise[..., None] * share).reshape(*lines.shape[:-1], -1), np.float64)


def _is_smooth(
    node_x: NDArray[np.float64], node_y: NDArray[np.float64], cell_px: int, *, wraps: bool
) -> NDArray[np.bool_]:
    """Return in which control cells the interpolation of the corners matches the nodes between them.

    The nodes have shape (..., 2 n + 1, 2 m + 1), the result (..., n, m). ``cell_px``: side of a control cell.
    """
    height, width = node_x.shape[-2] - 1, node_x.shape[-1] - 1

    def at(nodes: NDArray[np.float64], i: int, j: int) -> NDArray[np.float64]:
        return nodes[..., i : i + height : 2, j : j + width : 2]

    x00, y00 = at(node_x, 0, 0), at(node_y, 0, 0)
    x01, y01 = _near(at(node_x, 0, 2), x00, wraps=wraps), at(node_y, 0, 2)
    x10, y10 = _near(at(node_x, 2, 0), x00, wraps=wraps), at(node_y, 2, 0)
    x11, y11 = _near(at(node_x, 2, 2), x00, wraps=wraps), at(node_y, 2, 2)
    # One pixel to the right moves the image by (a, c), one pixel down by (b, d).
    a, c = (x01 - x00) / cell_px, (y01 - y00) / cell_px
    b, d = (x10 - x00) / cell_px, (y10 - y00) / cell_px
    determinant = a * d - b * c
    smooth = np.isfinite(x00 + y00 + x01 + y01 + x10 + y10 + x11 + y11) & (determinant != 0)
    for i, j in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1)):
        u, v = i / 2, j / 2
        weights = ((1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v)
        expected_x = weights[0] * x00 + weights[1] * x01 + weights[2] * x10 + weights[3] * x11
        expected_y = weights[0] * y00 + weights[1] * y01 + weights[2] * y10 + weights[3] * y11
        miss_x = _near(at(node_x, i, j), expected_x, wraps=wraps) - expected_x
        miss_y = at(node_y, i, j) - expected_y
        miss_cols = (d * miss_x - b * miss_y) / determinant
        miss_rows = (a * miss_y - c * miss_x) / determinant
        smooth &= np.hypot(miss_cols, miss_rows) <= MAX_ERROR_PX
    return np.asarray(smooth, np.bool_)
