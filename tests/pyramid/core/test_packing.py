"""Packings: the meaning of codes."""

import numpy as np
import pytest

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.packing import Packing


def test_values_are_codes_scaled_in_float64():
    # 0.001 and 298.15 as MUR packs them: in float32 this would be off by 1e-5.
    packing = Packing("int16", 0.001, 298.15, (-32768,))
    codes = np.array([[-32768, -7000], [0, 32767]], np.int16)
    values = packing.decode(codes)
    assert values.dtype == np.float64
    assert np.isnan(values[0, 0])
    assert values[0, 1] == -7000 * 0.001 + 298.15
    assert values[1].tolist() == [298.15, 32767 * 0.001 + 298.15]
    assert codes.dtype == np.int16
    assert codes[0, 0] == -32768


def test_negative_scale_and_zero_fill():
    packing = Packing("uint8", -0.5, 10.0, (0,))
    np.testing.assert_array_equal(packing.decode(np.array([0, 1, 255], np.uint8)), [np.nan, 9.5, -117.5])


def test_every_missing_code_counts_and_nan_always_does():
    packing = Packing("float32", missing=(1e20, -9999.0))
    codes = np.array([1e20, -9999.0, np.nan, 0.0, np.inf, -np.inf], np.float32)
    assert packing.is_missing(codes).tolist() == [True, True, True, False, False, False]
    # 1e20 is no float32 number: the comparison is with the nearest one, which is what files hold.
    assert float(np.float32(1e20)) != 1e20


def test_the_valid_range_is_inclusive_and_in_packed_units():
    packing = Packing("int16", 0.2, 0.0, (), valid_min=0, valid_max=250)
    codes = np.array([-1, 0, 250, 251], np.int16)
    assert packing.is_missing(codes).tolist() == [True, False, False, True]


@pytest.mark.parametrize(("dtype", "count"), [("int8", 256), ("uint8", 256), ("int16", 65536), ("uint16", 65536)])
def test_all_codes_are_in_the_order_of_their_bits(dtype, count):
    packing = Packing(dtype)
    codes = packing.all_codes()
    assert packing.has_table
    assert codes.dtype == np.dtype(dtype)
    assert len(set(codes.tolist())) == count
    bits = codes.view(f"u{codes.dtype.itemsize}")
    assert bits.tolist() == list(range(count))


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32", "float64", "int64"])
def test_larger_types_have_no_table(dtype):
    assert not Packing(dtype).has_table


@pytest.mark.parametrize(
    ("packing", "fill"),
    [
        (Packing("int16", missing=(-32768, -1)), -32768),
        (Packing("uint8"), None),
        (Packing("float32", missing=(1e20,)), 1e20),
    ],
)
def test_fill_code(packing, fill):
    assert packing.fill_code == fill


def test_floats_without_a_missing_code_are_filled_with_nan():
    fill = Packing("float64").fill_code
    assert fill is not None
    assert np.isnan(fill)


@pytest.mark.parametrize("dtype", ["bool", "datetime64[s]", "complex64", "S4"])
def test_codes_must_be_numbers(dtype):
    with pytest.raises(StoreError, match="integers or floats"):
        Packing(dtype)


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 1.0), (np.nan, 0.0), (1.0, np.inf)])
def test_scale_and_offset_must_be_usable(scale, offset):
    with pytest.raises(StoreError, match="scale_factor"):
        Packing("int16", scale, offset)


@pytest.mark.parametrize(
    ("dtype", "code"),
    [("int8", 255.0), ("uint8", -1.0), ("int16", np.nan), ("int16", 0.5), ("int32", np.inf), ("float32", 1e300)],
)
def test_a_missing_code_must_be_one_of_the_type(dtype, code):
    # Compared through a cast, 0.5 would have meant 0 and -1 an error in the middle of a tile.
    with pytest.raises(StoreError, match=f"is no {dtype}"):
        Packing(dtype, missing=(code,))


def test_packings_are_values():
    assert Packing("int16", 0.1, 2.0, (5,)) == Packing("int16", 0.1, 2.0, (5,))
    assert hash(Packing("int16", 0.1, 2.0, (5,))) == hash(Packing("int16", 0.1, 2.0, (5,)))
    assert Packing("int16", 0.1) != Packing("int16", 0.2)
