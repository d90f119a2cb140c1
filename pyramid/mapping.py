"""Where the pixels of a block of tiles lie in the CRS of the data.

Same CRS and longitude/latitude <-> Web Mercator keep the axes apart: two exact vectors (``AxisMap``). Any other pair
is a surface (``MeshMap``): exact pyproj points at the nodes of a control grid, bilinear in between, and every cell
of that grid in which the interpolation misses an exact check point by too much (a pole, the seam, the horizon of a
geostationary view) is computed exactly, pixel by pixel. The error is bounded by ``MAX_ERROR_PX`` of a tile pixel.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.tms import EARTH_RADIUS_M, METRES_PER_DEGREE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ERROR_PX = 0.125
"""What DESIGN promises. It is asked of control cells of twice the size that is used: since the miss of a bilinear
interpolation falls with the square of the spacing, what is used misses by about a quarter of it."""
NODE_SPACINGS_PX = (8, 2)
"""The second is for blocks of which the first leaves much to exact points, such as those round a pole."""
MUCH = 0.1
FULL_CIRCLE = 360.0


@dataclass(frozen=True, slots=True, eq=False)
class AxisMap:
    """A map whose axes are independent."""

    x: NDArray[np.float64]
    """Shape (width,): x of each pixel column in the CRS of the data; NaN or infinite where there is none."""
    y: NDArray[np.float64]
    """Shape (height,)."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshMap:
    """A map that is a surface."""

    x: NDArray[np.float64]
    """Shape (height, width): x of each pixel in the CRS of the data; NaN or infinite where there is none."""
    y: NDArray[np.float64]
    """Shape (height, width)."""
    exact_share: float
    """Share of the pixels that were computed exactly, for benchmarks and tests."""


def keeps_axes_apart(tile_crs: str, data_crs: str) -> bool:
    """Tell whether the map between two CRSs is an ``AxisMap``."""
    return tile_crs == data_crs or {tile_crs, data_crs} == {"EPSG:4326", "EPSG:3857"}


