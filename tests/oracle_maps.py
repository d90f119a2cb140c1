"""The second half of the oracle: any tile matrix set on any grid, and every resampling, pixel by pixel.

pyproj computes the position of each pixel. Where the renderer may interpolate positions (from a control grid), it
guarantees an eighth of a tile pixel, so the expected result is a set: everything within that distance. Resampling
methods are sums over cells, each from its definition.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import morecantile
import numpy as np
import pyproj

from tests.oracle import (
    GEOGRAPHIC,
    LAST_ZOOM,
    MERCATOR,
    METRES_PER_DEGREE,
    SAME_SIZE,
    OracleLayer,
    matrix_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND_PX = 0.125
FOOTPRINT_LIMIT = 4.0  # cells along an axis
ENOUGH = 0.5  # of a pixel's weight
WEIGHT_UNIT = 2.0**-17  # weights are multiples of this

# GIBS's polar sets: half the width in metres, last zoom. Two tiles of 512 pixels a side at zoom 0, halving.
GIBS_POLAR = {
    **{f"EPSG{epsg}_{name}": (4194304.0, zoom) for epsg in (3413, 3031) for name, zoom in (("1km", 3), ("250m", 5))},
    "EPSG3413_31.25m": (4194304.0, 8),
}
OGC_SETS = tuple(name for name in morecantile.tms.list() if not morecantile.tms.get(name).is_variable)


@dataclass(frozen=True)
class Tile:
    """Pixel centres of a tile: x first, whatever the authority says."""

    crs: str
    xs: np.ndarray
    ys: np.ndarray
    pixel: tuple[float, float]
    """Width and height of a pixel, positive."""


def last_zoom(tms: str) -> int:
    """Number of a set's last matrix."""
    if tms in LAST_ZOOM:
        return LAST_ZOOM[tms]
    return GIBS_POLAR[tms][1] if tms in GIBS_POLAR else int(morecantile.tms.get(tms).maxzoom)


def zooms(tms: str) -> range:
    """Numbers of a set's matrices."""
    first = 0 if tms in LAST_ZOOM or tms in GIBS_POLAR else int(morecantile.tms.get(tms).minzoom)
    return range(first, last_zoom(tms) + 1)


def size_of(tms: str, zoom: int) -> tuple[int, int]:
    """Rows and columns of a matrix, in tiles."""
    if tms in LAST_ZOOM:
        matrix = matrix_of(tms, zoom)
        return matrix.rows, matrix.cols
    if tms in GIBS_POLAR:
        return 2 << zoom, 2 << zoom
    document = morecantile.tms.get(tms).matrix(zoom)
    return document.matrixHeight, document.matrixWidth


def tile_of(tms: str, zoom: int, row: int, col: int) -> Tile:
    """Pixel centres of a tile of any set with tiles of one width."""
    if tms in LAST_ZOOM:
        matrix = matrix_of(tms, zoom)
        crs, west, north, pixel, side = matrix.crs, matrix.west, matrix.north, matrix.pixel, matrix.side
        size = (pixel, pixel)
        corner = (west + col * side * pixel, north - row * side * pixel)
        shape = (side, side)
    elif tms in GIBS_POLAR:
        half = GIBS_POLAR[tms][0]
        pixel = half / 512 / 2**zoom
        crs, size, shape = f"EPSG:{tms[4:8]}", (pixel, pixel), (512, 512)
        corner = (-half + col * 512 * pixel, half - row * 512 * pixel)
    else:
        document = morecantile.tms.get(tms)
        box, matrix = document.xy_bounds(morecantile.Tile(col, row, zoom)), document.matrix(zoom)
        shape = (matrix.tileHeight, matrix.tileWidth)
        size = ((box.right - box.left) / shape[1], (box.top - box.bottom) / shape[0])
        corner = (box.left, box.top)
        name = document.crs._pyproj_crs.to_authority()
        crs = GEOGRAPHIC if name[1] in ("CRS84", "4326") else ":".join(name)
    xs = corner[0] + (np.arange(shape[1]) + 0.5) * size[0]
    ys = corner[1] - (np.arange(shape[0]) + 0.5) * size[1]
    return Tile(crs, xs, ys, size)


@functools.cache
def unit_m(crs: str) -> float:
    """Metres on the equator in a unit of a CRS (OGC 07-057r7, 6.1)."""
    axis = pyproj.CRS(crs).axis_info[0]
    return METRES_PER_DEGREE if axis.unit_name == "degree" else axis.unit_conversion_factor


