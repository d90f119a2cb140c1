"""Packings on arrays of every kind, against decoding and comparing in plain Python."""

import math

import numpy as np
import pytest

from lazytile.pyramid.core.packing import Packing

PACKINGS = [
    (Packing("int16", 0.001, 298.15, (-32768.0,)), [-32768, -32767, -1, 0, 1, 32767]),
    (Packing("uint8", 1.0, 0.0, (255.0, 254.0)), [0, 1, 253, 254, 255]),
    (Packing("int16", 0.5, 0.0, (), valid_min=-10, valid_max=10), [-11, -10, 0, 10, 11]),
    (Packing("float32", 2.0, -1.0, (1e20,)), [math.nan, 1e20, 0.0, -0.0, 3.5, math.inf]),
    (Packing("float64"), [math.nan, 0.25, -math.inf]),
    (Packing("int32", 0.1, 5.0), [-(2**31), 0, 2**31 - 1]),
]


def expected(packing, code):
    value = float(np.dtype(packing.dtype).type(code))
    missing = math.isnan(value) or value in [float(np.dtype(packing.dtype).type(fill)) for fill in packing.missing]
    low = packing.valid_min is not None and value < packing.valid_min
    high = packing.valid_max is not None and value > packing.valid_max
    return math.nan if missing or low or high else value * packing.scale_factor + packing.add_offset


@pytest.mark.parametrize(("packing", "codes"), PACKINGS, ids=lambda value: getattr(value, "dtype", None))
@pytest.mark.parametrize("shape", [(-1,), (1, -1), (-1, 1)])
def test_decoding(arrays, packing, codes, shape):
    host = np.array(codes, packing.dtype).reshape(shape)
    values = arrays.read(packing.decode(arrays.make(host)))
    missing = arrays.read(packing.is_missing(arrays.make(host)))
    wanted = np.array([expected(packing, code) for code in codes]).reshape(host.shape)
    np.testing.assert_array_equal(values, wanted, strict=True)
    np.testing.assert_array_equal(missing, np.isnan(wanted), strict=True)