def map_axes(tile_crs: str, data_crs: str, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> AxisMap:
    """Map pixel centres, shapes (width,) and (height,), between CRSs that keep the axes apart."""
    if tile_crs == data_crs:
        return AxisMap(xs, ys)
    if tile_crs == "EPSG:3857":
        return AxisMap(xs / METRES_PER_DEGREE, latitude_of(ys))
    return AxisMap(xs * METRES_PER_DEGREE, northing_of(ys))


def latitude_of(northing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Latitude in degrees of a Web Mercator northing in metres (EPSG method 1024)."""
    return np.degrees(2 * np.arctan(np.exp(northing / EARTH_RADIUS_M)) - np.pi / 2)


def northing_of(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Web Mercator northing in metres of a latitude in degrees; the poles lie outside every grid."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return EARTH_RADIUS_M * np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2))


class _Transformers(threading.local):
    """pyproj transformers, one of each kind a thread: PROJ's contexts are not shared between threads."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], pyproj.Transformer] = {}

    def get(self, source: str, target: str) -> pyproj.Transformer:
        transformer = self._made.get((source, target))
        if transformer is None:
            try:
                transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
            except pyproj.exceptions.ProjError as error:
                raise InvalidParameterError("TileMatrixSet", f"no map from {source} to {target}: {error}") from error
            self._made[source, target] = transformer
        return transformer


_transformers = _Transformers()


def transform(
    source: str, target: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transform points exactly, x first; infinite where a point has no image. Any equal shapes, float64."""
    target_x, target_y = _transformers.get(source, target).transform(x, y, errcheck=False)
    return np.asarray(target_x, np.float64), np.asarray(target_y, np.float64)


def map_mesh(
    tile_crs: str, data_crs: str, xs: NDArray[np.float64], ys: NDArray[np.float64], *, data_is_geographic: bool
) -> MeshMap:
    """Map pixel centres between any two CRSs.

    ``xs``, ``ys``: evenly spaced pixel centres, shapes (width,) and (height,), in ``tile_crs``. Longitudes of a
    geographic result may leave -180..180; they are meant round the circle.
    """
    coarse, fine = NODE_SPACINGS_PX
    mesh = _control_mesh(tile_crs, data_crs, xs, ys, coarse, wraps=data_is_geographic)
    if np.count_nonzero(mesh.bad) > MUCH * mesh.bad.size:
        mesh = _control_mesh(tile_crs, data_crs, xs, ys, fine, wraps=data_is_geographic)
    if mesh.bad.any():
        bad_rows, bad_cols = np.nonzero(mesh.bad)
        mesh.x[mesh.bad], mesh.y[mesh.bad] = transform(tile_crs, data_crs, xs[bad_cols], ys[bad_rows])
    return MeshMap(mesh.x, mesh.y, float(mesh.bad.mean()))


@dataclass(frozen=True, slots=True, eq=False)
class _ControlMesh:
    """An interpolated map and the pixels at which it cannot be trusted."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    bad: NDArray[np.bool_]


def _control_mesh(
    tile_crs: str, data_crs: str, xs: NDArray[np.float64], ys: NDArray[np.float64], spacing_px: int, *, wraps: bool
) -> _ControlMesh:
    row_nodes, col_nodes = _nodes(ys.size, spacing_px), _nodes(xs.size, spacing_px)
    grid_x, grid_y = np.meshgrid(_at(xs, col_nodes), _at(ys, row_nodes))
    node_x, node_y = transform(tile_crs, data_crs, grid_x, grid_y)
    rows, cols = _CellPosition.of(row_nodes, ys.size), _CellPosition.of(col_nodes, xs.size)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        smooth = _is_smooth(node_x, node_y, row_nodes[2], col_nodes[2], wraps=wraps)
        x = _interpolate(node_x, rows, cols, wraps=wraps)
        y = _interpolate(node_y, rows, cols, wraps=False)
    return _ControlMesh(x, y, ~smooth[rows.cell // 2][:, cols.cell // 2])


def _nodes(pixels: int, spacing_px: int) -> NDArray[np.float64]:
    """Positions of the nodes in pixels, from the first pixel centre to the last: odd in number, 3 at least."""
    cells = max(1, -(-(pixels - 1) // (2 * spacing_px)))
    return np.linspace(0.0, max(pixels - 1, 1), 2 * cells + 1)


def _at(centres: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates at fractional pixel positions of an evenly spaced axis."""
    step = (centres[-1] - centres[0]) / (centres.size - 1) if centres.size > 1 else 0.0
    return np.asarray(centres[0] + positions * step, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _CellPosition:
    """In which control cell each pixel of an axis lies, and how far into it."""

    cell: NDArray[np.intp]
    fraction: NDArray[np.float64]

    @classmethod
    def of(cls, nodes: NDArray[np.float64], pixels: int) -> _CellPosition:
        position = np.arange(pixels) / nodes[1]
        cell = np.minimum(position.astype(np.intp), nodes.size - 2)
        return cls(cell, position - cell)


def _near(values: NDArray[np.float64], reference: NDArray[np.float64], *, wraps: bool) -> NDArray[np.float64]:
    """Take longitudes round the circle to within half of it of a reference."""
    return values - FULL_CIRCLE * np.round((values - reference) / FULL_CIRCLE) if wraps else values


def _interpolate(
    nodes: NDArray[np.float64], rows: _CellPosition, cols: _CellPosition, *, wraps: bool
) -> NDArray[np.float64]:
    """Interpolate node values, shape (nodes, nodes), bilinearly at every pixel: shape (height, width)."""
    above, below = nodes[rows.cell], nodes[rows.cell + 1]
    lines = above + (_near(below, above, wraps=wraps) - above) * rows.fraction[:, None]
    left, right = lines[:, cols.cell], lines[:, cols.cell + 1]
    return np.asarray(left + (_near(right, left, wraps=wraps) - left) * cols.fraction, np.float64)


def _is_smooth(
    node_x: NDArray[np.float64], node_y: NDArray[np.float64], rows_px: float, cols_px: float, *, wraps: bool
) -> NDArray[np.bool_]:
    """Tell in which cells of twice the spacing the interpolation of the corners meets the nodes between them.

    ``rows_px``, ``cols_px``: height and width of such a cell in pixels. Shape (cells, cells).
    """
    height, width = node_x.shape[0] - 1, node_x.shape[1] - 1

    def at(nodes: NDArray[np.float64], i: int, j: int) -> NDArray[np.float64]:
        return nodes[i : i + height : 2, j : j + width : 2]

    x00, y00 = at(node_x, 0, 0), at(node_y, 0, 0)
    x01, y01 = _near(at(node_x, 0, 2), x00, wraps=wraps), at(node_y, 0, 2)
    x10, y10 = _near(at(node_x, 2, 0), x00, wraps=wraps), at(node_y, 2, 0)
    x11, y11 = _near(at(node_x, 2, 2), x00, wraps=wraps), at(node_y, 2, 2)
    # One pixel to the right moves the image by (a, c), one pixel down by (b, d).
    a, c = (x01 - x00) / cols_px, (y01 - y00) / cols_px
    b, d = (x10 - x00) / rows_px, (y10 - y00) / rows_px
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
