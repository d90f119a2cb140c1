"""Compare a sanitized library with NumPy: run in a process of its own, into which the sanitizer is loaded first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.kernel.library import load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.histogram import count_bins
from lazytile.pyramid.store.reduce import reduce_level
from tests.pyramid.kernel.blocks import block, codes, packing
from tests.pyramid.kernel.comparison import check

if TYPE_CHECKING:
    from lazytile.pyramid.kernel.job import BlockKernel


def check_blocks(blocks: BlockKernel, random: np.random.Generator) -> None:
    """Run every function for blocks; the suite compares their results in full."""
    packed = packing(random)
    level = codes(random, packed, (int(random.integers(1, 70)), int(random.integers(1, 700))))
    for reduction in ("mean", "mode", "nearest", "min", "max"):
        found = blocks.reduce(level, packed, reduction)
        if found is None:
            assert level.dtype.kind == "f"
        else:
            np.testing.assert_array_equal(found, reduce_level(level, packed, reduction))
    selected = blocks.select(level.reshape(-1), packed)
    if selected is not None and selected[1].size:
        bins = count_bins(selected[1])
        assert bins is not None
        counted = blocks.bin(selected[1], bins.exponent, bins.first, len(bins.counts))
        assert counted is None or tuple(counted.tolist()) == bins.counts


def main(library: Path, first: int, last: int) -> None:
    kernel, reference = NativeKernel(load_library(library, 1)), NumpyKernel()
    for seed in range(first, last):
        for method in Resampling:
            for is_mesh in (False, True):
                check(block(seed, method, is_mesh=is_mesh), kernel, reference)
        check_blocks(kernel.blocks, np.random.default_rng(seed))
    sys.stdout.write("equal\n")


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
