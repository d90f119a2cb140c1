"""The reduction kernels against a computation cell by cell."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.reduce import reduce_level

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]


def slow(codes: np.ndarray, packing: Packing, reduction: str) -> list[list[object]]:
    missing = packing.is_missing(codes)
    rows, cols = codes.shape
    coarse: list[list[object]] = []
    for row in range(0, rows, 2):
        coarse.append([])
        for col in range(0, cols, 2):
            cells = [(r, c) for r in (row, row + 1) for c in (col, col + 1) if r < rows and c < cols]
            valid = [codes[cell].item() for cell in cells if not missing[cell]]
            coarse[-1].append(one(valid, codes.dtype, packing, reduction, codes[row, col].item()))
    return coarse


def one(valid: list, dtype: np.dtype, packing: Packing, reduction: str, first: object) -> object:
    if not valid:
        return first if packing.fill_code is None else packing.fill_code
    if reduction == "mean":
        if dtype.kind in "iu":
            return round(sum(map(Fraction, valid)) / len(valid))
        return dtype.type(sum(valid) / len(valid)).item()
    if reduction == "mode":
        return max(valid, key=valid.count)
    if reduction == "nearest":
        return valid[0]
    wants_least_code = (reduction == "min") == (packing.scale_factor > 0)
    return min(valid) if wants_least_code else max(valid)


@st.composite
def fields(draw: st.DrawFn) -> tuple[np.ndarray, Packing]:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    if dtype.kind == "f":
        numbers = st.floats(-1000, 1000, width=dtype.itemsize * 8)
        elements = st.one_of(numbers, st.just(float("nan")), st.sampled_from([-999.0, 0.0, 1.0]))
    else:
        limits = np.iinfo(dtype)
        elements = st.one_of(
            st.integers(limits.min, limits.max),
            st.integers(0, 5),
            st.sampled_from([limits.min, limits.max, limits.max - 1]),
        )
    codes = draw(hnp.arrays(dtype, shape, elements=elements))
    present = st.sampled_from(np.unique(codes[~np.isnan(codes)] if dtype.kind == "f" else codes).tolist() or [0])
    missing = tuple(draw(st.lists(present, max_size=2, unique=True)))
    ends = sorted(draw(st.lists(present, min_size=2, max_size=2)))
    low, high = (end if draw(st.booleans()) else None for end in ends)
    scale = draw(st.sampled_from([1.0, 0.01, -0.5]))
    return codes, Packing(dtype.name, scale, 0.0, missing, low, high)


@pytest.mark.parametrize("reduction", ["mean", "mode", "nearest", "min", "max"])
@given(field=fields())
def test_equals_the_slow_way(reduction: str, field: tuple[np.ndarray, Packing]) -> None:
    codes, packing = field
    fast = reduce_level(codes, packing, reduction)
    expected = np.array(slow(codes, packing, reduction), dtype=codes.dtype)
    assert fast.dtype == codes.dtype
    assert fast.shape == expected.shape
    np.testing.assert_array_equal(fast, expected)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "int16"])
def test_extreme_integers_do_not_overflow(dtype: str) -> None:
    limits = np.iinfo(dtype)
    top, bottom = np.full((2, 2), limits.max, dtype), np.full((2, 2), limits.min, dtype)
    assert reduce_level(top, Packing(dtype), "mean").item() == limits.max
    assert reduce_level(bottom, Packing(dtype), "mean").item() == limits.min


def test_halves_go_to_even() -> None:
    codes = np.array([[1, 2, 3, 4, -1, -2, -3, -4]], "int16")
    assert reduce_level(codes, Packing("int16"), "mean").tolist() == [[2, 4, -2, -4]]


def test_strips_join_without_a_seam() -> None:
    codes = np.random.default_rng(1).integers(-5, 5, (701, 1503)).astype("int16")
    packing = Packing("int16", missing=(0,))
    whole = reduce_level(codes, packing, "mean")
    halves = [reduce_level(codes[:350], packing, "mean"), reduce_level(codes[350:], packing, "mean")]
    np.testing.assert_array_equal(whole, np.concatenate(halves))


def test_infinities_are_data_and_quiet() -> None:
    codes = np.array([[np.inf, 1], [2, 3], [np.inf, -np.inf], [1, 1]], "float32")
    assert reduce_level(codes, Packing("float32"), "mean")[0, 0] == np.inf
    assert np.isnan(reduce_level(codes, Packing("float32"), "mean")[1, 0])
