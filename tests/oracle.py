"""The slow, obvious reference that the renderer is tested against.

It shares no code with the renderer: its input is plain numbers, arrays and the path of a colormap. A layer is decoded,
averaged, projected, binned and coloured in float64, one rule after the other, each with its source. In the sets of this
module (EPSG:4326 and EPSG:3857) the longitude of a pixel depends on its column alone and its latitude on its row alone,
so rules are applied to whole rows and columns.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

GEOGRAPHIC, MERCATOR = "EPSG:4326", "EPSG:3857"
RADIUS_M = 6378137.0  # WGS 84, EPSG method 1024
METRES_PER_DEGREE = 111319.49079327358  # OGC 07-057r7, Annex E
SAME_SIZE = 1e-9  # sizes that differ by less, relatively, are the same: 1/3 degree is no exact number


# --- Tile matrix sets, written out by hand ---------------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """One zoom: pixel size and corner in units of the CRS, size in tiles, side of a tile in pixels."""

    crs: str
    pixel: float
    west: float
    north: float
    cols: int
    rows: int
    side: int
    scale: float


# GIBS EPSG:4326: 288 degrees and 512 pixels a tile at zoom 0 (scale denominator, degrees a pixel, columns, rows).
GIBS_GEOGRAPHIC = [
    (223632905.6114871, 0.5625, 2, 1),
    (111816452.8057436, 0.28125, 3, 2),
    (55908226.40287178, 0.140625, 5, 3),
    (27954113.20143589, 0.0703125, 10, 5),
    (13977056.60071795, 0.03515625, 20, 10),
    (6988528.300358973, 0.017578125, 40, 20),
    (3494264.150179486, 0.0087890625, 80, 40),
    (1747132.075089743, 0.00439453125, 160, 80),
    (873566.0375448716, 0.002197265625, 320, 160),
    (436783.0187724358, 0.0010986328125, 640, 320),
    (218391.5093862179, 0.00054931640625, 1280, 640),
    (109195.75469310895, 0.000274658203125, 2560, 1280),
    (54597.877346554475, 0.0001373291015625, 5120, 2560),
]
GIBS_GEOGRAPHIC_SETS = {"16km": 2, "2km": 5, "1km": 6, "500m": 7, "250m": 8, "31.25m": 11, "15.625m": 12}
# GIBS EPSG:3857: the first scales of WebMercatorQuad.
GIBS_MERCATOR_SETS = {f"GoogleMapsCompatible_Level{zoom}": zoom for zoom in (3, 6, 7, 8, 9, 12, 13)}
LAST_ZOOM = {**GIBS_GEOGRAPHIC_SETS, **GIBS_MERCATOR_SETS, "WebMercatorQuad": 24, "WorldCRS84Quad": 23}


def matrix_of(tms_id: str, zoom: int) -> Matrix:
    """Return a tile matrix: GIBS's own table; OGC 17-083r4, Annex D for the two quads."""
    if not 0 <= zoom <= LAST_ZOOM[tms_id]:
        raise KeyError(f"{tms_id} has no matrix {zoom}")
    if tms_id in GIBS_GEOGRAPHIC_SETS:
        scale, pixel, cols, rows = GIBS_GEOGRAPHIC[zoom]
        return Matrix(GEOGRAPHIC, pixel, -180.0, 90.0, cols, rows, 512, scale)
    if tms_id == "WorldCRS84Quad":
        scale, pixel = 279541132.0143589 / 2**zoom, 0.703125 / 2**zoom
        return Matrix(GEOGRAPHIC, pixel, -180.0, 90.0, 2 * 2**zoom, 2**zoom, 256, scale)
    scale, pixel = 559082264.0287178 / 2**zoom, 156543.03392804097 / 2**zoom
    return Matrix(MERCATOR, pixel, -20037508.342789244, 20037508.342789244, 2**zoom, 2**zoom, 256, scale)


# --- The layer: codes to values, and coarser levels --------------------------------------------------------------


