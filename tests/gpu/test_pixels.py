"""Gathers, blends, filters and expressions on arrays of every kind give the same as on NumPy arrays."""

import numpy as np
import pytest

from lazytile.colormaps.compiled import palette
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.render.expression import Expression
from lazytile.pyramid.render.filters import Filter
from lazytile.pyramid.resampling.mesh_plan import MeshPlan
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.mixture import WeightedSum, blend_axes, mode_stack
from lazytile.pyramid.resampling.read_plan import AxisPlan
from lazytile.pyramid.resampling.taps import taps
from lazytile.pyramid.resampling.value_tile import ValueTile
from lazytile.pyramid.store import reduce

RANDOM = np.random.default_rng(11)


def field(rows, cols, gaps=0.2):
    values = RANDOM.normal(0, 10, (rows, cols))
    values[RANDOM.random((rows, cols)) < gaps] = np.nan
    return values


def close(arrays, found, expected):
    """Equal, but for the last bits where a GPU rounds a fused product or a sine otherwise."""
    tolerance = 1e-12 if arrays.kind == "cupy" else 0.0
    np.testing.assert_allclose(arrays.read(found), expected, rtol=tolerance, atol=tolerance, strict=True)


PLANS = {
    "axes": AxisPlan.of(0, np.array([-1, 0, 3, 5, 5, 8]), np.array([9, 8, -1, 2, 0])),
    "mesh": MeshPlan(0, RANDOM.integers(-1, 9, (6, 5)), RANDOM.integers(-1, 10, (6, 5))),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_gathering_cells(arrays, plan):
    if arrays.kind == "strict" and plan.rows.ndim == 2:
        pytest.skip("the standard has no assignment by arrays of indices; NumPy and CuPy have")
    level = RANDOM.integers(1, 99, (9, 10)).astype("int16")
    chunk = Shape(4, 4)
    padded = np.zeros((12, 12), "int16")
    padded[:9, :10] = level
    out = arrays.make(np.zeros(plan.shape, "int16"))
    for part in plan.parts(chunk):
        top, left = part.chunk_row * 4, part.chunk_col * 4
        part.scatter(out, part.gather(arrays.make(padded[top : top + 4, left : left + 4].copy())))
    rows, cols = (plan.rows[:, None], plan.cols[None]) if plan.rows.ndim == 1 else (plan.rows, plan.cols)
    expected = np.where((rows >= 0) & (cols >= 0), level[rows, cols], 0).astype("int16")
    np.testing.assert_array_equal(arrays.read(out), expected, strict=True)


@pytest.mark.parametrize("has_gaps", [True, False])
@pytest.mark.parametrize("method", [Resampling.BILINEAR, Resampling.CUBIC, Resampling.AVERAGE])
def test_blending_axes(arrays, method, has_gaps):
    window = np.nan_to_num(field(9, 12), nan=1.0)
    gaps = RANDOM.random(window.shape) < 0.3 if has_gaps else None
    rows = taps(method, np.linspace(0.6, 8.4, 7), np.full(7, 1.3), 9, wraps=False)
    cols = taps(method, np.linspace(0.6, 11.2, 5), np.full(5, 2.2), 12, wraps=True)
    rows, cols = (type(axis)(np.maximum(axis.index, 0), axis.weight) for axis in (rows, cols))
    there = None if gaps is None else arrays.make(gaps)
    found, missing = blend_axes(arrays.make(window), there, rows, cols)
    expected, expected_missing = blend_axes(window, gaps, rows, cols)
    close(arrays, found, expected)
    assert (missing is None) == (expected_missing is None)
    if missing is not None:
        np.testing.assert_array_equal(arrays.read(missing), expected_missing)


def test_the_mode_of_stacks(arrays):
    values = np.round(field(16, 30).reshape(16, 5, 6) / 5)
    weights = RANDOM.random((16, 5, 6))
    weights /= weights.sum(axis=0)
    close(arrays, mode_stack(arrays.make(values), arrays.make(weights)), mode_stack(values, weights))


@pytest.mark.parametrize("has_gaps", [True, False])
def test_mixtures(arrays, has_gaps):
    values, weights = RANDOM.normal(0, 9, (9, 5, 6)), RANDOM.random((9, 5, 6))
    weights /= weights.sum(axis=0)
    gaps = RANDOM.random(values.shape) < 0.4 if has_gaps else np.zeros(values.shape, bool)
    mixture = WeightedSum(arrays.make(np.zeros((5, 6))), arrays.make(np.zeros((5, 6))))
    for value, gap, weight in zip(values, gaps, weights, strict=True):
        mixture.add(arrays.make(value), arrays.make(gap) if has_gaps else None, arrays.make(weight))
    found, missing = mixture.mean()
    shares = (weights * ~gaps).sum(axis=0)
    enough = shares >= 0.5
    expected = (values * weights * ~gaps).sum(axis=0)[enough] / shares[enough]
    np.testing.assert_allclose(arrays.read(found)[enough], expected, rtol=1e-12)
    assert (missing is None) == (not has_gaps)
    if missing is not None:
        np.testing.assert_array_equal(arrays.read(missing), shares < 0.5)


@pytest.mark.parametrize("text", ["sobel", "blur", "hillshade:0.3", "contour:2.5"])
def test_filters(arrays, text):
    values = field(12, 15, 0.05)
    chosen = Filter.parse(text)
    close(arrays, chosen.apply(arrays.make(values)), chosen.apply(values))


@pytest.mark.parametrize(
    "text",
    [
        "u - v",
        "sqrt(u**2 + v**2)",
        "where(u > 2, v, nan)",
        "-u / 0 + v % 3",
        "hypot(u, v) * 2 - abs(u)",
        "minimum(u, 3) + maximum(v, 1)",
        "exp(u / 9) + log(abs(v)) + log10(abs(v))",
        "degrees(arctan2(u, v)) + radians(u) + sin(u) * cos(v) + tan(v)",
        "(u == v) + (u != v) + (u <= 1) + pi",
    ],
)
def test_expressions(arrays, text):
    expression = Expression.parse(text, frozenset({"u", "v"}))
    values = {"u": field(8, 9), "v": field(8, 9)}
    with np.errstate(all="ignore"):
        expected = expression.evaluate({name: values[name] for name in expression.variables})
        found = expression.evaluate({name: arrays.make(values[name]) for name in expression.variables})
    close(arrays, found, expected)


@pytest.mark.parametrize("reduction", ["mean", "mode", "nearest", "min", "max"])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_reductions(arrays, reduction, dtype):
    if arrays.kind == "strict":
        pytest.skip("reductions use methods of arrays that NumPy and CuPy share")
    codes = RANDOM.integers(0, 9, (11, 14)).astype(dtype)
    packing = Packing(dtype, 0.5, 1.0, (3.0,))
    found = reduce.reduce_level(arrays.make(codes), packing, reduction)
    np.testing.assert_array_equal(arrays.read(found), reduce.reduce_level(codes, packing, reduction), strict=True)


def test_palette_indices(arrays):
    if arrays.kind == "strict":
        pytest.skip("palettes use methods of arrays that NumPy and CuPy share")
    painted = palette.compile_colormap(ColormapCatalog().find("sea_surface_temperature"), data_units="K")
    values = RANDOM.uniform(265, 310, (9, 9))
    values[0, 0] = np.nan
    indices = arrays.read(painted.index_of(arrays.make(values)))
    np.testing.assert_array_equal(indices, painted.index_of(values), strict=True)
    colours = painted.colours(painted.index_of(arrays.make(values)))
    np.testing.assert_array_equal(arrays.read(colours), painted.colours(indices), strict=True)


@pytest.mark.parametrize("is_blended", [True, False])
def test_painting(arrays, is_blended):
    if arrays.kind == "strict":
        pytest.skip("palettes use methods of arrays that NumPy and CuPy share")
    colours = palette.compile_colormap(ColormapCatalog().find("sea_surface_temperature"), data_units="K")
    whole = Packing("int16", 0.01, 273.15, missing=(-32768.0,))
    codes, outside = RANDOM.uniform(-900, 3400, (9, 9)), RANDOM.random((9, 9)) < 0.2
    tile = (codes, Packing("float64", 0.01, 273.15), whole) if is_blended else (codes.astype("int16"), whole, None)
    expected = paint(ValueTile(tile[0], tile[1], outside, tile[2]), colours)
    found = paint(ValueTile(arrays.make(tile[0]), tile[1], arrays.make(outside), tile[2]), colours)
    np.testing.assert_array_equal(arrays.read(found), expected, strict=True)
