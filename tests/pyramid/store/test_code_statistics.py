"""Statistics of every level and the histogram, against numpy on the stored levels."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.kernel.selection import choose_kernel
from lazytile.pyramid.store import histogram
from lazytile.pyramid.store.code_statistics import CodeStatistics, read_statistics, statistics_of
from lazytile.pyramid.store.histogram import count_bins
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("dtype", "scale"), [("int16", 0.01), ("int16", -0.5), ("uint8", 1.0), ("int32", 1.0), ("float32", 1.0)]
)
def test_every_level_has_its_statistics(tmp_path: Path, dtype: str, scale: float) -> None:
    codes = (np.random.default_rng(3).normal(60, 30, (2, 700, 900))).clip(1, 250).astype(dtype)
    codes[:, 100:200, 300:500] = 0
    write_grid(
        tmp_path / "in.nc",
        codes,
        centres(70, -0.1, 700),
        centres(0, 0.1, 900),
        leading={"time": ([0, 1], TIME)},
        fill=0,
        attributes={"scale_factor": scale, "add_offset": 5.0},
    )
    variable = convert(tmp_path / "in.nc", tmp_path, "d").variables[0]
    group = zarr.open_group(tmp_path / "d.zarr", mode="r")
    assert len(variable.level_statistics) == 3
    assert variable.statistics == variable.level_statistics[0]
    for level, statistics in enumerate(variable.level_statistics):
        values = variable.packing.decode(group[f"{level}/t"][...])
        held = values[~np.isnan(values)]
        assert (statistics.cell_count, statistics.valid_count) == (values.size, held.size)
        assert (statistics.minimum, statistics.maximum) == (held.min(), held.max())
        assert statistics.mean == pytest.approx(held.mean(), rel=1e-9)
    values = variable.packing.decode(group["0/t"][...])
    histogram = variable.histogram
    assert histogram is not None
    assert len(histogram.counts) <= 512
    edges = histogram.first_edge + histogram.width * np.arange(len(histogram.counts) + 1)
    index = np.floor((values[~np.isnan(values)] - edges[0]) / histogram.width + 1e-9).astype(int)
    if dtype.startswith("float"):
        assert sum(histogram.counts) == index.size
        np.testing.assert_allclose(np.bincount(index), histogram.counts, atol=3)
    else:
        np.testing.assert_array_equal(np.bincount(index, minlength=len(histogram.counts)), histogram.counts)


def test_classes_have_a_bin_each(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 7, (50, 60)).astype("uint8")
    attributes = {"flag_values": np.arange(7, dtype="uint8"), "flag_meanings": "a b c d e f g"}
    write_grid(tmp_path / "in.nc", codes, centres(0, 1, 50), centres(0, 1, 60), attributes=attributes)
    histogram = convert(tmp_path / "in.nc", tmp_path).variables[0].histogram
    assert histogram is not None
    assert (histogram.first_edge, histogram.width) == (-0.5, 1.0)
    assert histogram.counts == tuple(np.bincount(codes.ravel()).tolist())


numbers = st.one_of(
    arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e12, 1e12)),
    arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(-(2**62), 2**62)),
    arrays.arrays(np.uint64, st.integers(1, 60)),
    arrays.arrays(np.int8, st.integers(1, 60)),
)


@given(numbers, st.integers(0, 2**32))
def test_bins_do_not_depend_on_the_order_of_the_parts(data: np.ndarray, seed: int) -> None:
    whole = count_bins(data)
    assert whole is not None
    assert sum(whole.counts) == data.size
    assert len(whole.counts) <= 512
    assert whole.counts[0]
    assert whole.counts[-1]
    parts = [count_bins(part) for part in np.array_split(data, min(5, data.size))]
    random.Random(seed).shuffle(parts)
    total = parts[0]
    for part in parts[1:]:
        total += part
    assert total == whole
    width = 2.0**whole.exponent
    assert math.floor(data.min().item() / width) in (whole.first, whole.first + 1, whole.first - 1)


@pytest.mark.parametrize("kernel", ["auto", "numpy"])
@pytest.mark.parametrize("tiny", [-5e-324, -1e-310, -2.5e-308])
def test_a_negative_number_that_vanishes_in_units_of_its_bin_is_below_zero(
    monkeypatch: pytest.MonkeyPatch, kernel: str, tiny: float
) -> None:
    chosen = choose_kernel(kernel)
    monkeypatch.setattr(histogram, "current_kernel", lambda: chosen)
    whole = count_bins(np.array([511.0, tiny]))
    parts = count_bins(np.array([511.0])) + count_bins(np.array([tiny]))
    assert whole == parts
    assert whole.first == -1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float32"])
def test_a_summary_survives_json(tmp_path: Path, dtype: str) -> None:
    codes = (np.random.default_rng(2).random(999) * 120).astype(dtype)
    summary = statistics_of(codes, Packing(dtype, 0.1), binned=True)
    assert CodeStatistics.from_json(summary.to_json()) == summary
    assert read_statistics(tmp_path, 0, "t") is None


def test_tables_and_strips_agree() -> None:
    codes = np.random.default_rng(4).integers(-300, 300, 100_000).astype("int16")
    packing = Packing("int16", 0.1, 0.0, (-300,), valid_max=250)
    wide = Packing("int32", 0.1, 0.0, (-300,), valid_max=250)
    assert statistics_of(codes, packing, binned=True) == statistics_of(codes.astype("int32"), wide, binned=True)
