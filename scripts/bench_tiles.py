"""Time cold tiles: the server against the renderer alone, against other tile servers, and small data against large.

    bench_tiles.py [--factors 4,1] [--work FOLDER] [--zooms 3,5,7] [--tiles 300] [--seed N] [--peers FOLDER]

Random 256-pixel WebMercatorQuad PNG tiles, at least a quarter of each with data. The caches of tiles and values are
off, the chunk cache is on, and two server processes run. Pixels show the nearest cell, as those of the other servers
do; rows marked "means" use the default method, the mean of the cells under a pixel. wrk generates the load, if it is
installed (a Python client takes most of a core by itself). With ``--peers`` (a folder with run_peers.sh and
peers/mapserver/run.sh, and the variables BENCH_VENV and BENCH_DATA that they need) other servers serve tiles of the
same data in the same run. Compare figures within one run only: they vary with the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_server import load, serving

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.render.block_reader import read_index
from lazytile.pyramid.render.image import ImageFormat, encode
from lazytile.pyramid.render.location import locate
from lazytile.pyramid.render.renderer import render, render_index
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.store import Store, store_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.store.layer import Layer

ROOT = Path(__file__).resolve().parent.parent
CONVERT = "import sys; from lazytile.pyramid.ingest.convert import convert; convert(*sys.argv[1:])"
"""Takes a file, a store and a name."""
ENOUGH_DATA = 0.25
CACHE_BYTES = 512 << 20
"""Of this process; the servers have their own."""
Results = dict[tuple[str, int], tuple[float, float, float]]
"""Tiles/s at concurrency 8, p50 in ms at concurrency 1 and bytes a tile, by server and zoom."""
METHODS = {"": "?resampling=nearest", ", means": ""}


def main() -> None:
    """Run all benchmarks and print Markdown."""
    process.begin()  # as in the server
    process.install(CacheBudget.renderer(CACHE_BYTES).without("values"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", default="4,1", help="1 is the full 36000 x 17999 cells, 4 a sixteenth of them")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-results", help="folder for data and stores")
    parser.add_argument("--zooms", default="3,5,7")
    parser.add_argument("--tiles", type=int, default=300, help="of each zoom")
    parser.add_argument("--seed", type=int, default=0, help="another one chooses other tiles")
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--peer-tiles", type=int, default=60, help="of each zoom, for the other servers")
    options = parser.parse_args()
    zooms = [int(zoom) for zoom in options.zooms.split(",")]
    results: Results = {}
    if shutil.which("wrk") is None:
        print("wrk is not installed (apt-get install wrk): benchmarks over HTTP are skipped\n")
    print("| server | z | tiles/s c=8 | p50 ms c=1 | p95 ms c=1 | bytes/tile |\n|---|--:|--:|--:|--:|--:|", flush=True)
    for factor in (int(text) for text in options.factors.split(",")):
        store = ensure_store(options.work, factor)
        tasks = {zoom: choose_tasks(store, factor, zoom, options.tiles, options.seed) for zoom in zooms}
        with serving(store, "--no-tile-cache", "--workers", "2", "--metatile", "1") as server:
            for zoom, (mark, query) in itertools.product(zooms if shutil.which("wrk") else (), METHODS.items()):
                paths = [f"/xyz/{name_of(factor)}/{zoom}/{t.block.col}/{t.block.row}.png{query}" for t in tasks[zoom]]
                name = f"lazytile, factor {factor}{mark}"
                report(name, zoom, load(server.port, paths, 8), load(server.port, paths, 1), results)
                if factor == 1:
                    print(f"|   memory of the largest process: {server.peak_rss_mb():.0f} MB | | | | | |")
        name = f"lazytile, factor {factor}"
        stages(name, tasks, results)
        default = {zoom: [replace(task, resampling=None) for task in tasks[zoom]] for zoom in zooms}
        stages(f"{name}, means", default, results)
        restyle(tasks)
    if options.peers is not None:
        peers(options.peers, options.work, tasks, results, options.peer_tiles)
    ratios(results, zooms)


def name_of(factor: int) -> str:
    """Return the dataset's name."""
    return f"mur{factor}"


