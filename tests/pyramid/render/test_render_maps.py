"""The renderer equals the oracle for every tile matrix set x grid x resampling x packing.

Where a map is a surface the renderer may be an eighth of a pixel off: there the answer must be what is seen from
within that distance. Everywhere else it must be the very cell, and blends the very sum. What is compared are values
before colour; colours are compared in ``test_render_oracle``.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.render.filters import Filter
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render, render_values
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.layer import Layer
from tests import oracle_maps, strategies
from tests.data import CATALOGUE, PROJECTED, Synthetic
from tests.oracle import LAST_ZOOM
from tests.oracle_maps import ENOUGH, GIBS_POLAR, OGC_SETS, View, mixture, nearest_choices, tile_of, view

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.store.dataset import Dataset

pytestmark = pytest.mark.usefixtures("each_kernel")

SETS = (*LAST_ZOOM, *GIBS_POLAR, *OGC_SETS)
ALL_DATA = {**CATALOGUE, **PROJECTED}
WINDOW_PX = 96
BLENDED_PIXELS = 150
METHODS = (None, *Resampling)  # None: the default
STYLES = Styles(ColormapCatalog())


def _task(store: Path, description: Dataset, address: strategies.Address, method: Resampling | None) -> RenderTask:
    layer = Layer(description, description.variables[0])
    tms = layer.tile_matrix_set(address.tms)
    request = TileRequest(
        layer,
        STYLES.style(layer, "grey"),
        (0,) * len(layer.variable.dimensions),
        tms,
        tms.matrix(str(address.zoom)),
        address.row,
        address.col,
        ImageFormat.PNG,
        PixelOptions(method),
    )
    return request.task(store)


def _address_over(data: Synthetic, tms: str, zoom: int, across: float, down: float) -> strategies.Address:
    """The tile of a set that shows a point of the data, given as shares of its width and height, if there is one."""
    rows, cols = data.size
    x, y = data.west + data.dx * cols * across, data.north - data.dy * rows * down
    tile = tile_of(tms, zoom, 0, 0)
    longitude, latitude = pyproj.Transformer.from_crs(data.crs, "EPSG:4326", always_xy=True).transform(x, y)
    longitude = (longitude + 180) % 360 - 180 if math.isfinite(longitude) else 0.0
    latitude = min(max(latitude, -89.0), 89.0) if math.isfinite(latitude) else 0.0
    x, y = pyproj.Transformer.from_crs("EPSG:4326", tile.crs, always_xy=True).transform(longitude, latitude)
    high, wide = oracle_maps.size_of(tms, zoom)
    if not (math.isfinite(x) and math.isfinite(y)):
        return strategies.Address(tms, zoom, high // 2, wide // 2)
    col = math.floor((x - tile.xs[0]) / tile.pixel[0] / len(tile.xs))
    row = math.floor((tile.ys[0] - y) / tile.pixel[1] / len(tile.ys))
    return strategies.Address(tms, zoom, min(max(row, 0), high - 1), min(max(col, 0), wide - 1))


def _window(tile: oracle_maps.Tile, seed: int) -> tuple[oracle_maps.Tile, slice, slice]:
    """A part of a tile, to spare pyproj millions of points."""
    random = np.random.default_rng(seed)
    parts = []
    for size in (len(tile.ys), len(tile.xs)):
        start = int(random.integers(0, max(1, size - WINDOW_PX + 1)))
        parts.append(slice(start, start + WINDOW_PX))
    return replace(tile, xs=tile.xs[parts[1]], ys=tile.ys[parts[0]]), parts[0], parts[1]


def _check(data: Synthetic, task: RenderTask, address: strategies.Address, method: Resampling | None, seed: int) -> int:
    """Compare a part of a tile; returns how many pixels of it were bound to show one certain thing."""
    tile, rows, cols = _window(tile_of(address.tms, address.zoom, address.row, address.col), seed)
    if method is None:
        method = Resampling(oracle_maps.usual_method(data.oracle(), tile, data.fields[0].reduction))
    seen = view(data.oracle(), tile)
    found = render_values(task)[rows, cols]
    assert found.shape == seen.cols.shape
    values = data.oracle().values(seen.codes)
    border = oracle_maps.edge_of(seen)
    nothing = np.isnan(seen.cols) & ~border
    assert np.isnan(found[nothing]).all(), "something is drawn outside the data"
    if method is Resampling.NEAREST:
        return _check_nearest(seen, values, found, border) + int(nothing.sum())
    inside = np.argwhere(np.isfinite(seen.cols) & ~border)
    chosen = np.random.default_rng(seed).permutation(len(inside))[:BLENDED_PIXELS]
    checked = sum(_check_blend(seen, values, found, method.value, *inside[at].tolist()) for at in chosen)
    return checked + int(nothing.sum())


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _check_nearest(seen: View, values: np.ndarray, found: np.ndarray, border: np.ndarray) -> int:
    shown = np.isfinite(seen.cols) & ~border
    at_rows, at_cols = np.where(shown, seen.rows, 0.5), np.where(shown, seen.cols, 0.5)
    certain = shown.copy()
    for position, slack in ((at_rows, seen.row_slack), (at_cols, seen.col_slack)):
        with np.errstate(invalid="ignore"):
            certain &= np.floor(position - slack) == np.floor(position + slack)
    expected = values[at_rows.astype(int), at_cols.astype(int)]
    np.testing.assert_array_equal(found[certain], expected[certain])
    uncertain = np.argwhere(shown & ~certain)
    for row, col in uncertain[:: max(1, len(uncertain) // 400)].tolist():
        choices = [float(values[cell]) for cell in nearest_choices(seen, row, col)]
        assert any(_same(float(found[row, col]), choice) for choice in choices), (row, col, found[row, col], choices)
    return int(certain.sum())


def _neighbourhood(seen: View, values: np.ndarray, method: str, row: int, col: int) -> np.ndarray:
    """Values of all cells that can have a part in a pixel, wherever within the slack it really lies."""
    parts = []
    for position, slack, size, circle in (
        (seen.rows, seen.row_slack, values.shape[0], None),
        (seen.cols, seen.col_slack, values.shape[1], seen.circle),
    ):
        reach = math.ceil(slack[row, col]) + 3
        around = np.arange(math.floor(position[row, col]) - reach, math.floor(position[row, col]) + reach + 1)
        parts.append(np.unique(around % circle) if circle else around[(around >= 0) & (around < size)])
    found = values[np.ix_(*parts)]
    return found if method == "mode" else np.where(np.isfinite(found), found, np.nan)


def _check_blend(seen: View, values: np.ndarray, found: np.ndarray, method: str, row: int, col: int) -> bool:
    """Check a pixel; False where rounding, or the slack, leaves open whether there is data."""
    mixed, value = mixture(seen, values, method, row, col), float(found[row, col])
    slack = float(seen.col_slack[row, col] + seen.row_slack[row, col])
    near = _neighbourhood(seen, values, method, row, col)
    exact = slack < 1e-4
    if mixed.gaps and (abs(mixed.share - ENOUGH) < 1e-4 or not exact):
        # The sum of Keys's weights of the cells with data may be anything where some are missing.
        assert math.isnan(value) or method == "cubic" or np.nanmin(near) - 1e-9 <= value <= np.nanmax(near) + 1e-9
        return False
    if np.isnan(near).any() and not exact:
        return False
    if mixed.share < ENOUGH:
        assert math.isnan(value), (row, col, value)
        return True
    if method == "mode":
        best = max(mixed.classes.values())
        allowed = [v for v, w in mixed.classes.items() if w > best - 1e-4] if exact else near[~np.isnan(near)].tolist()
        assert value in allowed, (row, col, value, allowed)
        return True
    rescale_to = float(np.nanmax(near) - np.nanmin(near))
    scale = max(abs(float(np.nanmax(near))), abs(float(np.nanmin(near))), 1e-300)
    # A weight moves by no more than the slack along either axis (Keys's by less than twice that), and the size of a
    # pixel is known as well as its place. On the brink, a weight is rounded to one unit more or less.
    allowance = rescale_to * (4 * slack + 4 * oracle_maps.WEIGHT_UNIT) / min(mixed.share, 1.0) + 1e-9 * scale
    assert abs(value - mixed.total / mixed.share) <= allowance, (row, col, value, mixed.total / mixed.share, allowance)
    return True


@st.composite
def _any_data(draw: st.DrawFn) -> Synthetic:
    """A field of any packing on a grid of any CRS."""
    if draw(st.booleans()):
        return draw(strategies.datasets())
    place = PROJECTED[draw(st.sampled_from(tuple(PROJECTED)))]()
    shrunk = draw(st.sampled_from((1, 2, 5)))
    rows, cols = (-(-size // shrunk) for size in place.size)
    field = draw(strategies.fields((rows, cols)))
    cell = (place.dx * shrunk, place.dy * shrunk)
    return Synthetic(
        "any", place.west, place.north, *cell, (field,), place.crs, draw(st.sampled_from(((16, 32), (64, 64))))
    )


@settings(max_examples=50, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(drawn=st.data())
def test_any_tile_of_any_set_on_any_grid(tmp_path_factory, drawn):
    data = drawn.draw(_any_data())
    tms = drawn.draw(st.sampled_from(SETS))
    zoom = drawn.draw(st.sampled_from(oracle_maps.zooms(tms)[:10]))
    address = _address_over(data, tms, zoom, drawn.draw(st.floats(0.02, 0.98)), drawn.draw(st.floats(0.02, 0.98)))
    method = drawn.draw(st.sampled_from(METHODS))
    folder = tmp_path_factory.mktemp("any")
    _check(data, _task(folder, data.write(folder), address, method), address, method, drawn.draw(st.integers(0, 99)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for make in ALL_DATA.values():
        make().write(folder)
    return folder


@pytest.mark.parametrize("tms", SETS)
def test_every_set_shows_every_kind_of_grid(store, tms):
    """Resamplings and zooms in turn, over the middle of the data."""
    methods, zooms = itertools.cycle(METHODS), itertools.cycle(oracle_maps.zooms(tms)[:5:2])
    shown = 0
    for at, (name, method, zoom) in enumerate(zip(PROJECTED, methods, zooms, strict=False)):
        data = PROJECTED[name]()
        address = _address_over(data, tms, zoom, 0.45, 0.55)
        shown += _check(data, _task(store, data.description(), address, method), address, method, at)
    assert shown > 1000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ALL_DATA)
def test_every_grid_in_every_resampling(store, name, method):
    data = ALL_DATA[name]()
    shown = 0
    for at, tms in enumerate(("WebMercatorQuad", "EPSG3413_1km", "UPSAntarcticWGS84Quad", "1km")):
        address = _address_over(data, tms, 1, 0.4, 0.4)
        shown += _check(data, _task(store, data.description(), address, method), address, method, at)
    assert shown


@pytest.mark.parametrize("method", [Resampling.NEAREST, Resampling.CUBIC, Resampling.AVERAGE, Resampling.MODE])
@pytest.mark.parametrize(
    ("name", "tms"),
    [
        ("global_180", "EPSG3413_1km"),
        ("rotated_world", "WebMercatorQuad"),
        ("geostationary", "16km"),
        ("odd_sizes", "WebMercatorQuad"),
    ],
)
def test_a_metatile_of_a_surface_is_its_tiles(store, name, method, tms):
    """A pixel is made of the same cells whichever block it is computed in, at poles and seams and edges too."""
    data = ALL_DATA[name]()
    task = _task(store, data.description(), _address_over(data, tms, 1, 0.5, 0.5), method)
    whole = replace(task, block=replace(task.block, row=0, col=0, rows=2, cols=2))
    for (row, col), png in zip(whole.block.addresses(), render(whole), strict=True):
        (alone,) = render(replace(task, block=replace(task.block, row=row, col=col)))
        assert alone == png, (row, col)


def test_filters_join_on_surfaces(store):
    """Neighbours of a pixel across the edge of a tile are those that the next tile shows."""
    data = PROJECTED["rotated_world"]()
    task = _task(store, data.description(), _address_over(data, "EPSG3413_1km", 1, 0.5, 0.1), Resampling.BILINEAR)
    task = replace(task, filter=Filter.parse("sobel"))
    whole = replace(task, block=replace(task.block, row=1, col=1, rows=2, cols=2))
    for (row, col), png in zip(whole.block.addresses(), render(whole), strict=True):
        assert render(replace(task, block=replace(task.block, row=row, col=col))) == (png,)


def test_a_native_set_of_a_grid_without_a_code_shows_each_cell_as_a_pixel(store):
    for name in PROJECTED:
        data = PROJECTED[name]()
        layer = data.oracle()
        finest = layer.levels - 1
        found = render_values(
            _task(store, data.description(), strategies.Address("native", finest, 0, 0), Resampling.NEAREST)
        )
        codes, here = layer.native_tile_codes(finest, 0, 0)
        expected = layer.values(codes)
        expected[~here] = np.nan
        np.testing.assert_array_equal(found, expected)
