"""Tables of all codes, found by a search for the cuts, against a search for every code among the cuts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.colormaps.compiled.palette import Palette
from lazytile.colormaps.core.units import conversion
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.painting import between_table, code_table


def drawn(packing, units, colours, count, random):
    """A palette whose cuts lie on values of codes, one float64 beside them, and anywhere."""
    converted = conversion(*units)
    codes = random.choice(packing.all_codes(), count).astype(np.float64)
    with np.errstate(over="ignore"):
        values = converted.apply(
            (codes + random.choice([0.0, 0.0, 0.5], count)) * packing.scale_factor + packing.add_offset
        )
    cuts = np.concatenate([values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf), [-np.inf, np.inf]])
    cuts = np.unique(random.choice(cuts, count))
    slots = np.append(random.integers(0, colours, len(cuts) + 1), 0).astype(np.uint8 if colours <= 256 else np.uint16)
    return Palette(random.integers(0, 256, (colours, 4)).astype(np.uint8), cuts, slots, converted)


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(["int8", "uint8", "int16", "uint16"]),
    scale=st.sampled_from([1.0, -1.0, 0.01, -0.005, 1 / 3, 250.0, 1e300, 1e-310, 1e304]),
    offset=st.sampled_from([0.0, 273.15, -12.5, 1e6, 1e20, -1e308]),
    units=st.sampled_from([("", ""), ("K", "C"), ("C", "F"), ("km h-1", "m s-1"), ("%", "1")]),
    colours=st.sampled_from([1, 2, 256, 300]),
    count=st.integers(1, 300),
    seed=st.integers(0, 2**31),
)
def test_the_tables_equal_a_search_for_every_code(dtype, scale, offset, units, colours, count, seed):
    random = np.random.default_rng(seed)
    ends = np.iinfo(dtype)
    missing = tuple(float(code) for code in random.integers(ends.min, ends.max, seed % 3))
    packing = Packing(dtype, scale, offset, missing, None, ends.max - 7.0 if seed % 2 else None)
    palette = drawn(packing, units, colours, count, random)
    codes = packing.all_codes()
    with np.errstate(over="ignore"):
        expected = palette.index_of(packing.decode(codes))
        here = codes.astype(np.float64) * scale + offset
        before_next = np.nextafter((codes.astype(np.float64) + 1.0) * scale + offset, here)
    found = code_table(palette, packing)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    between = between_table(palette, packing)
    np.testing.assert_array_equal(between.index, palette.index_of(here))
    is_cut = palette.cuts_below(here) != palette.cuts_below(before_next)
    np.testing.assert_array_equal(between.is_cut, is_cut | (codes == ends.min) | (codes == ends.max))


@pytest.mark.parametrize("cuts", [[], [0.0], [-np.inf, 2.5, np.inf]])
def test_runs_are_the_values_between_the_cuts(cuts):
    palette = Palette(np.zeros((1, 4), np.uint8), np.array(cuts), np.zeros(len(cuts) + 2, np.uint8))
    values = np.array([-np.inf, -1.0, 0.0, 2.5, 2.5, 3.0, np.inf])
    expected = np.bincount(palette.cuts_below(values), minlength=len(cuts) + 1)
    assert palette.runs(values).tolist() == expected.tolist()
    assert palette.runs(values[:0]).tolist() == [0] * (len(cuts) + 1)
