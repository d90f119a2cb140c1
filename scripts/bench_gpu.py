"""Time tiles on a GPU, stage by stage, against the processor cores of the same machine.

    bench_gpu.py [--tiles 256] [--seconds 3] [--rows 4500] [--out bench-results]

A synthetic sea surface temperature is converted, and the same tiles are rendered by the CUDA kernel (all cores decode
and encode), by the native kernel (one process for each core) and, a few of them, by NumPy, whose bytes all must equal.
Stages on the host (read, decode, encode) run in one thread for each core; those of the GPU (upload, kernel, download)
are timed by its own events, on batches as they form under load. ``gpu.md`` and ``gpu.json`` in the folder hold the
report. Without a GPU everything runs once with the tests' double in CuPy's place; then nothing is measured, and the
report says so. With LAZYTILE_REQUIRE_GPU=1 that is an error.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
from PIL import Image

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.chunks.unpacking import unpack
from lazytile.pyramid.core import process
from lazytile.pyramid.core.array_backend import probe_device
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.cuda.cuda_kernel import CudaKernel
from lazytile.pyramid.cuda.gpu_thread import GpuLimits, GpuThread
from lazytile.pyramid.cuda.worker import start_kernel
from lazytile.pyramid.engines.factory import open_tile_engine
from lazytile.pyramid.engines.gpu_devices import gpu_devices
from lazytile.pyramid.engines.measured_choice import tiles_per_second
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.kernel.selection import choose_kernel, install_kernel
from lazytile.pyramid.render.block_reader import plan
from lazytile.pyramid.render.image import ImageFormat, encode
from lazytile.pyramid.render.location import locate
from lazytile.pyramid.render.renderer import render, render_index
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.store import Store, store_at
from lazytile.pyramid.store.stored_chunks import StoredChunks
from lazytile.pyramid.work import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lazytile.pyramid.render.render_task import RenderTask

ROOT = Path(__file__).resolve().parent.parent
DOUBLE = ROOT / "tests" / "gpu" / "double"
CACHE_BYTES = 2 << 30
COMPARED = 8
"""Tiles of each kind that NumPy renders too."""
MAPS = (("WebMercatorQuad", None), ("WebMercatorQuad", Resampling.NEAREST), ("EPSG3413_1km", None))
"""Tile matrix sets and methods; None: the default one, a mean."""
STAGES = ("read", "decode", "upload", "kernel", "download", "encode", "whole", "engine cuda", "cores")


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs the benchmark."""

    gpu: str
    """Name of the GPU; empty where the double stands in for one."""
    reason: str
    """Why there is none."""
    cores: int

    @classmethod
    def here(cls) -> Machine:
        """Look for a GPU that works."""
        reason, name = gpu_devices().reason, ""
        if not reason:
            try:
                name = probe_device()
            except Exception as error:  # noqa: BLE001 - import errors, driver errors, compiler errors
                reason = f"{type(error).__name__}: {error}"
        return cls(name, reason, processor_count())


def main() -> None:
    """Run the benchmark and write the report."""
    process.begin()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=256, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rows", type=int, default=4500, help="of the data; columns are twice as many")
    parser.add_argument("--out", type=Path, default=ROOT / "bench-results", help="folder of the report")
    options = parser.parse_args()
    machine = Machine.here()
    if not machine.gpu:
        if os.environ.get("LAZYTILE_REQUIRE_GPU") == "1":
            raise SystemExit(f"no GPU works: {machine.reason}")
        sys.path.insert(0, str(DOUBLE))
        sys.modules.pop("cupy", None)
    gpu = GpuThread(importlib.import_module("cupy"), GpuLimits(is_timed=True))
    with tempfile.TemporaryDirectory() as folder:
        tasks = make_tasks(Path(folder), options.rows, options.tiles)
        rows = {name: measure(each, gpu, machine, options.seconds) for name, each in tasks.items()}
    gpu.close()
    write_report(options.out, machine, gpu.name, rows)