@functools.cache
def is_circular(crs: str) -> bool:
    """Return whether x is an angle that wraps at 360 degrees."""
    return pyproj.CRS(crs).is_geographic


@functools.cache
def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@dataclass
class View:
    """What a tile sees of a layer: level, and for each pixel the exact position in cells of that level."""

    layer: OracleLayer
    level: int
    cols: np.ndarray
    """Position in columns of the level, the centre of cell i at i + 0.5; NaN where nothing is."""
    rows: np.ndarray
    col_slack: np.ndarray
    """How far the renderer's position may be off, in columns."""
    row_slack: np.ndarray
    width: np.ndarray
    """Columns that a pixel covers."""
    height: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """Codes of the level."""
        return self.layer.level(self.level)

    @property
    def circle(self) -> int | None:
        """Columns of the whole circle, where the level's first column follows its last."""
        cols = self.layer.codes.shape[1]
        whole = is_circular(self.layer.crs) and cols * self.layer.dx >= 360.0 * (1 - SAME_SIZE)
        return self.codes.shape[1] if whole else None


def level_for(layer: OracleLayer, tile: Tile) -> int:
    """The coarsest level whose cells are no larger than the pixel on either axis, compared in metres at the equator."""
    best = 0
    for number in range(layer.levels):
        cell = 2**number * unit_m(layer.crs)
        width, height = (size * unit_m(tile.crs) for size in tile.pixel)
        if max(layer.dx * cell / width, layer.dy * cell / height) <= 1 + SAME_SIZE:
            best = number
    return best


def usual_method(layer: OracleLayer, tile: Tile, reduction: str) -> str:
    """Return the default method: the mean where a pixel is larger than a cell, else the nearest cell."""
    cell = 2 ** level_for(layer, tile) * unit_m(layer.crs)
    sizes = zip((layer.dx, layer.dy), tile.pixel, strict=True)
    is_larger = any(pixel * unit_m(tile.crs) > side * cell * (1 + SAME_SIZE) for side, pixel in sizes)
    return "average" if is_larger and reduction == "mean" else "nearest"


def view(layer: OracleLayer, tile: Tile) -> View:
    """Return the view of a layer through a tile: exact if both CRSs have independent axes, else to ``BOUND_PX``."""
    number = level_for(layer, tile)
    factor = 2**number
    separable = {tile.crs, layer.crs} <= {GEOGRAPHIC, MERCATOR} or tile.crs == layer.crs
    width, height = tile.pixel

    def look(right: float, down: float) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and rows of level 0, not wrapped, that many pixels from the centres."""
        x, y = np.meshgrid(tile.xs + right * width, tile.ys - down * height)
        if tile.crs != layer.crs:
            x, y = _transformer(tile.crs, layer.crs).transform(x, y, errcheck=False)
        with np.errstate(invalid="ignore"):
            return (x - layer.west) / layer.dx, (layer.north - y) / layer.dy

    around = 360.0 / layer.dx if is_circular(layer.crs) else math.inf

    def step(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore"):
            across, down = b[0] - a[0], b[1] - a[1]
            if around < math.inf:
                across = across - around * np.round(across / around)
            return np.abs(across), np.abs(down)

    centre = look(0, 0)
    right, below = step(centre, look(1, 0)), step(centre, look(0, 1))
    if separable:
        slack = np.full(centre[0].shape, 1e-6), np.full(centre[0].shape, 1e-6)
        # The cells between a pixel's own edges.
        covers = [step(look(-0.5, 0), look(0.5, 0))[0], step(look(0, -0.5), look(0, 0.5))[1]]
    else:
        with np.errstate(invalid="ignore"):
            local = step(look(-0.5, 0), look(0.5, 0)), step(look(0, -0.5), look(0, 0.5))
            slack = tuple(BOUND_PX * np.hypot(local[0][axis], local[1][axis]) for axis in (0, 1))
            # A horizon runs through such a pixel: the renderer computes it, nothing to interpolate from.
            slack = tuple(np.where(np.isfinite(s), s, 1e-6) + 1e-6 for s in slack)
        covers = [np.nan_to_num(right[axis], posinf=0) + np.nan_to_num(below[axis], posinf=0) for axis in (0, 1)]
    covers = [np.where(np.isfinite(size) & (size > 0), size / factor, 1.0) for size in covers]
    cols, rows = centre
    if around < math.inf:
        with np.errstate(invalid="ignore"):
            cols = cols - around * np.floor(cols / around)
    if tile.crs == GEOGRAPHIC:
        cols[:, (tile.xs > 180) | (tile.xs < -180)] = np.nan
        rows[(tile.ys > 90) | (tile.ys < -90)] = np.nan
    high, wide = layer.codes.shape
    with np.errstate(invalid="ignore"):
        gone = ~((cols >= 0) & (cols < wide) & (rows >= 0) & (rows < high))
    cols, rows = np.where(gone, np.nan, cols / factor), np.where(gone, np.nan, rows / factor)
    return View(layer, number, cols, rows, slack[0] / factor, slack[1] / factor, *covers)


def edge_of(seen: View) -> np.ndarray:
    """Return the pixels so near to the edge of the data that the slack may cross it."""
    from_edge = np.zeros(seen.cols.shape, bool)
    shown = np.isfinite(seen.cols)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        from_edge |= np.roll(shown, shift, axis) != shown
    from_edge[[0, -1]] = from_edge[:, [0, -1]] = True
    return from_edge


def nearest_choices(seen: View, row: int, col: int) -> list[tuple[int, int]]:
    """Return the cells (row, column of the level) that may be under a pixel's centre: one, unless near an edge."""
    y, x = seen.rows[row, col], seen.cols[row, col]
    down, across = seen.row_slack[row, col], seen.col_slack[row, col]
    high, wide = seen.codes.shape
    rows = range(math.floor(y - down), math.floor(y + down) + 1)
    cols = range(math.floor(x - across), math.floor(x + across) + 1)
    if len(cols) > wide:
        cols = range(wide)
    circle = seen.circle
    return [(r, c % wide if circle else c) for r in rows for c in cols if 0 <= r < high and (circle or 0 <= c < wide)]


