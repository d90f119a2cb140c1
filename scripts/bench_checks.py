"""Time what checking stored chunks costs: cold tiles with checks against the same without, tile by tile.

    bench_checks.py STORE LAYER [--zooms 3,5] [--rounds 9]

Every tile of some zooms is rendered with the caches of chunks and values off, from files in the page cache, so each
tile reads and unpacks all its chunks: with checks and, at once before or after it, without. The least time of each tile
counts, so that other load on the machine does not. The run fails if checks cost over 5 %.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.store.store import StoredDataset, store_at
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.render.render_task import RenderTask

CACHE_BYTES = 256 << 20
MOST_TILES = 400
LIMIT = 0.05


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("layer")
    parser.add_argument("--zooms", default="3,5")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    process.install(CacheBudget.renderer(CACHE_BYTES).without("chunks", "values"))
    checksum_speed()
    worst = 0.0
    for zoom in map(int, options.zooms.split(",")):
        tasks = tasks_of(options.store, options.layer, zoom)
        cost = measure(tasks, options.rounds, f"zoom {zoom}")
        worst = max(worst, cost)
    print(f"checks cost {worst:+.1%} of a cold tile at most, {LIMIT:.0%} are allowed")
    if worst > LIMIT:
        raise SystemExit(1)


def checksum_speed() -> None:
    """Print how long the checksum of a chunk takes."""
    data = bytes(range(256)) * 400
    began = time.perf_counter()
    for _ in range(1000):
        crc32(data)
    print(f"CRC-32 of {len(data)} bytes: {(time.perf_counter() - began) * 1000:.2f} us")


def tasks_of(store: Path, name: str, zoom: int) -> list[RenderTask]:
    """Return the tasks of the tiles of a zoom, some of them where there are many."""
    layer = store_at(str(store)).layer(name)
    tms = layer.tile_matrix_set("WebMercatorQuad")
    matrix = tms.matrices[zoom]
    style = Styles(ColormapCatalog(None)).style(layer, "default")
    steps = tuple(0 for _ in layer.variable.dimensions)
    side = 1 << zoom
    addresses = [(row, col) for row in range(side // 4, side - side // 4) for col in range(side)]
    addresses = addresses[:: max(1, len(addresses) // MOST_TILES)]
    request = TileRequest(layer, style, steps, tms, matrix, 0, 0, ImageFormat.PNG, PixelOptions())
    return [replace(request, row=row, col=col).task(store) for row, col in addresses]


@contextmanager
def switched(is_checked: list[bool]) -> Iterator[None]:
    """Have every reader compare nothing in the block while ``is_checked`` holds False."""
    checked = vars(StoredDataset)["reader"]
    made: dict[tuple[int, int, str], object] = {}

    def reader_of(self: StoredDataset, level: int, variable: str) -> object:
        reader = checked(self, level, variable)
        if is_checked[0] or not isinstance(reader, StoredChunks):
            return reader
        return made.setdefault((id(self), level, variable), replace(reader, digests=None))

    with patch.object(StoredDataset, "reader", reader_of):
        yield


def seconds(task: RenderTask) -> float:
    """Return how long a task takes."""
    began = time.perf_counter()
    render(task)
    return time.perf_counter() - began


def measure(tasks: list[RenderTask], rounds: int, name: str) -> float:
    """Return the cost of checks as a part of the time without."""
    is_checked = [True]
    least = {True: [math.inf] * len(tasks), False: [math.inf] * len(tasks)}
    with switched(is_checked):
        for number in range(rounds):
            for at, task in enumerate(tasks):
                for choice in (True, False) if (number + at) % 2 else (False, True):
                    is_checked[0] = choice
                    least[choice][at] = min(least[choice][at], seconds(task))
    with_checks, without = (sum(least[choice]) for choice in (True, False))
    cost = with_checks / without - 1
    print(
        f"{name}: {len(tasks)} tiles, {len(tasks) / with_checks:.0f} tiles/s with checks, "
        f"{len(tasks) / without:.0f} without: {cost:+.1%}"
    )
    return cost


if __name__ == "__main__":
    main()
