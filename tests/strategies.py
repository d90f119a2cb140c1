"""Hypothesis strategies: any grid, packing, fill, reduction, colormap and tile.

Grids and chunks are small, so that every example has several levels, ragged edges and tiles that cross chunks. Edges
of colormap bins are drawn from the values in the data, where rounding errors would show.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from hypothesis import strategies as st

from tests.data import Field, Synthetic
from tests.oracle import GEOGRAPHIC, LAST_ZOOM, MERCATOR, RADIUS_M, OracleLayer, convert_units, matrix_of

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
REDUCTIONS = ("mean", "nearest", "mode", "min", "max")


@dataclass(frozen=True)
class Place:
    """The position of a grid: outer edges and cell sizes in units of the CRS."""

    crs: str
    west: float
    north: float
    dx: float
    dy: float
    rows: int
    cols: int


@st.composite
def places(draw: st.DrawFn) -> Place:
    """Draw a regular grid: full circles from any longitude, cells or nodes on the poles, regions, Mercator."""
    kind = draw(st.sampled_from(("circle", "poles", "region", "binary", "mercator")))
    rows, cols = draw(st.integers(1, 40)), draw(st.integers(1, 60))
    if kind == "circle":
        west = draw(st.sampled_from((-180.0, 0.0, -180.0 - 180.0 / cols, 20.0)))
        return Place(GEOGRAPHIC, west, 90.0, 360.0 / cols, 180.0 / rows, rows, cols)
    if kind == "poles":
        rows += 1
        dy = 180.0 / (rows - 1)
        return Place(GEOGRAPHIC, -180.0 - 180.0 / cols, 90.0 + dy / 2, 360.0 / cols, dy, rows, cols)
    if kind == "region":
        dx, dy = (draw(st.integers(1, 4000)) / 1000 for _ in range(2))
        west = draw(st.integers(-3600, 3600)) / 10
        north = draw(st.integers(-80, 90))
        rows = max(1, min(rows, int((90 + north) / dy)))
        return Place(GEOGRAPHIC, west, float(north), dx, dy, rows, cols)
    if kind == "binary":
        # Cells that are binary fractions of a tile, beginning on an edge of one or half a cell beside it.
        size = 360.0 / 2 ** draw(st.integers(6, 14))
        west = -180.0 + size * draw(st.integers(0, 50)) - draw(st.sampled_from((0.0, size / 2)))
        return Place(GEOGRAPHIC, west, draw(st.integers(-1, 8)) * 11.25, size, size, rows, cols)
    # No binary fractions of the world in metres: on geographic tiles, centres would lie on edges in exact numbers,
    # and the last bit of a product with pi would decide.
    dx, dy = (draw(st.sampled_from((500.0, 10000.0, 33333.3, 156543.0))) for _ in range(2))
    west, north = (draw(st.integers(-19, 19)) * 1e6 for _ in range(2))
    return Place(MERCATOR, west, north, dx, dy, rows, cols)


@st.composite
def fields(draw: st.DrawFn, shape: tuple[int, int]) -> Field:
    """Draw a variable: any type, scale, offset, form of no data, and reduction."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    missing: tuple[float, ...] = ()
    valid_min = valid_max = None
    if dtype.kind == "f":
        codes = random.choice([0.01, 1.0, 300.0], shape) * random.standard_normal(shape)
        if draw(st.booleans()):
            codes = np.round(codes, 1)
        codes = codes.astype(dtype)
        if draw(st.booleans()):
            missing = draw(st.sampled_from(((-9999.0,), (float(dtype.type(1e20)),), (0.0, -9999.0))))
        specials = [np.nan, *missing] + ([np.inf, -np.inf] if draw(st.booleans()) else [])
    else:
        info = np.iinfo(dtype)
        low, high = sorted(draw(st.integers(int(info.min), int(info.max))) for _ in range(2))
        codes = random.integers(low, high, shape, dtype=dtype, endpoint=True)
        if draw(st.booleans()):
            some = st.sampled_from((int(info.min), int(info.max), 0)) | st.integers(low, high)
            missing = tuple(float(code) for code in draw(st.lists(some, min_size=1, max_size=3, unique=True)))
        if missing and draw(st.booleans()):
            # With a code for no data only: what is left of four invalid cells otherwise is anybody's choice.
            valid_min, valid_max = (float(code) for code in np.quantile(codes, (0.1, 0.9), method="nearest"))
        specials = list(missing)
    if specials:
        share = draw(st.sampled_from((0.0, 0.1, 0.5, 1.0)))
        holes = random.random(shape) < share
        codes[holes] = random.choice(np.array(specials, np.float64), int(holes.sum())).astype(dtype)
    return Field(
        "value",
        codes,
        scale=draw(st.sampled_from((1.0, 0.01, 0.001, 0.1, -0.25, 1 / 3, 1e-7))),
        offset=draw(st.sampled_from((0.0, 273.15, 298.15, -5.5))),
        missing=missing,
        valid_min=valid_min,
        valid_max=valid_max,
        reduction=draw(st.sampled_from(REDUCTIONS)),
        units=draw(st.sampled_from(("", "kelvin", "K", "degC", "1", "%", "m s-1"))),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Synthetic:
    """Draw a field on a grid, in small chunks that need not be square."""
    place = draw(places())
    chunk = draw(st.sampled_from(((8, 8), (16, 16), (16, 8), (256, 256))))
    field = draw(fields((place.rows, place.cols)))
    return Synthetic("any", place.west, place.north, place.dx, place.dy, (field,), place.crs, chunk)


@st.composite
def colormaps(draw: st.DrawFn, layer: OracleLayer) -> str:
    """Draw the text of a GIBS colormap 1.3 for a layer: open, closed and unbounded intervals, with gaps, or classes."""
    units = {"kelvin": ("K", "°C"), "K": ("°C",), "degC": ("K", "°C"), "1": ("%", ""), "%": ("%", "1")}
    colormap_units = draw(st.sampled_from(units.get(layer.units, ("",))))
    values = convert_units(layer.values(layer.codes), layer.units, colormap_units)
    values = np.unique(values[np.isfinite(values)])
    candidates = values.tolist() or [0.0]
    count = draw(st.sampled_from((1, 2, 5, 20, 254, 300)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edges = sorted({float(edge) for edge in random.choice(candidates, count)} | {candidates[0]})
    if draw(st.booleans()):
        # One ulp beside a value, and round numbers between values, are where bins should not depend on luck.
        edges = sorted({*edges, *np.nextafter(edges[:3], np.inf).tolist(), *np.round(edges[:5], 1).tolist()})
    style = draw(st.sampled_from(("[)", "(]", "mixed", "classes")))
    texts = [f"[-INF,{_number(edges[0])})"] if style in ("[)", "mixed") and draw(st.booleans()) else []
    if style == "classes":
        texts = [draw(st.sampled_from(("{}", "[{}]"))).format(_number(edge)) for edge in edges]
    else:
        has_lower = True
        for lower, upper in itertools.pairwise(edges):
            # Neighbours never hold the same value: which of two would count is not for this test to say.
            opens = {"[)": "[", "(]": "("}.get(style) or ("[" if has_lower else "(")
            closes = {"[)": ")", "(]": "]"}.get(style) or random.choice([")", "]"])
            has_lower = closes == ")"
            if random.random() > 0.1:
                texts.append(f"{opens}{_number(lower)},{_number(upper)}{closes}")
        if draw(st.booleans()):
            opens = "(" if style == "(]" or not has_lower else "["
            texts.append(f"{opens}{_number(edges[-1])},+INF)")
    return _document(draw, random, texts, colormap_units)


def _number(value: float) -> str:
    """A number as the schema writes it, exact."""
    return repr(float(value))


def _document(draw: st.DrawFn, random: np.random.Generator, texts: list[str], units: str) -> str:
    entries = []
    for at, text in enumerate(texts):
        rgb = ",".join(str(part) for part in random.integers(0, 256, 3))
        transparent = "true" if random.random() < 0.1 else "false"
        look = f'rgb="{rgb}" transparent="{transparent}"'
        entries.append(f'<ColorMapEntry {look} value="{text}" sourceValue="{text}" ref="{at + 1}"/>')
    no_data = draw(st.sampled_from(("", "0,0,0", "220,220,255") if entries else ("0,0,0",)))
    transparent = draw(st.sampled_from(("true", "false")))
    empty = _map(
        "No Data", "", [f'<ColorMapEntry rgb="{no_data}" transparent="{transparent}" nodata="true" ref="0"/>'], [0]
    )
    split = draw(st.integers(0, len(entries)))
    maps = [
        _map(f"Part {part}", units, some, range(1, len(texts) + 1))
        for part, some in enumerate((entries[:split], entries[split:]))
        if some
    ]
    if no_data:
        maps = [empty, *maps] if draw(st.booleans()) else [*maps, empty]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ColorMaps>{"".join(maps)}</ColorMaps>\n'


def _map(title: str, units: str, entries: list[str], ids: Any) -> str:
    legend = "".join(f'<LegendEntry rgb="0,0,0" tooltip="{number}" id="{number}"/>' for number in ids)
    attribute = f" units={quoteattr(units)}" if units else ""
    return (
        f'<ColorMap title="{title}"{attribute}><Entries>{"".join(entries)}</Entries>'
        f'<Legend type="discrete">{legend}</Legend></ColorMap>'
    )


@dataclass(frozen=True)
class Address:
    """A tile of a registered set, or of the data's own grid where ``tms`` is ``native``."""

    tms: str
    zoom: int
    row: int
    col: int


@st.composite
def addresses(draw: st.DrawFn, layer: OracleLayer) -> Address:
    """Draw a tile of any set: coarse ones anywhere, finer ones over the data, and native ones."""
    tms = draw(st.sampled_from(tuple(LAST_ZOOM)))
    if draw(st.integers(0, 3)) == 3:
        tms = "native"
        zoom = draw(st.integers(0, layer.levels - 1))
        rows, cols = layer.level(layer.levels - 1 - zoom).shape
        row = draw(st.integers(0, (rows - 1) // layer.chunk[0]))
        col = draw(st.integers(0, (cols - 1) // layer.chunk[1]))
        return Address(tms, zoom, row, col)
    zoom = draw(st.integers(0, min(LAST_ZOOM[tms], draw(st.sampled_from((3, 12))))))
    matrix = matrix_of(tms, zoom)
    if draw(st.booleans()):
        return Address(tms, zoom, draw(st.integers(0, matrix.rows - 1)), draw(st.integers(0, matrix.cols - 1)))
    return tile_over(layer, tms, zoom, draw(st.floats(0, 1)), draw(st.floats(0, 1)))


def tile_over(layer: OracleLayer, tms: str, zoom: int, across: float = 0.5, down: float = 0.5) -> Address:
    """Return the tile that holds a point of the data, given as fractions of its width and height."""
    matrix = matrix_of(tms, zoom)
    rows, cols = layer.codes.shape
    x, y = layer.west + layer.dx * cols * across, layer.north - layer.dy * rows * down
    if layer.crs == MERCATOR:
        x, y = math.degrees(x / RADIUS_M), math.degrees(2 * math.atan(math.exp(y / RADIUS_M)) - math.pi / 2)
    x = (x + 180.0) % 360.0 - 180.0
    if matrix.crs == MERCATOR:
        y = RADIUS_M * math.log(math.tan(math.pi / 4 + math.radians(min(max(y, -85.0), 85.0)) / 2))
        x = RADIUS_M * math.radians(x)
    tile = matrix.pixel * matrix.side
    row, col = int((matrix.north - y) // tile), int((x - matrix.west) // tile)
    return Address(tms, zoom, min(max(row, 0), matrix.rows - 1), min(max(col, 0), matrix.cols - 1))