def make_tasks(folder: Path, rows: int, count: int) -> dict[str, list[RenderTask]]:
    """Convert synthetic data and return tasks of the finest tiles that hold data, by kind."""
    step = 180.0 / rows
    lat, lon = 90.0 - (np.arange(rows) + 0.5) * step, -180.0 + (np.arange(2 * rows) + 0.5) * step
    ripples = np.sin(np.radians(lat * 23.0))[:, None] * np.cos(np.radians(lon * 17.0))
    kelvin = 273.15 + 28.0 * np.cos(np.radians(lat))[:, None] + 1.5 * ripples
    is_land = (np.sin(np.radians(lat * 5.0))[:, None] + np.cos(np.radians(lon * 3.0))) > 0.9
    codes = np.where(is_land, -32768, np.rint((kelvin - 298.15) / 0.001)).astype(np.int16)
    with netCDF4.Dataset(folder / "sst.nc", "w") as file:
        for name, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            file.createDimension(name, values.size)
            axis = file.createVariable(name, "f8", (name,))
            axis.units = units
            axis[:] = values
        variable = file.createVariable("sst", "i2", ("lat", "lon"), fill_value=-32768)
        variable.setncatts({"scale_factor": 0.001, "add_offset": 298.15, "units": "kelvin"})
        variable.set_auto_maskandscale(False)
        variable[:] = codes
    convert(folder / "sst.nc", folder / "store", "sst")
    layer = Store(folder / "store").layer("sst")
    style = Styles(ColormapCatalog(None)).style(layer, "default")
    found = {}
    for name, method in MAPS:
        tms = layer.tile_matrix_set(name)
        fitting = [each for each in tms.matrices if each.matrix_width * 256 <= 2 * rows]
        matrix = fitting[-1] if fitting else tms.matrices[0]
        tiles = [(row, col) for row in range(matrix.matrix_height) for col in range(matrix.matrix_width)]
        options = PixelOptions(method)
        chosen: list[RenderTask] = []
        for at in np.random.default_rng(1).permutation(len(tiles)):
            request = TileRequest(layer, style, (), tms, matrix, *tiles[at], ImageFormat.PNG, options)
            task = request.task(folder / "store")
            if render_index(task).any():
                chosen.append(task)
            if len(chosen) == count:
                break
        found[f"{name}, {method.value if method else 'means'}"] = chosen
    return found