def ensure_store(work: Path, factor: int) -> Path:
    """Create and convert the data, unless an earlier run did."""
    store = work / "store"
    if (store / f"{name_of(factor)}.zarr").exists():
        return store
    work.mkdir(parents=True, exist_ok=True)
    source = work / f"mur{factor}.nc"
    given = Path(os.environ.get("BENCH_DATA", "nowhere")) / f"mur_f{factor}.nc"
    if given.exists():
        source = given
    elif not source.exists():
        size = ["--full"] if factor == 1 else []
        run([sys.executable, str(ROOT / "scripts/make_demo_data.py"), "--out", str(work / f"data{factor}"), *size])
        source = next((work / f"data{factor}").glob("*sst*.nc" if factor != 1 else "*.nc"))
    run([sys.executable, "-c", CONVERT, str(source), str(store), name_of(factor)])
    return store


def run(command: list[str]) -> None:
    """Run a command and raise if it fails."""
    subprocess.run(command, check=True, stdout=sys.stderr)


def choose_tasks(store: Path, factor: int, zoom: int, count: int, seed: int = 0) -> list[RenderTask]:
    """Choose random tiles with enough data, the same ones on every run with a seed."""
    layer: Layer = next(layer for layer in Store(store).layers() if layer.dataset.name == name_of(factor))
    style = Styles(ColormapCatalog(None)).style(layer, "default")
    tms = layer.tile_matrix_set("WebMercatorQuad")
    matrix = tms.matrix(str(zoom))
    dim_index = tuple(0 for _ in layer.variable.dimensions)
    random = np.random.default_rng((seed, zoom))
    tiles = [(row, col) for row in range(matrix.matrix_height) for col in range(matrix.matrix_width)]
    chosen = []
    for at in random.permutation(len(tiles)):
        row, col = tiles[at]
        pixels = PixelOptions(Resampling.NEAREST)
        request = TileRequest(layer, style, dim_index, tms, matrix, row, col, ImageFormat.PNG, pixels)
        task = request.task(store)
        if np.count_nonzero(render_index(task)) >= ENOUGH_DATA * 256 * 256:
            chosen.append(task)
        if len(chosen) == count:
            break
    return chosen


def report(name: str, zoom: int, many: tuple[float, ...], one: tuple[float, ...], results: Results) -> None:
    """Print a row."""
    results[name, zoom] = (many[0], one[1], many[3])
    print(f"| {name} | {zoom} | {many[0]:.0f} | {one[1]:.2f} | {one[2]:.2f} | {many[3]:.0f} |", flush=True)


def median_ms(function: Callable[[RenderTask], object], tasks: list[RenderTask]) -> float:
    """Return the median time of a function over the tasks, milliseconds."""
    spent = []
    for task in tasks:
        began = time.perf_counter()
        function(task)
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e3