# --- Resampling -------------------------------------------------------------------------------------------------


def _keys(distance: float) -> float:
    """Cubic convolution (Keys 1981), a = -1/2."""
    d = abs(distance)
    if d <= 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def axis_weights(method: str, position: float, footprint: float, cells: int, circle: int | None) -> dict[int, float]:
    """Weight of every cell of an axis in a pixel, for the cells that have one.

    bilinear: falls to 0 within one cell of the centre. cubic: Keys. average and mode: the share of the pixel's
    footprint, at least one cell and at most four, that lies on the cell. All in whole ``WEIGHT_UNIT``.
    """
    found: dict[int, float] = {}
    for cell in range(math.floor(position) - 4, math.floor(position) + 6):
        distance = position - (cell + 0.5)
        if method == "bilinear":
            weight = max(0.0, 1 - abs(distance))
        elif method == "cubic":
            weight = _keys(distance)
        else:
            width = min(max(footprint, 1.0), FOOTPRINT_LIMIT)
            shared = min(cell + 1, position + width / 2) - max(cell, position - width / 2)
            weight = max(0.0, shared) / width
        weight = round(weight / WEIGHT_UNIT) * WEIGHT_UNIT
        target = cell % circle if circle else cell
        if 0 <= target < cells and weight:
            found[target] = found.get(target, 0.0) + weight
    return found


@dataclass
class WeightedSum:
    """What a pixel is made of."""

    share: float
    """Of its weight that has data."""
    total: float
    classes: dict[float, float]
    """Weight of each value."""
    gaps: bool
    """Whether some of its weight has no data or lies outside."""

    @property
    def rescale_to(self) -> float:
        """Largest difference between its values."""
        return max(self.classes) - min(self.classes) if self.classes else 0.0


def mixture(seen: View, values: np.ndarray, method: str, row: int, col: int) -> WeightedSum:
    """Blend the values of a level, shape (rows, cols), NaN for no data, by a method for one pixel."""
    high, wide = values.shape
    rows = axis_weights(method, seen.rows[row, col], seen.height[row, col], high, None)
    cols = axis_weights(method, seen.cols[row, col], seen.width[row, col], wide, seen.circle)
    mixed = WeightedSum(0.0, 0.0, {}, abs(sum(rows.values()) * sum(cols.values()) - 1) > 1e-9)
    for r, c, weight in _products(rows, cols):
        value = float(values[r, c])
        if math.isnan(value) or (method != "mode" and math.isinf(value)):  # an infinite value cannot be mixed
            mixed.gaps = True
        else:
            mixed.share += weight
            mixed.total += weight * value
            mixed.classes[value] = mixed.classes.get(value, 0.0) + weight
    return mixed


def _products(rows: dict[int, float], cols: dict[int, float]) -> Iterator[tuple[int, int, float]]:
    for r, row_weight in rows.items():
        for c, col_weight in cols.items():
            yield r, c, row_weight * col_weight