def pixels(files: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the palette indices of PNGs: NumPy's kernel compresses otherwise than the native one."""
    return tuple(Image.open(io.BytesIO(file)).tobytes() for file in files)


def measure(tasks: list[RenderTask], gpu: GpuThread, machine: Machine, seconds: float) -> dict[str, float | None]:
    """Return tiles/s of each stage; None where nothing was measured."""
    found: dict[str, float | None] = dict.fromkeys(STAGES)
    fresh()
    install_kernel(choose_kernel("numpy"))
    expected = [pixels(render(task)) for task in tasks[:COMPARED]]
    cores = choose_kernel()
    fresh()
    install_kernel(CudaKernel(gpu, cores))
    before, tiles = dict(gpu.counts.seconds), gpu.counts.tiles
    with ThreadPoolExecutor(2 * machine.cores) as pool:
        if [pixels(files) for files in pool.map(render, tasks)][:COMPARED] != expected:
            raise SystemExit("tiles of the GPU differ from those of NumPy")
        if not machine.gpu:
            return found
        # The first round brings the chunks; from the second one on they lie on the GPU.
        found["upload"] = (gpu.counts.tiles - tiles) / (gpu.counts.seconds["upload"] - before["upload"])
        found["whole"] = rate(lambda: list(pool.map(render, tasks)), len(tasks), seconds)
    for stage in ("kernel", "download"):
        found[stage] = (gpu.counts.tiles - tiles) / (gpu.counts.seconds[stage] - before[stage])
    found |= host_stages(tasks, machine, seconds)
    found["engine cuda"] = asyncio.run(through_engine(tasks))
    context = get_context("spawn")
    with ProcessPoolExecutor(machine.cores, mp_context=context) as processes:
        rates = processes.map(render_for, *zip(*[(tasks, seconds, expected)] * machine.cores, strict=True))
        found["cores"] = sum(rates)
    return found


def fresh() -> None:
    """Begin with empty caches; values of tiles are not kept."""
    process.install(CacheBudget.renderer(CACHE_BYTES).without("values"))


def rate(function: Callable[[], object], count: int, seconds: float) -> float:
    """Return how many tiles a second a function makes that makes ``count`` of them."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        function()
        done += count
    return done / (time.perf_counter() - began)


def host_stages(tasks: Sequence[RenderTask], machine: Machine, seconds: float) -> dict[str, float | None]:
    """Return tiles/s of reading, decoding and encoding, in one thread for each core."""
    chunks = [list(chunks_of(task)) for task in tasks]
    encoded = [[reader.whole(*at) for reader, at in each] for each in chunks]
    indices = [render_index(task) for task in tasks]

    def read(each: Iterable[tuple[StoredChunks, Any]]) -> None:
        for reader, at in each:
            reader.whole(*at)

    def decode(number: int) -> None:
        for (reader, _), data in zip(chunks[number], encoded[number], strict=True):
            if data is not None:
                unpack(reader.compressor, data, reader.nbytes)

    def encode_one(number: int) -> None:
        task = tasks[number]
        encode(indices[number], task.palette.rgba, task.image_format, task.background)

    numbers = range(len(tasks))
    with ThreadPoolExecutor(machine.cores) as pool:
        return {
            "read": rate(lambda: list(pool.map(read, chunks)), len(tasks), seconds),
            "decode": rate(lambda: list(pool.map(decode, numbers)), len(tasks), seconds),
            "encode": rate(lambda: list(pool.map(encode_one, numbers)), len(tasks), seconds),
        }


def chunks_of(task: RenderTask) -> Iterable[tuple[StoredChunks, Any]]:
    """Yield the reader and the address of each chunk that a tile needs."""
    stored = store_at(task.store).dataset(task.dataset)
    description, variable = stored.description, stored.description.variable(task.variable)
    method = task.resampling or task.default_resampling or Resampling.AVERAGE
    footprints = method.needs_footprints
    where = locate(description.grid, description.levels, task.tms, task.matrix, task.block, footprints=footprints)
    reader = open_level(stored.path, description, variable.name, where.level)
    assert isinstance(reader, StoredChunks)
    for row, col in choose_kernel().positions(plan(stored, variable, where, method)):
        yield reader, (task.dim_index, row, col)


async def through_engine(tasks: Sequence[RenderTask]) -> float:
    """Return tiles/s of the engine ``cuda``, dask-cuda and the way to its worker included."""
    options = EngineOptions(start_gpu=start_kernel)
    async with await open_tile_engine(EngineSpec("cuda"), perform, options) as engine:
        return await tiles_per_second(engine, tasks)


def render_for(tasks: Sequence[RenderTask], seconds: float, expected: Sequence[tuple[bytes, ...]]) -> float:
    """Return tiles/s of this process with the native kernel."""
    process.begin()
    fresh()
    if [pixels(render(task)) for task in tasks][:COMPARED] != list(expected):
        raise SystemExit("tiles of the native kernel differ from those of NumPy")
    return rate(lambda: [render(task) for task in tasks], len(tasks), seconds)


def write_report(folder: Path, machine: Machine, kernel: str, rows: dict[str, dict[str, float | None]]) -> None:
    """Write and print the report."""
    folder.mkdir(parents=True, exist_ok=True)
    note = (
        f"{machine.gpu} ({kernel}), {machine.cores} cores ({choose_kernel().name} kernel), {platform.machine()}, "
        f"Python {platform.python_version()}. Tiles/s of 256 x 256 pixels."
        if machine.gpu
        else f"**Nothing was measured**: there is no GPU ({machine.reason}). The tests' double took its place, and the "
        "tiles equal those of NumPy."
    )
    lines = ["# Tiles on a GPU", "", note, "", f"| tiles | {' | '.join(STAGES)} |", f"|---|{'--:|' * len(STAGES)}"]
    for name, row in rows.items():
        cells = ("-" if value is None else f"{value:,.0f}" for value in (row[stage] for stage in STAGES))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    document = {"measured": bool(machine.gpu), "gpu": machine.gpu, "kernel": kernel, "cores": machine.cores}
    document |= {"reason": machine.reason, "tiles_per_second": rows}
    (folder / "gpu.md").write_text("\n".join(lines) + "\n")
    (folder / "gpu.json").write_text(json.dumps(document, indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
