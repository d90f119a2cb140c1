"""Resampling against a reference that computes one pixel at a time."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.resampling import blend as module
from lazytile.pyramid.resampling.blend import blend
from lazytile.pyramid.resampling.location import Location
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.read_plan import Plan
from lazytile.pyramid.resampling.taps import taps
from lazytile.pyramid.resampling.value_tile import ValueTile

BLENDS = [method for method in Resampling if method is not Resampling.NEAREST]


def keys_weight(distance):
    d = abs(distance)
    if d <= 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    if d < 2:
        return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return 0.0


def axis_weights(method, position, footprint, cells, wraps):
    """Weights of all cells of an axis for one pixel, as a dictionary."""
    found = {}
    for cell in range(-6, cells + 6):
        centre = cell + 0.5
        if method is Resampling.BILINEAR:
            weight = max(0.0, 1 - abs(position - centre))
        elif method is Resampling.CUBIC:
            weight = keys_weight(position - centre)
        else:
            width = min(max(footprint, 1.0), 4.0)
            weight = max(0.0, min(cell + 1, position + width / 2) - max(cell, position - width / 2)) / width
        weight = round(weight * 2**17) / 2**17
        target = cell % cells if wraps else cell
        if 0 <= target < cells and weight:
            found[target] = found.get(target, 0.0) + weight
    return found


def reference(method, values, y, x, footprint_y, footprint_x, wraps):
    if math.isnan(y) or math.isnan(x):
        return math.nan
    rows = axis_weights(method, y, footprint_y, values.shape[0], False)
    cols = axis_weights(method, x, footprint_x, values.shape[1], wraps)
    share = total = 0.0
    by_class = {}
    for row, row_weight in rows.items():
        for col, col_weight in cols.items():
            value = values[row, col]
            if not math.isnan(value):
                share += row_weight * col_weight
                total += row_weight * col_weight * value
                by_class[value] = by_class.get(value, 0.0) + row_weight * col_weight
    if share < 0.5 - 1e-9:
        return math.nan
    return by_class if method is Resampling.MODE else total / share


def reader(values):
    def read(plan: Plan) -> ValueTile:
        codes = np.zeros(plan.shape)
        chunk = Shape(3, 4)
        for part in plan.parts(chunk):
            block = np.full((chunk.rows, chunk.cols), -999.0)
            top, left = part.chunk_row * chunk.rows, part.chunk_col * chunk.cols
            window = values[top : top + chunk.rows, left : left + chunk.cols]
            block[: window.shape[0], : window.shape[1]] = window
            part.scatter(codes, part.gather(block))
        return ValueTile(codes, Packing("float64"), plan.outside())

    return read


def check(method, found, expected):
    if method is Resampling.MODE and isinstance(expected, dict):
        # Of classes with equal weight any may win here; which one is the kernel's own, stated, rule.
        assert expected[float(found)] == pytest.approx(max(expected.values()), abs=1e-9)
    elif math.isnan(expected):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def clear_of_the_threshold(method, values, y, x, footprint_y, footprint_x, wraps):
    """Shares of exactly one half may fall either way by rounding: such pixels are not looked at."""
    rows = axis_weights(method, y, footprint_y, values.shape[0], False)
    cols = axis_weights(method, x, footprint_x, values.shape[1], wraps)
    share = sum(rows[row] * cols[col] for row in rows for col in cols if not math.isnan(values[row, col]))
    return abs(share - 0.5) > 1e-6


grids = st.tuples(st.integers(1, 9), st.integers(1, 11), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.0]))


def make_values(shape_and_seed, method):
    rows, cols, seed, gaps = shape_and_seed
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, (rows, cols)).astype(float)
    if method is not Resampling.MODE:
        values += random.random((rows, cols))
    values[random.random((rows, cols)) < gaps] = np.nan
    return values, random


@settings(max_examples=60, deadline=None)
@given(grids, st.sampled_from(BLENDS), st.booleans(), st.floats(0.3, 6.0))
def test_axes(shape_and_seed, method, wraps, step):
    values, random = make_values(shape_and_seed, method)
    rows, cols = values.shape
    y = np.sort(random.uniform(0, rows, 5))
    x = random.uniform(0, cols, 6)
    y[0] = np.nan
    y_foot, x_foot = np.full(5, step), np.full(6, step * 0.7)
    location = Location(0, x, y, x_foot, y_foot)
    found = blend(reader(values), Packing("float64"), location, Shape(rows, cols), method, wraps=wraps).decode()
    for i in range(5):
        for j in range(6):
            here = (y[i], x[j], step, step * 0.7, wraps)
            if math.isnan(y[i]) or clear_of_the_threshold(method, values, *here):
                check(method, found[i, j], reference(method, values, *here))


@pytest.mark.parametrize("window_bytes", [1 << 22, 0], ids=["window", "chunks"])
@settings(max_examples=40, deadline=None)
@given(shape_and_seed=grids, method=st.sampled_from(BLENDS))
def test_mesh(window_bytes, shape_and_seed, method):

    values, random = make_values(shape_and_seed, method)
    rows, cols = values.shape
    y, x = random.uniform(0, rows, (4, 5)), random.uniform(0, cols, (4, 5))
    y[1, 2] = x[1, 2] = np.nan
    y_foot, x_foot = random.uniform(0.2, 6, (4, 5)), random.uniform(0.2, 6, (4, 5))
    location = Location(0, x, y, x_foot, y_foot)
    with mock.patch.object(module, "WINDOW_BYTES", window_bytes):
        found = blend(reader(values), Packing("float64"), location, Shape(rows, cols), method, wraps=False).decode()
    for i in range(4):
        for j in range(5):
            here = (y[i, j], x[i, j], y_foot[i, j], x_foot[i, j], False)
            if math.isnan(y[i, j]) or clear_of_the_threshold(method, values, *here):
                check(method, found[i, j], reference(method, values, *here))


@given(st.floats(0, 20), st.sampled_from(BLENDS), st.floats(0.1, 9))
def test_weights_sum_to_one_inside(position, method, footprint):
    found = taps(method, np.array([position]), np.array([footprint]), 20, wraps=True)
    assert found.weight.sum() == pytest.approx(1.0, abs=8 * 2.0**-17)
    assert (found.weight * 2**17 % 1 == 0).all()


def test_names():
    assert Resampling.parse("cubic") is Resampling.CUBIC
    with pytest.raises(InvalidParameterError, match="resampling 'lanczos' is invalid, it may be nearest, bilinear"):
        Resampling.parse("lanczos")
