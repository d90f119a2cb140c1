"""Time cold tiles of Zarr that is not converted: linked here, and opened by other tile servers.

    bench_links.py --data FOLDER --peers FOLDER [--tiles 40,80,80] [--seed N] [--document docs/benchmarks.md]

FOLDER of ``--data`` holds what ``make_mur.py`` and ``tilelist.py`` of the other folder write: ``mur_f1.zarr`` (int16,
17999 x 36000, chunks of 512 x 512) and a list of tiles with data. FOLDER of ``--peers`` holds the applications of the
other servers (``peers/*_app.py``), which run in the virtual environment BENCH_VENV. One client in Python asks every
server for the same tiles of zoom 3, 5 and 7, in the same order: first one alone, then as many by eight connections
from a new server. Nobody keeps tiles. Two processes serve, and pixels show the nearest cell.

Of ours there are two passes over the tiles of each zoom, each by a new server: the first over a new link, which has no
overview at all, and the second over the overviews that the first has left.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import os
import random
import signal
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench_document import conditions, write_section
from bench_server import serving

from lazytile.pyramid.linked.link import link

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOOMS = (3, 5, 7)
CLIENTS = (1, 8)
PROCESSES = 2
TIMEOUT_S = 120
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
SUMMARY = """\
`make bench-links`: an int16 grid of 17999 x 36000 cells as Zarr v3 in chunks of 512 x 512 (Zstandard), linked by
lazytile and opened by the others. {count} tiles of 256 pixels ({counts}), each asked for once by a client in Python,
{processes} processes a server, no tile cache, nearest cells. *No overviews*: a new link and a new server for each cell
of the table. *Second pass*: a new server over the overviews that the first pass made and kept. GDAL, with which TiTiler
itself reads, does not open this Zarr (`Unsupported codec: bytes`, rasterio 1.4.4); TiTiler's package for Zarr is
titiler-xarray. Compare figures within one run only."""
FIRST, SECOND = "lazytile, no overviews", "lazytile, second pass"
Tile = tuple[int, int, int]


@dataclass(frozen=True)
class Pass:
    """What one pass over the tiles of a zoom took."""

    first_s: float
    """The first tile, asked for alone."""
    rate: float
    """Tiles a second after it."""
    median_s: float


def main() -> None:
    """Run the benchmark and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--tiles", default="40,80,80", help="of zoom 3, 5 and 7")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--document", type=Path, help="a Markdown file to write the table to")
    options = parser.parse_args()
    zarr = (options.data / "mur_f1.zarr").resolve()
    tiles = chosen_tiles(options.data / "tiles_WebMercatorQuad_256.tsv", options.tiles, options.seed)
    found: dict[tuple[str, int, int], Pass] = {}
    for zoom in ZOOMS:
        for clients in CLIENTS:
            with tempfile.TemporaryDirectory() as folder:
                link(zarr, folder, "mur", [VARIABLE])
                for name in (FIRST, SECOND):
                    with serving(
                        Path(folder), "--no-tile-cache", "--workers", str(PROCESSES), "--metatile", "1"
                    ) as own:
                        found[name, zoom, clients] = measured(
                            own.port, "/xyz/mur/{z}/{x}/{y}.png?resampling=nearest", tiles[zoom], clients
                        )
            for name, (application, path) in PEERS.items() if options.peers is not None else ():
                with peer(options.peers / "peers", application, zarr):
                    address = path.replace("{zarr}", str(zarr))
                    found[name, zoom, clients] = measured(PORT, address, tiles[zoom], clients)
            print(
                zoom, clients, {key[0]: value for key, value in found.items() if key[1:] == (zoom, clients)}, flush=True
            )
    lines = report(found, {zoom: len(tiles[zoom]) for zoom in ZOOMS})
    print("\n".join(lines))
    if options.document is not None:
        write_section(options.document, "bench-links", lines)


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
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/docs")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.2)
        else:
            return
        finally:
            connection.close()
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


def seconds_of(port: int, paths: list[str] | Iterator[str]) -> list[float]:
    """Request paths over one connection, check that each is a tile, and return how long each took."""
    connection, found = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S), []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        found.append(time.perf_counter() - began)
        if answer.status != 200 or body[:8] != b"\x89PNG\r\n\x1a\n" or struct.unpack(">II", body[16:24]) != (256, 256):
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
    connection.close()
    return found


def report(found: dict[tuple[str, int, int], Pass], counts: dict[int, int]) -> list[str]:
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
        "| server | zoom | first tile, ms | tiles/s, 1 client | p50, ms | tiles/s, 8 clients | p50, ms |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    names = list(dict.fromkeys(name for name, _, _ in found))
    for name in names:
        for zoom in ZOOMS:
            one, eight = (found[name, zoom, clients] for clients in CLIENTS)
            lines.append(
                f"| {name} | {zoom} | {one.first_s * 1e3:.0f} | {one.rate:.1f} | {one.median_s * 1e3:.1f} "
                f"| {eight.rate:.1f} | {eight.median_s * 1e3:.1f} |"
            )
    peers = [name for name in names if name in PEERS]
    if not peers:
        return lines
    lines += ["", "Times as fast as the faster of the other servers, in tiles a second (first tile: in time):", ""]
    lines += ["| | zoom | first tile | 1 client | 8 clients |", "| --- | --- | ---: | ---: | ---: |"]
    for name in (FIRST, SECOND):
        for zoom in ZOOMS:
            first = min(found[each, zoom, 1].first_s for each in peers) / found[name, zoom, 1].first_s
            ratios = [
                found[name, zoom, clients].rate / max(found[each, zoom, clients].rate for each in peers)
                for clients in CLIENTS
            ]
            lines.append(f"| {name} | {zoom} | {first:.1f} | {ratios[0]:.1f} | {ratios[1]:.1f} |")
    return lines


if __name__ == "__main__":
    main()
