"""Compare a sanitized library with NumPy: run in a process of its own, into which the sanitizer is loaded first."""

from __future__ import annotations

import sys
from pathlib import Path

from lazytile.pyramid.kernel.library import load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.resampling.method import Resampling
from tests.pyramid.kernel.blocks import block
from tests.pyramid.kernel.comparison import check


def main(library: Path, first: int, last: int) -> None:
    kernel, reference = NativeKernel(load_library(library, 1)), NumpyKernel()
    for seed in range(first, last):
        for method in Resampling:
            for is_mesh in (False, True):
                check(block(seed, method, is_mesh=is_mesh), kernel, reference)
    sys.stdout.write("equal\n")


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