@dataclass
class OracleLayer:
    """One variable of a dataset at one index of its other dimensions."""

    codes: np.ndarray
    """Level 0, shape (rows, cols), row 0 in the north."""
    west: float
    north: float
    dx: float
    dy: float
    """Cell size, positive, in units of ``crs``; so are ``west`` and ``north``, the outer edges."""
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    valid_min: float | None = None
    valid_max: float | None = None
    reduction: str = "mean"
    crs: str = GEOGRAPHIC
    units: str = ""
    chunk: tuple[int, int] = (256, 256)
    """Rows and columns of a chunk. Levels go on until one chunk holds a whole one."""
    _levels: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def levels(self) -> int:
        count = 1
        (rows, cols), (chunk_rows, chunk_cols) = self.codes.shape, self.chunk
        while math.ceil(rows / 2 ** (count - 1)) > chunk_rows or math.ceil(cols / 2 ** (count - 1)) > chunk_cols:
            count += 1
        return count

    def is_missing(self, codes: np.ndarray) -> np.ndarray:
        """CF 2.5.1: a missing code, or outside the valid range in packed units; and NaN."""
        missing = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(codes.shape, bool)
        for code in self.missing:
            missing |= codes == code
        if self.valid_min is not None:
            missing |= codes < self.valid_min
        if self.valid_max is not None:
            missing |= codes > self.valid_max
        return missing

    def values(self, codes: np.ndarray) -> np.ndarray:
        """CF 8.1: code * scale_factor + add_offset, float64; NaN where there is no data."""
        values = codes.astype(np.float64) * self.scale + self.offset
        values[self.is_missing(codes)] = np.nan
        return values

    def level(self, number: int) -> np.ndarray:
        """Level k+1 is made of blocks of 2 x 2 cells of level k, the first at cell (0, 0), sizes rounded up."""
        if number == 0:
            return self.codes
        if number not in self._levels:
            self._levels[number] = self._coarser(self.level(number - 1))
        return self._levels[number]

    def _coarser(self, fine: np.ndarray) -> np.ndarray:
        rows, cols = fine.shape
        codes, missing = fine.tolist(), self.is_missing(fine).tolist()
        coarse = np.empty((math.ceil(rows / 2), math.ceil(cols / 2)), fine.dtype)
        for row in range(coarse.shape[0]):
            for col in range(coarse.shape[1]):
                cells = [
                    (r, c)
                    for r in (2 * row, 2 * row + 1)
                    for c in (2 * col, 2 * col + 1)
                    if r < rows and c < cols  # a ragged edge uses the cells there are
                ]
                valid = [codes[r][c] for r, c in cells if not missing[r][c]]
                coarse[row, col] = self._reduce(valid, fine.dtype) if valid else self._fill(fine[2 * row, 2 * col])
        return coarse

    def _reduce(self, valid: list[Any], dtype: np.dtype) -> Any:
        """One code for one to four valid codes, in the order north-west, north-east, south-west, south-east."""
        if self.reduction == "nearest":
            return valid[0]
        if self.reduction == "mode":
            return max(valid, key=valid.count)  # of equally frequent ones, the first
        if self.reduction in ("min", "max"):
            by_value = sorted(valid, key=lambda code: code * self.scale)
            return by_value[0 if self.reduction == "min" else -1]
        if not all(math.isfinite(code) for code in valid):
            return sum(valid) / len(valid)
        if dtype.kind in "iu":
            return round(Fraction(sum(valid), len(valid)))  # round() of a fraction: half to even
        return float(sum(Fraction(code) for code in valid) / len(valid))

    def _fill(self, first_cell: Any) -> Any:
        if self.missing:
            return self.missing[0]
        return np.nan if self.codes.dtype.kind == "f" else first_cell

    # --- Which cell a pixel shows

    def level_for(self, crs: str, pixel_width: float, pixel_height: float) -> int:
        """The coarsest level whose cells are no larger than the pixel on either axis; 0 where there is none.

        Lengths in metres and degrees are compared at the equator.
        """
        unit = {GEOGRAPHIC: METRES_PER_DEGREE, MERCATOR: 1.0}
        best = 0
        for number in range(self.levels):
            width = self.dx * 2**number * unit[self.crs] / (pixel_width * unit[crs])
            height = self.dy * 2**number * unit[self.crs] / (pixel_height * unit[crs])
            if max(width, height) <= 1 + SAME_SIZE:
                best = number
        return best

    def column(self, x: float) -> int | None:
        """Column of level 0 that holds x; on an edge, the one to the east. Longitudes come round after 360."""
        cols = self.codes.shape[1]
        if self.crs == GEOGRAPHIC:
            while x < self.west:
                x += 360.0
            while x >= self.west + 360.0:
                x -= 360.0
        col = math.floor((x - self.west) / self.dx)
        return col if 0 <= col < cols else None

    def row(self, y: float) -> int | None:
        """Row of level 0 that holds y; on an edge, the one to the south."""
        row = math.floor((self.north - y) / self.dy)
        return row if 0 <= row < self.codes.shape[0] else None

    def tile_codes(self, tms_id: str, zoom: int, row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes of a tile, shape (side, side), and where there is any: False outside the world and the data."""
        matrix = matrix_of(tms_id, zoom)
        number = self.level_for(matrix.crs, matrix.pixel, matrix.pixel)
        cols = [self._tile_column(matrix, col * matrix.side + at) for at in range(matrix.side)]
        rows = [self._tile_row(matrix, row * matrix.side + at) for at in range(matrix.side)]
        return self._gather(
            self.level(number),
            [None if at is None else at >> number for at in rows],
            [None if at is None else at >> number for at in cols],
        )

    def native_tile_codes(self, zoom: int, row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
        """The same for the data's own grid: pixel = cell, tile = chunk, zoom 0 the coarsest level, all of it shown.

        A circle begins at the edge of a column of level 0 that is nearest to -180; in coarser levels a pixel is the
        cell that holds its centre.
        """
        codes = self.level(self.levels - 1 - zoom)
        height, width = self.chunk
        length, step = self.codes.shape[-1], 1 << (self.levels - 1 - zoom)
        if self.crs == GEOGRAPHIC and abs(length * self.dx - 360.0) < 1e-3 and abs(self.west + 180.0) >= self.dx:
            first = round((-180.0 - self.west) / self.dx)
            rows = [at if at < codes.shape[0] else None for at in range(row * height, (row + 1) * height)]
            places = [first + at * step + step / 2 for at in range(col * width, (col + 1) * width)]
            cols = [int(at % length / step) if at - first < length + step / 2 else None for at in places]
            return self._gather(codes, rows, cols)
        rows = [at if at < codes.shape[0] else None for at in range(row * height, (row + 1) * height)]
        cols = [at if at < codes.shape[1] else None for at in range(col * width, (col + 1) * width)]
        return self._gather(codes, rows, cols)

    def _tile_column(self, matrix: Matrix, pixel: int) -> int | None:
        if matrix.crs == self.crs == MERCATOR:
            return self.column(matrix.west + (pixel + 0.5) * matrix.pixel)
        if matrix.crs == MERCATOR:
            # x is proportional to longitude: the share of the circle is an exact binary number, whatever the radius.
            longitude = -180.0 + 360.0 * (pixel + 0.5) / (matrix.cols * matrix.side)
        else:
            longitude = matrix.west + (pixel + 0.5) * matrix.pixel
        if longitude > 180.0:
            return None  # GIBS's last columns reach past the world; it does not come round again there
        return self.column(longitude if self.crs == GEOGRAPHIC else RADIUS_M * math.radians(longitude))

    def _tile_row(self, matrix: Matrix, pixel: int) -> int | None:
        y = matrix.north - (pixel + 0.5) * matrix.pixel
        if matrix.crs == GEOGRAPHIC and y < -90.0:
            return None
        if matrix.crs == self.crs:
            return self.row(y)
        if matrix.crs == MERCATOR:  # EPSG method 1024, inverse
            return self.row(math.degrees(2.0 * math.atan(math.exp(y / RADIUS_M)) - math.pi / 2.0))
        return self.row(RADIUS_M * math.log(math.tan(math.pi / 4.0 + math.radians(y) / 2.0)))

    def _gather(
        self, codes: np.ndarray, rows: list[int | None], cols: list[int | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        here = np.outer([at is not None for at in rows], [at is not None for at in cols])
        return codes[np.ix_([r or 0 for r in rows], [c or 0 for c in cols])], here


# --- Colours -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    lower: float
    upper: float
    has_lower: bool
    has_upper: bool

    def holds(self, values: np.ndarray) -> np.ndarray:
        above = values >= self.lower if self.has_lower else values > self.lower
        below = values <= self.upper if self.has_upper else values < self.upper
        return above & below


@dataclass(frozen=True)
class Entry:
    rgba: tuple[int, int, int, int]
    intervals: tuple[Interval, ...]
    nodata: bool


_NUMBER = r"[+-]?(?:INF|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_INTERVAL = re.compile(rf"([\[(])\s*({_NUMBER})\s*(?:,\s*({_NUMBER})\s*)?([\])])|({_NUMBER})")


def parse_value(text: str) -> tuple[Interval, ...]:
    """The value pattern of ColorMap_v1.3.xsd: ``[a,b)`` ``(a,b]`` ``[a]`` ``a``, INF, several with commas."""
    intervals = []
    for opening, lower, upper, closing, alone in _INTERVAL.findall(text):
        low = float(lower or alone)
        if alone or not upper:
            intervals.append(Interval(low, low, True, True))
        else:
            intervals.append(Interval(low, float(upper), opening == "[", closing == "]"))
    return tuple(intervals)


def parse_colormap(path: Path) -> tuple[list[Entry], str]:
    """Entries of all ColorMaps of a file in document order, and the units of the data."""
    root = ET.parse(path).getroot()
    units = next((m.get("units", "") for m in root.iter("ColorMap") if m.get("units")), "")
    entries = []
    for element in root.iter("ColorMapEntry"):
        red, green, blue = (int(part) for part in element.attrib["rgb"].split(","))
        transparent = element.get("transparent", "false") in ("true", "1")
        # Physical values; classifications have source values only.
        text = element.get("value") or element.get("sourceValue") or ""
        nodata = element.get("nodata", "false") in ("true", "1")
        if root.tag == "ColorMap" and not text:
            nodata = element.get("label", "").strip().lower() == "no data"  # version 1.0 has only the label
        entries.append(Entry((red, green, blue, 0 if transparent else 255), parse_value(text), nodata))
    return entries, units


_UNIT_NAMES = {
    "k": "kelvin",
    "kelvin": "kelvin",
    "°c": "celsius",
    "degc": "celsius",
    "degree_celsius": "celsius",
    "celsius": "celsius",
    "%": "percent",
    "percent": "percent",
    "1": "fraction",
}


def convert_units(values: np.ndarray, data_units: str, colormap_units: str) -> np.ndarray:
    """Values in the colormap's units, float64: kelvin and degrees Celsius, fraction and percent."""
    pair = tuple(_UNIT_NAMES.get(units.strip().lower(), "") for units in (data_units, colormap_units))
    if pair == ("kelvin", "celsius"):
        return values - 273.15
    if pair == ("celsius", "kelvin"):
        return values + 273.15
    if pair == ("fraction", "percent"):
        return values * 100.0
    if pair == ("percent", "fraction"):
        return values / 100.0
    return values


def colour(values: np.ndarray, entries: list[Entry]) -> np.ndarray:
    """RGBA of each value, shape (*values.shape, 4), uint8.

    The first entry that holds a value colours it. Where none does, and for NaN, there is no data: the colour of the
    first nodata entry, or transparent black.
    """
    no_data = next((entry.rgba for entry in entries if entry.nodata), (0, 0, 0, 0))
    known = ~np.isnan(values)
    unique, inverse = np.unique(values[known], return_inverse=True)
    colours = np.empty((*unique.shape, 4), np.uint8)
    colours[:] = no_data
    free = np.ones(unique.shape, bool)
    for entry in entries:
        for interval in entry.intervals:
            held = free & interval.holds(unique)
            colours[held] = entry.rgba
            free &= ~held
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[:] = no_data
    rgba[known] = colours[inverse]
    return rgba


def paint(layer: OracleLayer, colormap_path: Path, codes: np.ndarray, here: np.ndarray) -> np.ndarray:
    """RGBA of codes, shape (*codes.shape, 4), uint8. ``here``: where there is a cell at all."""
    entries, colormap_units = parse_colormap(colormap_path)
    values = layer.values(codes)
    values[~here] = np.nan
    return colour(convert_units(values, layer.units, colormap_units), entries)


def render(layer: OracleLayer, colormap_path: Path, tms_id: str, zoom: int, row: int, col: int) -> np.ndarray:
    """The tile, RGBA, shape (side, side, 4), uint8."""
    return paint(layer, colormap_path, *layer.tile_codes(tms_id, zoom, row, col))


def render_native(layer: OracleLayer, colormap_path: Path, zoom: int, row: int, col: int) -> np.ndarray:
    """The tile of the data's own grid, RGBA, shape (*layer.chunk, 4), uint8."""
    return paint(layer, colormap_path, *layer.native_tile_codes(zoom, row, col))


def flatten(rgba: np.ndarray, background: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """RGB over a background, shape (height, width, 3), uint8: what a format without alpha shows."""
    alpha = rgba[..., 3:].astype(np.float64) / 255.0
    return np.rint(rgba[..., :3] * alpha + np.array(background) * (1.0 - alpha)).astype(np.uint8)
