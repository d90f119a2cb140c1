"""Colours of blended codes: the tables give what decoding and searching give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.resampling.value_tile import ValueTile

RANDOM = np.random.default_rng(5)


def palette_of(cuts, colours):
    cuts = np.unique(np.array(cuts, np.float64))
    rgba = np.zeros((colours, 4), np.uint8)
    slots = np.array([at % colours for at in range(len(cuts) + 1)] + [0], np.uint8 if colours <= 256 else np.uint16)
    return Palette(rgba, cuts, slots)


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(["int8", "uint8", "int16", "uint16"]),
    scale=st.sampled_from([1.0, -1.0, 0.01, -0.005, 0.1, 3.0]),
    offset=st.sampled_from([0.0, 273.15, -12.5]),
    colours=st.sampled_from([2, 17, 256, 300]),
    count=st.integers(1, 400),
    seed=st.integers(0, 2**31),
    on_codes=st.booleans(),
)
def test_fractions_are_coloured_as_their_values(dtype, scale, offset, colours, count, seed, on_codes):
    random = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    packing = Packing(dtype, scale, offset, missing=(float(limits.min + 3),), valid_max=limits.max - 2.0)
    # Colours change at codes, or anywhere, several between two codes too.
    at = random.uniform(limits.min, limits.max, count)
    at = np.round(at) if on_codes else np.concatenate((at, at[: count // 2] + 0.3, at[: count // 3] + 1e-9))
    palette = palette_of(at * scale + offset, colours)
    codes = random.uniform(limits.min - 20.0, limits.max + 20.0, (40, 50))
    codes[::3] = np.round(codes[::3])
    codes[1] = at[random.integers(0, at.size, 50)]
    outside = random.random(codes.shape) < 0.2
    fractions = Packing("float64", scale, offset)
    found = paint(ValueTile(codes, fractions, outside, packing), palette)
    expected = palette.index_of(np.where(outside, np.nan, codes * scale + offset))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("code", [-32768, -1, 0, 1, 27315, 32767])
def test_the_mean_of_equal_codes_is_that_code(code):
    """However the weights come out: a colour may begin at exactly this value."""
    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.resampling.blend import blend
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.resampling.method import Resampling

    packing = Packing("int16", 0.01, 273.15)
    y, x = RANDOM.uniform(2, 18, (2, 64))
    sizes = RANDOM.uniform(0.3, 4.0, (2, 64))

    def read(plan):
        return ValueTile(np.full(plan.shape, code, np.int16), packing, plan.outside())

    places = (
        Location(0, np.sort(x), np.sort(y), *sizes),
        Location(0, *np.meshgrid(x, y), *(np.broadcast_to(size, (64, 64)) for size in sizes)),
    )
    for method in (Resampling.AVERAGE, Resampling.BILINEAR, Resampling.CUBIC):
        for place in places:
            tile = blend(read, packing, place, Shape(20, 20), method, wraps=False)
            assert tile.outside is None
            assert (tile.codes == code).all()
