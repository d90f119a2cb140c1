"""Time the kernels on blocks of 256 x 256 pixels, and print how many times as fast as NumPy each is.

Synthetic cells; positions of a Web Mercator tile, and of a tile at the North Pole. Each figure is the least processor
time of some repetitions, without reading and encoding; results are compared first.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.allocator import keep_freed_memory
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.kernel.build import LEVELS
from lazytile.pyramid.kernel.job import FilledJob, Job
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.selection import choose_kernel
from lazytile.pyramid.render.location import TileBlock, locate
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.tiling.registry import find_tms

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.job import Kernel

CHUNK = Shape(256, 256)
LEVEL_COUNT = 6
PLACES = (("WebMercatorQuad", "3", 3, 3), ("WebMercatorQuad", "4", 5, 6), ("EPSG3413_1km", "2", None, None))
"""Tile matrix set, matrix, row and column; without row and column the middle, which is the pole."""


@dataclass(frozen=True, slots=True)
class Field:
    """Cells that look like a sea surface temperature with land."""

    name: str
    dtype: str
    is_classes: bool = False

    def level(self, shape: tuple[int, int]) -> tuple[NDArray[Any], Packing]:
        """Return the codes of a level, and their packing."""
        random = np.random.default_rng(1)
        y, x = np.mgrid[: shape[0], : shape[1]]
        values = 288 + 14 * np.cos(y / shape[0] * np.pi) * np.sin(x / 400) + random.normal(0, 0.3, shape)
        if self.is_classes:
            values = np.round(values / 4) * 4
        land = (y // 150 + x // 170) % 5 == 0
        if self.dtype.startswith("f"):
            return np.where(land, np.nan, values).astype(self.dtype), Packing(self.dtype)
        codes = np.where(land, -32768, np.round((values - 298.15) / 0.001)).astype(self.dtype)
        return codes, Packing(self.dtype, 0.001, 298.15, (-32768.0,))


FIELDS = (
    Field("int16", "int16"),
    Field("int16 classes", "int16", is_classes=True),
    Field("float32", "float32"),
    Field("float64", "float64"),
)


def least_ms(call: Callable[[], object], repetitions: int) -> float:
    """Return the least processor time of a call, in milliseconds."""
    times = []
    for _ in range(repetitions):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times) * 1e3


def kernels() -> list[Kernel]:
    """Return NumPy and every level of the native kernel that this processor has."""
    found: list[Kernel] = [NumpyKernel()]
    for level in LEVELS:
        try:
            found.append(choose_kernel("native", level))
        except EngineError as error:
            print(f"level {level}: {error}")
    return found


def main() -> None:
    """Compare the kernels method by method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    keep_freed_memory()
    cuts = np.linspace(271, 305, 240)
    colours = np.random.default_rng(2).integers(0, 256, (242, 4)).astype(np.uint8)
    palette = Palette(colours, cuts, np.append(np.arange(1, 242), 0).astype(np.uint8))
    grid = Grid("EPSG:4326", RegularAxis(-180.0, 0.05, 7200), RegularAxis(90.0, -0.05, 3600))
    compared = kernels()
    print("| cells | set | method | numpy, ms |", " | ".join(kernel.name for kernel in compared[1:]), "|")
    print("|---|---|---|--:|" + "--:|" * (len(compared) - 1))
    for field in FIELDS:
        for name, matrix_name, row, col in PLACES:
            tms = find_tms(name)
            matrix = tms.matrix(matrix_name)
            at = (matrix.matrix_height // 2, matrix.matrix_width // 2) if row is None or col is None else (row, col)
            for method in Resampling:
                block = TileBlock(*at)
                where = locate(grid, LEVEL_COUNT, tms, matrix, block, footprints=method.needs_footprints)
                shape = grid.coarsen(where.level).shape
                padded = (-(-shape.rows // CHUNK.rows) * CHUNK.rows, -(-shape.cols // CHUNK.cols) * CHUNK.cols)
                codes, packing = field.level(padded)
                job = Job(where, method, shape, CHUNK, wraps=True, packing=packing, palette=palette)
                times = measure(compared, job, codes, repetitions)
                pixels = job.pixels[0] * job.pixels[1] / 65536
                cells = " | ".join(f"{ms / pixels:.3f} (x{times[0] / ms:.1f})" for ms in times[1:])
                print(
                    f"| {field.name} | {name} {matrix_name} | {method.value} | {times[0] / pixels:.3f} | {cells} |",
                    flush=True,
                )


def measure(compared: list[Kernel], job: Job, codes: NDArray[Any], repetitions: int) -> list[float]:
    """Return the milliseconds that each kernel takes for a job, once their results are found equal."""
    times: list[float] = []
    expected: NDArray[Any] | None = None
    for kernel in compared:
        positions = kernel.positions(job)
        chunks = [np.ascontiguousarray(codes[r * 256 : (r + 1) * 256, c * 256 : (c + 1) * 256]) for r, c in positions]
        filled = FilledJob(job, positions, chunks)
        (index,) = kernel.run([filled], StopFlag())
        expected = index if expected is None else expected
        np.testing.assert_array_equal(index, expected)
        count = repetitions if times else max(3, repetitions // 4)
        times.append(least_ms(lambda: kernel.run([filled], StopFlag()), count))  # noqa: B023
    return times


if __name__ == "__main__":
    main()