def stages(name: str, tasks: dict[int, list[RenderTask]], results: Results) -> None:
    """Print the time of each stage of a tile in one thread of this process, and what HTTP adds."""
    print(f"\n| {name}, z | plan | read | kernel | encode | whole render | HTTP and the rest, ms |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for zoom, chosen in tasks.items():
        median_ms(render, chosen)  # warm
        rows = np.array([stage_seconds(task) for task in chosen])
        parts = " | ".join(f"{ms:.3f}" for ms in np.median(rows, axis=0) * 1e3)
        whole = median_ms(render, chosen)
        rest = f"{results[name, zoom][1] - whole:.3f}" if (name, zoom) in results else ""
        print(f"| {zoom} | {parts} | {whole:.3f} | {rest} |", flush=True)


def stage_seconds(task: RenderTask) -> tuple[float, ...]:
    """Return the seconds of each stage of a task. The second reading, with cached chunks, is the kernel."""
    stored = store_at(task.store).dataset(task.dataset)
    description, variable = stored.description, stored.description.variable(task.variable)
    method = task.resampling or task.default_resampling
    clock = [time.perf_counter()]
    location = locate(
        description.grid,
        description.levels,
        task.tms,
        task.matrix,
        task.block,
        footprints=method.needs_footprints,
    )
    clock.append(time.perf_counter())
    for _ in range(2):
        index = read_index(stored, variable, task.dim_index, location, method, task.palette)
        clock.append(time.perf_counter())
    encode(index, task.palette.rgba, task.image_format, task.background)
    clock.append(time.perf_counter())
    plan, first, again, *rest = (after - before for before, after in itertools.pairwise(clock))
    return (plan, max(0.0, first - again), again, *rest)


def restyle(tasks: dict[int, list[RenderTask]]) -> None:
    """Print the time of a second style of tiles whose values are cached, against their cold time."""
    other = compile_colormap(ColormapCatalog(None).find("grey"), data_units="kelvin")
    for zoom, chosen in tasks.items():
        few = chosen[:100]
        # Without cached chunks: everything is read from files.
        process.install(CacheBudget.renderer(CACHE_BYTES).without("chunks", "values"))
        render(few[0])
        cold = median_ms(render, few)
        process.install(CacheBudget.renderer(CACHE_BYTES))
        for task in few:
            render(task)
        warm = median_ms(lambda task: render(replace(task, palette=other)), few)
        print(f"restyle z{zoom}: {warm:.3f} ms, {warm / cold:.2f} of the cold {cold:.3f} ms", flush=True)


def peers(folder: Path, work: Path, tasks: dict[int, list[RenderTask]], results: Results, count: int) -> None:
    """Run the scripts that request the same tiles from other servers, and read their results."""
    data, out = Path(os.environ["BENCH_DATA"]), work / "peers"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    lines = []
    for zoom, chosen in tasks.items():
        level = {7: 0, 5: 2, 3: 4}.get(zoom, 0)
        lines += [f"WebMercatorQuad\t{zoom}\t{t.block.col}\t{t.block.row}\t{level}" for t in chosen]
    (data / "tiles_WebMercatorQuad_256.tsv").write_text("\n".join(lines) + "\n")
    env = {**os.environ, "BENCH_OUT": str(out), "RETRIES": "0", "LIMIT": str(count)}
    for script in (["run_peers.sh", "tx", "xp", "cog"], ["peers/mapserver/run.sh"]):
        subprocess.run(["bash", str(folder / script[0]), *script[1:]], env=env, check=False, stdout=sys.stderr)
    for line in (out / "peers.jsonl").read_text().splitlines():
        row = json.loads(line)
        rate, p50, _ = results.get((row["label"], row["z"]), (0.0, float("inf"), 0.0))
        results[row["label"], row["z"]] = (max(rate, row["tps"]), min(p50, row["p50"]), row["kb"] * 1e3)
    for (name, zoom), (rate, p50, size) in results.items():
        if not name.startswith("lazytile"):
            print(f"| {name} | {zoom} | {rate:.0f} | {p50:.2f} | | {size:.0f} |")


def ratios(results: Results, zooms: list[int]) -> None:
    """Print the ratios."""
    print()
    for zoom, mark in itertools.product(zooms, METHODS):
        full, quarter = (results.get((f"lazytile, factor {factor}{mark}", zoom)) for factor in (1, 4))
        where = f"z{zoom}{mark or ', nearest'}"
        if full and quarter:
            print(f"{where}: p50 at full size is {full[1] / quarter[1]:.2f} times that at factor 4")
        for kind, is_of_kind in (
            ("fastest Python peer", lambda n: "MapServer" not in n),
            ("MapServer", lambda n: "zlib1" in n),
        ):
            others = [
                v for (n, z), v in results.items() if z == zoom and not n.startswith("lazytile") and is_of_kind(n)
            ]
            if full and others:
                rate, p50 = max(rate for rate, _, _ in others), min(p50 for _, p50, _ in others)
                print(
                    f"{where}: {full[0] / rate:.1f} times the tiles/s of the {kind}, 1/{p50 / full[1]:.1f} of its p50"
                )


if __name__ == "__main__":
    main()
