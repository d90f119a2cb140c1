"""Compare a sanitized library with NumPy: run in a process of its own, into which the sanitizer is loaded first.

Every function of the library is called, with arrays of exactly the size that it may use.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.kernel.library import Library, load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.structs import host_address
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import ValueTile
from lazytile.pyramid.store.histogram import count_bins
from lazytile.pyramid.store.reduce import reduce_level
from tests.pyramid.kernel.blocks import block, codes, packing
from tests.pyramid.kernel.comparison import check
from tests.pyramid.kernel.pictures import picture, rows_of

if TYPE_CHECKING:
    from lazytile.pyramid.kernel.job import BlockKernel

REFERENCE = NumpyKernel()


def check_reductions(blocks: BlockKernel, random: np.random.Generator) -> None:
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
    for dtype in (np.uint8, np.uint16):
        patterns = random.integers(0, np.iinfo(dtype).max + 1, int(random.integers(0, 300))).astype(dtype)
        expected = np.bincount(patterns, minlength=np.iinfo(dtype).max + 1)
        np.testing.assert_array_equal(blocks.count(patterns), expected)


def counted(library: Library, calls: Counter[str]) -> Library:
    """Return a library that counts the calls of each function."""

    def counting(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return function(*arguments)

        return call if callable(function) else function

    return Library(**{each.name: counting(each.name, getattr(library, each.name)) for each in fields(Library)})


def check_blocks(kernel: NativeKernel, seed: int) -> None:
    for method in Resampling:
        for is_mesh in (False, True):
            check(block(seed, method, is_mesh=is_mesh), kernel, REFERENCE)


def check_reliefs(kernel: NativeKernel, random: np.random.Generator) -> None:
    values = random.normal(0, 3, tuple(random.integers(3, 40, 2).tolist()))
    values[random.random(values.shape) < 0.05] = random.choice([np.nan, np.inf, -np.inf, 1e308])
    for exaggeration in (1.0, 1e-9, 1e300):
        with np.errstate(all="ignore"):
            expected = REFERENCE.hillshade(values, exaggeration, StopFlag())
        found = kernel.hillshade(values, exaggeration, StopFlag())
        np.testing.assert_array_equal(found, expected, strict=True)


def check_colours(kernel: NativeKernel, random: np.random.Generator) -> None:
    values = random.normal(0, 5, tuple(random.integers(1, 40, 2).tolist()))
    values[random.random(values.shape) < 0.1] = random.choice([np.nan, np.inf, -np.inf, -0.0])
    cuts = np.unique(random.choice(values[np.isfinite(values)].ravel(), int(random.integers(0, 400))))
    slots = np.append(np.arange(1, cuts.size + 2), 0).astype(np.uint8 if cuts.size < 254 else np.uint16)
    palette = Palette(random.integers(0, 256, (cuts.size + 2, 4)).astype(np.uint8), cuts, slots)
    tile = ValueTile(values, Packing("float64"), None)
    np.testing.assert_array_equal(kernel.paint(tile, palette), REFERENCE.paint(tile, palette), strict=True)


def check_pictures(library: Library, seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 400, 2).tolist() if seed % 3 else random.permutation([1, 1024]).tolist()
    for number in range(seed, seed + 7):
        index = picture(number, height, width)
        needed = np.zeros(2, np.int64)
        library.png_room(height, width, host_address(needed))
        scratch, file = (np.empty(size, np.uint8) for size in needed)
        ends = (host_address(scratch), host_address(file))
        size = library.png(host_address(index), index.strides[0], height, width, b"", 0, *ends)
        np.testing.assert_array_equal(rows_of(file[:size].tobytes()), index)


def main(path: Path, first: int, last: int) -> None:
    calls: Counter[str] = Counter()
    library = counted(load_library(path, 1), calls)
    kernel = NativeKernel(library)
    for seed in range(first, last):
        random = np.random.default_rng(seed)
        check_blocks(kernel, seed)
        check_reductions(kernel.blocks, random)
        check_reliefs(kernel, random)
        check_colours(kernel, random)
        check_pictures(library, seed)
    uncalled = {each.name for each in fields(Library)} - set(calls) - {"instructions"}
    assert not uncalled, f"not called: {uncalled}"
    sys.stdout.write("equal\n")


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
