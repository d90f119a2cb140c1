"""Every kernel gives the bytes of the NumPy kernel: all types, packings, positions, chunks, methods and palettes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from tests.pyramid.kernel.blocks import Block, blocks
from tests.pyramid.kernel.libraries import KERNELS, kernel_of

REFERENCE = NumpyKernel()


def check(block: Block, kernel) -> None:
    if not kernel.handles(block.job):
        assert block.job.packing.dtype not in ("float32", "float64") or len(block.job.packing.missing) > 8
        return
    assert sorted(set(kernel.positions(block.job))) == sorted(set(REFERENCE.positions(block.job)))
    with np.errstate(all="ignore"):
        expected, values = block.index(REFERENCE), block.values(REFERENCE)
    found = block.index(kernel)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert block.values(kernel).tobytes() == values.tobytes()


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=150, deadline=None)
@given(block=blocks())
def test_kernels_are_equal(name, block):
    check(block, kernel_of(name))
