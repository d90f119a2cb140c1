"""Time the encoders of served tiles and count their bytes: the native kernel, ISA-L and zlib, tile by tile in turns.

    bench_png.py STORE LAYER [--zooms 3,5] [--rounds 9]

Every tile of some zooms is rendered to palette indices once. Each encoder's figure is the mean over the tiles of the
least processor time, for the whole file: filter, deflate and checksums. The pixels of all files are compared first.
"""

from __future__ import annotations

import argparse
import io
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from isal import isal_zlib
from PIL import Image

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.kernel.selection import choose_kernel, install_kernel
from lazytile.pyramid.render.image import ImageFormat, encode_png8, png8_encoder
from lazytile.pyramid.render.renderer import render_index
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CACHE_BYTES = 256 << 20
MOST_TILES = 200


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("layer")
    parser.add_argument("--zooms", default="3,5")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    process.install(CacheBudget.renderer(CACHE_BYTES).without("values"))
    install_kernel(choose_kernel("native"))
    tiles, rgba = tiles_of(options.store, options.layer, [int(zoom) for zoom in options.zooms.split(",")])
    encoders: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
        png8_encoder(): lambda index: encode_png8(index, rgba),
        "isal 1": lambda index: encode_png8(index, rgba, lambda rows: bytes(isal_zlib.compress(rows, 1))),
        "isal 3": lambda index: encode_png8(index, rgba, lambda rows: bytes(isal_zlib.compress(rows, 3))),
        "zlib 1": lambda index: encode_png8(index, rgba, lambda rows: zlib.compress(rows, 1)),
    }
    least = {name: np.full(len(tiles), np.inf) for name in encoders}
    size = dict.fromkeys(encoders, 0)
    for name, encode in encoders.items():
        for index in tiles:
            file = encode(index)
            size[name] += len(file)
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), index)
    for _ in range(options.rounds):
        for number, index in enumerate(tiles):
            for name, encode in encoders.items():
                start = time.thread_time()
                encode(index)
                least[name][number] = min(least[name][number], time.thread_time() - start)
    print(f"{len(tiles)} tiles of {options.layer}, zooms {options.zooms}")
    for name in encoders:
        print(f"{name:12} {least[name].mean() * 1e6:6.1f} us {size[name] / len(tiles):8.0f} bytes")


def tiles_of(store: Path, name: str, zooms: list[int]) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Return the palette indices of the tiles that show data, spread over the layer, and the colours."""
    layer = store_at(str(store.resolve())).layer(name)
    style = Styles(ColormapCatalog()).style(layer, "default")
    steps = tuple(0 for _ in layer.variable.dimensions)
    tms = layer.tile_matrix_set("WebMercatorQuad")
    found = []
    for zoom in zooms:
        matrix = tms.matrices[zoom]
        count = matrix.matrix_width * matrix.matrix_height
        for place in range(0, count, max(1, count * len(zooms) // MOST_TILES)):
            where = divmod(place, matrix.matrix_width)
            request = TileRequest(layer, style, steps, tms, matrix, *where, ImageFormat.PNG, PixelOptions())
            index = render_index(request.task(store))
            if index.any():
                found.append(index)
    return found, style.palette.rgba


if __name__ == "__main__":
    main()
