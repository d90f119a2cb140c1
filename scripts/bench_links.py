"""Time cold tiles of Zarr that is not converted: linked here, and opened by other tile servers.

    bench_links.py --data FOLDER --peers FOLDER [--tiles 40,80,80] [--seed N] [--document docs/benchmarks.md]
                   [--servers lazytile,titiler-xarray,xpublish-tiles] [--zooms 3,5,7] [--clients 1,8] [--results FILE]

FOLDER of ``--data`` holds what ``make_mur.py`` and ``tilelist.py`` of the other folder write: ``mur_f1.zarr`` (int16,
17999 x 36000, chunks of 512 x 512) and a list of tiles with data. FOLDER of ``--peers`` holds the applications of the
other servers (``peers/*_app.py``), which run in the virtual environment BENCH_VENV. One client in Python asks every
server for the same tiles of zoom 3, 5 and 7, in the same order: first one alone, then the others, over one connection
or eight. Nobody keeps tiles. Two processes serve, and pixels show the nearest cell of the level.

Each server is asked twice for the tiles of a zoom. For the first pass it has just started; ours then has no overview
at all. Before each server starts, all files of the Zarr are read once, so that none has to wait for the disk.
Afterwards ours is started again and asked a third time: all that it has then are the overviews on disk.

``--results`` adds what was measured to a file of JSON, so that the table can be measured in pieces.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from bench_connection import answer_of, seconds_of
from bench_document import conditions, write_section
from bench_processes import read_files
from bench_server import serving

from lazytile.pyramid.linked.link import link

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOOMS = (3, 5, 7)
CLIENTS = (1, 8)
PROCESSES = 2
PORT = 8190
VARIABLE = "analysed_sst"
PEERS = {
    "titiler-xarray": (
        "titiler_xarray_app",
        (
            "/tiles/WebMercatorQuad/{z}/{x}/{y}.png?url={zarr}&variable=analysed_sst&sel=time=2019-01-01T09:00:00"
            "&rescale=271,305&colormap_name=viridis"
        ),
    ),
    "xpublish-tiles": (
        "xpublish_app",
        (
            "/tiles/WebMercatorQuad/{z}/{y}/{x}?variables=analysed_sst&style=raster/viridis&colorscalerange=271,305"
            "&f=image/png&width=256&height=256"
        ),
    ),
}
OWN = "lazytile"
PASSES = ("first", "second")
RESTARTED = "restarted"
"""The pass of a new server of ours over the overviews on disk."""
SUMMARY = """\
`make bench-links`: an int16 grid of 17999 x 36000 cells as Zarr v3 in chunks of 512 x 512 (Zstandard), linked by
lazytile and opened by the others. {count} tiles of 256 pixels ({counts}), each asked for once a pass by a client in
Python, {processes} processes a server, no tile cache, nearest cells, all files in the page cache. *First*: the server
has just started, and ours has no overview. *Second*: the same server again. *Restarted*: a new server of ours, which
has the overviews on disk, but no chunk in memory. GDAL, with which TiTiler itself reads, does not open this Zarr
(`Unsupported codec: bytes`, rasterio 1.4.4); TiTiler's package for Zarr is titiler-xarray. What they compute differs.
lazytile shows the nearest cell of the overview as fine as the tile: means of 2 x 2 cells, twice at zoom 5 and four
times at zoom 3, of all cells, the same bytes as after a conversion. titiler-xarray and xpublish-tiles have no
overviews: for each tile they read every chunk that the tile touches. titiler-xarray shows the cell of the full grid
that is nearest to each pixel, one of 300 at zoom 3; xpublish-tiles first averages squares of cells where more than
three of a row fall on a pixel. Compare figures within one run only."""
Tile = tuple[int, int, int]


@dataclass(frozen=True)
class Pass:
    """What one pass over the tiles of a zoom took."""

    first_s: float
    """The first tile, asked for alone."""
    rate: float
    """Tiles a second after it."""
    median_s: float


Found = dict[tuple[str, int, int, str], Pass]
"""By server, zoom, clients and pass."""


def main() -> None:
    """Run the benchmark and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--tiles", default="40,80,80", help="of zoom 3, 5 and 7")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--servers", default=",".join((OWN, *PEERS)))
    parser.add_argument("--zooms", default=",".join(map(str, ZOOMS)))
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)))
    parser.add_argument("--results", type=Path, help="a file of JSON that keeps what was measured")
    parser.add_argument("--document", type=Path, help="a Markdown file to write the table to")
    options = parser.parse_args()
    tiles = chosen_tiles(options.data / "tiles_WebMercatorQuad_256.tsv", options.tiles, options.seed)
    found = known_results(options.results)
    for zoom, clients, name in product(
        map(int, filter(None, options.zooms.split(","))),
        map(int, options.clients.split(",")),
        options.servers.split(","),
    ):
        if name != OWN and options.peers is None:
            continue
        for kind, each in passes(options, name, tiles[zoom], clients).items():
            found[name, zoom, clients, kind] = each
            print(f"{name} z{zoom} c={clients} {kind}: {each}", flush=True)
        if options.results is not None:
            rows = [[*key, each.first_s, each.rate, each.median_s] for key, each in found.items()]
            options.results.write_text(json.dumps(rows, indent=0))
    lines = report(found, {zoom: len(tiles[zoom]) for zoom in ZOOMS})
    print("\n".join(lines))
    if options.document is not None:
        write_section(options.document, "bench-links", lines)


def known_results(file: Path | None) -> Found:
    """Return what other pieces of the run have measured."""
    if file is None or not file.exists():
        return {}
    rows = json.loads(file.read_text())
    return {(name, zoom, clients, kind): Pass(*numbers) for name, zoom, clients, kind, *numbers in rows}


