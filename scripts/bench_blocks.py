"""Time what conversion does to blocks of 2048 x 3600 cells, with NumPy and with the native kernel, and compare results.

Coarser levels by each reduction, and statistics with their histogram. Each figure is the least processor time of some
repetitions, in milliseconds.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from bench_kernel import least_ms

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.selection import choose_kernel
from lazytile.pyramid.store import code_statistics, histogram, reduce

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.job import Kernel

SHAPE = (2048, 3600)
REDUCTIONS = ("mean", "mode", "nearest", "min", "max")
FIELDS = (("uint8", 255.0), ("int16", -32768.0), ("int32", -9999.0), ("float32", float("nan")), ("float64", -9999.0))


def field(dtype: str, fill: float) -> tuple[NDArray[Any], Packing]:
    """Return smooth codes, a third of them without data."""
    y, x = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])[None, :]
    codes = np.round(np.sin(y / 200) * np.cos(x / 300) * 120 + 121).astype(dtype)
    codes[np.sin(y / 150) + np.cos(x / 170) > 0.5] = fill
    return codes, Packing(dtype, 0.01, 0.0, (fill,))


def work(name: str, codes: NDArray[Any], packing: Packing) -> object:
    """Return what one row of the table computes."""
    if name == "statistics":
        return code_statistics.statistics_of(codes, packing, binned=True)
    return reduce.reduce_level(codes, packing, name)


def main() -> None:
    """Print a row for each type and piece of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    kernels: tuple[Kernel, ...] = (NumpyKernel(), choose_kernel("native"))
    print("| codes | work | numpy, ms | native, ms | |\n|---|---|--:|--:|--:|")
    for dtype, fill in FIELDS:
        codes, packing = field(dtype, fill)
        for name in (*REDUCTIONS, "statistics"):
            times, results = [], []
            for kernel in kernels:
                with (
                    mock.patch.object(reduce, "current_kernel", return_value=kernel),
                    mock.patch.object(code_statistics, "current_kernel", return_value=kernel),
                    mock.patch.object(histogram, "current_kernel", return_value=kernel),
                ):
                    results.append(work(name, codes, packing))
                    times.append(least_ms(lambda: work(name, codes, packing), repetitions))  # noqa: B023
            if name == "statistics":
                assert results[0] == results[1]
            else:
                np.testing.assert_array_equal(*results)
            print(f"| {dtype} | {name} | {times[0]:.1f} | {times[1]:.1f} | x{times[0] / times[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
