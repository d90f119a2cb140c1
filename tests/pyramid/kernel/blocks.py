"""Random jobs for kernels, small ones: any type, packing, position, chunk, palette and method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lazytile.colormaps.compiled.palette import Palette
from lazytile.colormaps.core.units import Conversion, conversion
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.kernel.job import FilledJob, Job, Kernel
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.resampling.axis_location import AxisLocation
from lazytile.pyramid.resampling.location import Location
from lazytile.pyramid.resampling.method import Resampling

DTYPES = ("int8", "uint8", "int16", "uint16", "float32", "float64")
UNITS = (("", ""), ("K", "degC"), ("degF", "K"), ("1", "%"), ("mm/day", "kg m-2 s-1"))


@dataclass(frozen=True)
class Block:
    """A job and the level that its chunks are cut from, padded to whole chunks."""

    job: Job
    level: np.ndarray

    def filled(self, kernel: Kernel) -> FilledJob:
        rows, cols = self.job.chunk.rows, self.job.chunk.cols
        positions = kernel.positions(self.job)
        chunks = [self.level[r * rows : (r + 1) * rows, c * cols : (c + 1) * cols].copy() for r, c in positions]
        return FilledJob(self.job, positions, chunks)

    def index(self, kernel: Kernel) -> np.ndarray:
        (found,) = kernel.run([self.filled(kernel)], StopFlag())
        return found

    def values(self, kernel: Kernel) -> np.ndarray:
        (found,) = kernel.values([self.filled(kernel)], StopFlag())
        return found.decode()

    def coloured(self, palette: Palette) -> Block:
        return replace(self, job=replace(self.job, palette=palette))


def packing(random: np.random.Generator) -> Packing:
    dtype = str(random.choice(DTYPES))
    scale = float(random.choice([1.0, 0.001, -0.5, 0.1, 1 / 3, 0.01]))
    offset = float(random.choice([0.0, 0.0, 298.15, -7.3, 20.0]))
    low = high = None
    if dtype[0] == "f":
        missing = random.choice([np.nan, -9999.0, 1e20, 0.5, -0.25, 3.0], int(random.integers(0, 5)), replace=False)
        low, high = (None if random.random() < 0.6 else end for end in (-2.25, 3.1))
    else:
        info = np.iinfo(dtype)
        pool = [info.min, info.max, info.min + 1, 0, 7, 9 if info.min == 0 else -1, info.max - 1, 3, 4, 5]
        missing = random.choice(pool, int(random.integers(0, 9)), replace=False)
        low = None if random.random() < 0.5 else float(info.min + int(random.integers(0, 9)))
        high = None if random.random() < 0.5 else float(info.max - int(random.integers(0, 9)))
    return Packing(dtype, scale, offset, tuple(float(code) for code in missing), low, high)


def codes(random: np.random.Generator, packing: Packing, shape: tuple[int, int]) -> np.ndarray:
    dtype = np.dtype(packing.dtype)
    kind = int(random.integers(5))
    if dtype.kind == "f":
        found: Any = random.normal(0, random.choice([2.0, 1e-3, 1e6]), shape)
        if kind == 1:
            found = np.round(found, 1)
        elif kind == 2:
            found = np.full(shape, found[0, 0])
        elif kind == 3:
            found = random.choice([-0.0, 0.0, 1.5, 0.1], shape)
        found = found.astype(dtype)
        for special in (np.nan, np.inf, -np.inf):
            if random.random() < 0.4:
                found[random.random(shape) < random.choice([0.02, 0.2])] = special
    else:
        info = np.iinfo(dtype)
        low, high = int(info.min), int(info.max)
        if kind == 0:
            found = random.integers(low, high + 1, shape)
        elif kind == 1:
            found = (np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2) // 5 + low + 3) % (high - low) + low
        elif kind == 2:
            found = np.full(shape, int(random.integers(low, high + 1)))
        else:
            found = random.choice([low, high, 0, 5, high - 1], shape)
        found = found.astype(dtype)
    for code in packing.missing:
        if random.random() < 0.7:
            found[random.random(shape) < random.choice([0.01, 0.2, 0.7])] = code
        if random.random() < 0.3:
            found[: shape[0] // 3] = code
    return found


def axis(random: np.random.Generator, cells: int, pixels: int, *, wraps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Positions that ascend or stand still, on and off centres and edges, and how much each pixel covers."""
    step = float(random.choice([0.0, 0.11, 0.5, 1.0, 1.7, 2.0, 3.9]))
    start = random.uniform(-3, cells)
    if random.random() < 0.4:
        start = np.floor(start) + random.choice([0.0, 0.5])
    at = start + step * np.arange(pixels)
    if wraps:
        at = np.mod(at, cells)
    at[(at < 0) | (at >= cells)] = np.nan
    if random.random() < 0.3:
        at[random.random(pixels) < 0.2] = np.nan
    covered = np.full(pixels, step) if random.random() < 0.5 else random.uniform(0.2, 6.0, pixels)
    return at, covered


