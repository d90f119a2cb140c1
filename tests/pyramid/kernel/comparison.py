"""The comparison of a kernel with the NumPy kernel, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lazytile.pyramid.kernel.job import Kernel
    from tests.pyramid.kernel.blocks import Block


def check(block: Block, kernel: Kernel, reference: Kernel) -> None:
    """Compare the chunks that are read, the palette indices and the bytes of the values."""
    job = block.job
    assert kernel.handles(job), job.packing
    assert sorted(set(kernel.positions(job))) == sorted(set(reference.positions(job)))
    with np.errstate(all="ignore"):
        expected, values = block.index(reference), block.values(reference)
    found = block.index(kernel)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert block.values(kernel).tobytes() == values.tobytes()