def passes(options: argparse.Namespace, name: str, tiles: list[Tile], clients: int) -> dict[str, Pass]:
    """Measure all passes of a server over the tiles of a zoom."""
    zarr = (options.data / "mur_f1.zarr").resolve()
    read_files(zarr)
    if name != OWN:
        application, path = PEERS[name]
        with peer(options.peers / "peers", application, zarr):
            return {kind: measured(PORT, path.replace("{zarr}", str(zarr)), tiles, clients) for kind in PASSES}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        link(zarr, folder, "mur", [VARIABLE])
        for kinds in (PASSES, (RESTARTED,)):
            with serving(Path(folder), "--no-tile-cache", "--workers", str(PROCESSES), "--metatile", "1") as own:
                for kind in kinds:
                    found[kind] = measured(own.port, "/xyz/mur/{z}/{x}/{y}.png?resampling=nearest", tiles, clients)
    return found


def chosen_tiles(listed: Path, counts: str, seed: int) -> dict[int, list[Tile]]:
    """Return random tiles of each zoom, as zoom, column and row."""
    with listed.open(newline="") as file:
        rows = [(int(z), int(x), int(y)) for _, z, x, y, *_ in csv.reader(file, delimiter="\t")]
    chance = random.Random(seed)  # noqa: S311 - a sample
    return {
        zoom: chance.sample([tile for tile in rows if tile[0] == zoom], int(count))
        for zoom, count in zip(ZOOMS, counts.split(","), strict=True)
    }


@contextmanager
def peer(folder: Path, application: str, zarr: Path) -> Iterator[None]:
    """Run another server until the context ends."""
    uvicorn = str(Path(os.environ["BENCH_VENV"]) / "bin" / "uvicorn")
    command = [uvicorn, f"{application}:app", "--port", str(PORT), "--no-access-log", "--workers", str(PROCESSES)]
    environment = {**os.environ, "ZARR": str(zarr), "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(PORT, process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers anything."""
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("a server did not start")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                answer_of(connection, "/docs")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("a server does not answer")


def measured(port: int, path: str, tiles: list[Tile], clients: int) -> Pass:
    """Request each tile once: the first alone, the others by several connections."""
    first, *others = [path.format(z=z, x=x, y=y) for z, x, y in tiles]
    first_s = seconds_of(port, [first])[0]
    waiting, lock, took = iter(others), threading.Lock(), []

    def client() -> None:
        def mine() -> Iterator[str]:
            while True:
                with lock:
                    found = next(waiting, None)
                if found is None:
                    return
                yield found

        found = seconds_of(port, mine())
        with lock:
            took.extend(found)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted = time.perf_counter() - began
    if len(took) != len(others):
        raise SystemExit(f"{len(others) - len(took)} of {len(others)} tiles of {path} failed")
    return Pass(first_s, len(took) / lasted, statistics.median(took))


def report(found: Found, counts: dict[int, int]) -> list[str]:
    """Return the section of the document."""
    lines = [
        f"## Zarr that is not converted, against other tile servers ({conditions()})",
        "",
        SUMMARY.format(
            count=sum(counts.values()),
            counts=", ".join(f"{count} of zoom {zoom}" for zoom, count in counts.items()),
            processes=PROCESSES,
        ),
        "",
        "| server | pass | zoom | first tile, ms | tiles/s, 1 client | p50, ms | tiles/s, 8 clients | p50, ms |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, kind, zoom in product((OWN, *PEERS), (*PASSES, RESTARTED), ZOOMS):
        pair = [found.get((name, zoom, clients, kind)) for clients in CLIENTS]
        if all(pair):
            one, eight = pair
            lines.append(
                f"| {name} | {kind} | {zoom} | {one.first_s * 1e3:.0f} | {one.rate:.1f} | {one.median_s * 1e3:.1f} "
                f"| {eight.rate:.1f} | {eight.median_s * 1e3:.1f} |"
            )
    lines += ["", *ratios(found, counts)]
    return lines


def ratios(found: Found, counts: dict[int, int]) -> list[str]:
    """Return the table of how many times as fast ours is as the faster of the others, in the same pass."""
    lines = [
        "Times as fast as the faster of the other servers in its second pass (*first*: in its first), in tiles a",
        "second; first tile: in time. *All*: the time that the tiles of all zooms take together.",
        "",
        "| pass | zoom | first tile | 1 client | 8 clients |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for kind in (*PASSES, RESTARTED):
        other = "first" if kind == "first" else "second"
        totals = []
        for zoom in ZOOMS:
            keys = [(zoom, clients, other) for clients in CLIENTS]
            if not all((each, *key) in found for each in PEERS for key in keys):
                return lines
            mine = [found[OWN, zoom, clients, kind] for clients in CLIENTS]
            theirs = [max((found[each, *key] for each in PEERS), key=lambda one: one.rate) for key in keys]
            first = min(found[each, zoom, 1, other].first_s for each in PEERS) / mine[0].first_s
            times = [own.rate / its.rate for own, its in zip(mine, theirs, strict=True)]
            pairs = zip(mine, theirs, strict=True)
            totals.append([(counts[zoom] / own.rate, counts[zoom] / its.rate) for own, its in pairs])
            lines.append(f"| {kind} | {zoom} | {first:.1f} | {times[0]:.1f} | {times[1]:.1f} |")
        both = [sum(each[at][1] for each in totals) / sum(each[at][0] for each in totals) for at in range(len(CLIENTS))]
        lines.append(f"| {kind} | all | | {both[0]:.1f} | {both[1]:.1f} |")
    return lines


if __name__ == "__main__":
    main()
