"""What compiled kernels do to whole blocks is what NumPy does, bit for bit: coarser levels, counts, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.store import code_statistics, histogram, reduce
from tests.pyramid.kernel.blocks import codes, packing
from tests.pyramid.kernel.libraries import KERNELS, kernel_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REDUCTIONS = ("mean", "mode", "nearest", "min", "max")


@pytest.fixture(autouse=True)
def _numpy_elsewhere() -> Iterator[None]:
    """Have the reference computed by NumPy."""
    with (
        mock.patch.object(reduce, "current_kernel", NumpyKernel),
        mock.patch.object(code_statistics, "current_kernel", NumpyKernel),
        mock.patch.object(histogram, "current_kernel", NumpyKernel),
    ):
        yield


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 70), cols=st.integers(1, 70))
def test_coarser_levels_are_equal(name: str, reduction: str, seed: int, rows: int, cols: int) -> None:
    random = np.random.default_rng(seed)
    packed = packing(random)
    level = codes(random, packed, (rows, cols))
    expected = reduce.reduce_level(level, packed, reduction)
    found = kernel_of(name).blocks.reduce(level, packed, reduction)
    if level.dtype.kind == "f" and reduction in {"min", "max"}:
        assert found is None  # the sign of zero
        return
    assert found is not None
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    held = ~np.isnan(found)
    assert found.dtype == expected.dtype
    assert found[held].tobytes() == expected[held].tobytes()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_long_runs_of_a_coarser_level_are_equal(name: str, dtype: str) -> None:
    """Blocks that are all data or all none are handled together; their ends lie anywhere."""
    random, info = np.random.default_rng(13), np.iinfo(dtype)
    low, high = info.min + 3, info.max - 5
    packings = (
        Packing(dtype),
        Packing(dtype, missing=(info.min,)),
        Packing(dtype, missing=(7, 9), valid_min=low, valid_max=high),
        Packing(dtype, missing=(info.max,), valid_max=high),
        Packing(dtype, valid_min=low),
        Packing(dtype, valid_min=high, valid_max=high),
    )
    for packed in packings:
        for rows, cols in ((2, 1000), (7, 517), (64, 256), (5, 129)):
            level = random.integers(info.min, info.max + 1, (rows, cols)).astype(dtype)
            level[rows // 2 :] = random.choice([info.min, info.max, 7, 8])
            for _ in range(6):
                start, length = random.integers(0, cols), random.integers(1, 400)
                level[:, start : start + length] = random.choice([info.min, info.max, 7, 8, low, high])
            expected = reduce.reduce_level(level, packed, "mean")
            found = kernel_of(name).blocks.reduce(level, packed, "mean")
            assert found is not None
            assert found.tobytes() == expected.tobytes(), (packed, rows, cols)


@pytest.mark.parametrize("name", KERNELS)
def test_halves_are_rounded_to_even_in_long_runs(name: str) -> None:
    """Every sum of four that ends on another quarter, below and above zero and at both ends of the type."""
    info = np.iinfo(np.int16)
    firsts = np.concatenate(
        [np.arange(-70, 70), np.arange(info.min, info.min + 70), np.arange(info.max - 72, info.max - 2)]
    )
    for parts in ((0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (2, 0, 3, 1)):
        level = np.empty((2, 2 * firsts.size), np.int16)
        level[0, 0::2], level[0, 1::2], level[1, 0::2], level[1, 1::2] = (firsts + part for part in parts)
        expected = np.round((4 * firsts + sum(parts)) / 4).astype(np.int16)
        found = kernel_of(name).blocks.reduce(level, Packing("int16"), "mean")
        assert found is not None
        np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["int32", "uint64", "float16"])
def test_other_types_are_left_to_numpy(name: str, reduction: str, dtype: str) -> None:
    packed = Packing(dtype, missing=(3.0,))
    assert kernel_of(name).blocks.reduce(np.zeros((4, 4), dtype), packed, reduction) is None
    assert kernel_of(name).blocks.select(np.zeros(4, dtype), packed) is None
    assert kernel_of(name).blocks.bin(np.zeros(4, dtype), 0, 0, 1) is None


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_counts_are_equal(name: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    found = np.random.default_rng(5).integers(info.min, info.max + 1, 10_001).astype(dtype)
    patterns = found.view(f"u{found.itemsize}")
    expected = np.bincount(patterns, minlength=1 << (8 * found.itemsize))
    for step in (1, 3):
        expected = np.bincount(patterns[::step], minlength=1 << (8 * found.itemsize))
        np.testing.assert_array_equal(kernel_of(name).blocks.count(patterns[::step]), expected)


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), cols=st.integers(1, 90), binned=st.booleans())
def test_statistics_are_equal(name: str, seed: int, rows: int, cols: int, binned: bool) -> None:
    random = np.random.default_rng(seed)
    packed = packing(random)
    level = codes(random, packed, (rows, cols))
    expected = code_statistics.statistics_of(level, packed, binned=binned)
    with (
        mock.patch.object(code_statistics, "current_kernel", return_value=kernel_of(name)),
        mock.patch.object(histogram, "current_kernel", return_value=kernel_of(name)),
    ):
        assert code_statistics.statistics_of(level, packed, binned=binned) == expected


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bins_of_any_numbers_are_equal(name: str, dtype: str, data: st.DataObject) -> None:
    """Also of the smallest and largest floats, where a product of a power of two is rounded or would overflow."""
    width = int(dtype.removeprefix("float"))
    number = st.floats(allow_nan=False, allow_infinity=False, width=width)
    numbers = np.array(data.draw(st.lists(number, min_size=1, max_size=40)), dtype)
    expected = histogram.count_bins(numbers)
    with mock.patch.object(histogram, "current_kernel", return_value=kernel_of(name)):
        assert histogram.count_bins(numbers) == expected


@pytest.mark.parametrize("name", KERNELS)
def test_long_runs_are_selected(name: str) -> None:
    """Runs of data and of no data are handled whole; their ends lie anywhere."""
    random = np.random.default_rng(8)
    for dtype in ("float32", "float64"):
        for missing in ((float("nan"),), (-9999.0, 1e20)):
            packed = Packing(dtype, missing=missing, valid_max=1e6)
            level = random.normal(0, 10, 5000).astype(dtype)
            for _ in range(12):
                start, length = random.integers(0, 5000), random.integers(1, 900)
                level[start : start + length] = random.choice([missing[0], np.inf, 1e7])
            for part in (level, level[7:4001], level[1000:1255], level[:0]):
                expected = code_statistics.statistics_of(part, packed, binned=True)
                with mock.patch.object(code_statistics, "current_kernel", return_value=kernel_of(name)):
                    assert code_statistics.statistics_of(part, packed, binned=True) == expected