def location(random: np.random.Generator, shape: Shape, *, wraps: bool, is_mesh: bool) -> Location:
    height, width = (int(random.choice([1, 3, 16, 17, 37, 70])) for _ in range(2))
    y, high = axis(random, shape.rows, height, wraps=False)
    x, wide = axis(random, shape.cols, width, wraps=wraps)
    if not is_mesh:
        down, across = AxisLocation.of(y, high), AxisLocation.of(x, wide)
        return Location(0, x, y, wide, high, down, across)
    turn = random.uniform(-0.3, 0.3, 2)
    at_y = y[:, None] + turn[0] * np.arange(width)
    at_x = x + turn[1] * np.arange(height)[:, None]
    if wraps:
        at_x = np.mod(at_x, shape.cols)
    for at, size in ((at_y, shape.rows), (at_x, shape.cols)):
        with np.errstate(invalid="ignore"):
            at[(at < 0) | (at >= size)] = np.nan
    covered = (np.abs(random.uniform(0.2, 6.0, at_y.shape)) for _ in range(2))
    return Location(0, at_x, at_y, *covered)


def palette(random: np.random.Generator, values: np.ndarray, change: Conversion) -> Palette:
    """A palette with its edges on the very values that pixels have, where a rounding error shows."""
    with np.errstate(all="ignore"):
        candidates = np.unique(change.apply(values[np.isfinite(values)]))
    candidates = candidates[np.isfinite(candidates)]
    count = int(random.choice([0, 1, 3, 60, 240, 600]))
    cuts = np.unique(random.choice(candidates, min(count, candidates.size), replace=False)) if candidates.size else []
    cuts = np.array(cuts, np.float64)
    if random.random() < 0.3:
        cuts = np.unique(np.append(cuts, np.nextafter(cuts[:50], np.inf)))
    if random.random() < 0.2:
        cuts = np.append(cuts, np.inf)
    colours = len(cuts) + 2
    slots = np.append(np.arange(1, len(cuts) + 2), 0)
    dtype = np.uint8 if colours <= 256 else np.uint16
    return Palette(random.integers(0, 256, (colours, 4)).astype(np.uint8), cuts, slots.astype(dtype), change)


def block(seed: int, method: Resampling, *, is_mesh: bool) -> Block:
    """A block whose palette has edges on the values of its pixels."""
    random = np.random.default_rng(seed)
    shape = Shape(*(int(random.choice([1, 2, 5, 31, 64, 90, 150])) for _ in range(2)))
    chunk = Shape(*random.choice([(64, 64), (16, 40), (100, 37), (256, 256), (4, 5)]).tolist())
    wraps = bool(random.random() < 0.5)
    packed = packing(random)
    level = codes(
        random, packed, (-(-shape.rows // chunk.rows) * chunk.rows, -(-shape.cols // chunk.cols) * chunk.cols)
    )
    fill = packed.fill_code or 0
    level[shape.rows :] = fill
    level[:, shape.cols :] = fill
    where = location(random, shape, wraps=wraps, is_mesh=is_mesh)
    made = Block(Job(where, method, shape, chunk, wraps, packed), level)
    change = conversion(*UNITS[int(random.integers(len(UNITS)))])
    return made.coloured(palette(random, made.values(NumpyKernel()), change))


def blocks() -> st.SearchStrategy[Block]:
    """Draw a block."""
    seeds, methods = st.integers(0, 2**32 - 1), st.sampled_from(tuple(Resampling))
    return st.builds(block, seeds, methods, is_mesh=st.booleans())
